"""Small models with random weights, saved the way real ones are, to be loaded by the real loading code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "photo", "of", "the", "dog", "cat", "tench", "red", "blue", "."]
PREPROCESSOR = {
    "do_resize": True,
    "size": {"shortest_edge": 40},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": 32, "width": 32},
    "do_rescale": True,
    "do_normalize": True,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.25, 0.3],
}


def save_onnx(folder: Path, *, mask: bool = True, flat: bool = False, suffix: str = "", dim: int = 8) -> Path:
    """Write both towers: means of colors and of word vectors, each mapped to `dim` numbers."""
    from onnx import TensorProto, helper, numpy_helper, save

    rng = np.random.default_rng(0)
    models = folder if flat else folder / "onnx"
    models.mkdir(parents=True, exist_ok=True)

    def weights(name: str, *shape: int) -> object:
        return numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)

    def write(name: str, nodes: list, inputs: list, outputs: list, constants: list) -> None:
        graph = helper.make_graph(nodes, name, inputs, outputs, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        save(model, str(models / f"{name}{suffix}.onnx"))

    def array(name: str, *shape: object, kind: int = TensorProto.FLOAT) -> object:
        return helper.make_tensor_value_info(name, kind, list(shape))

    write(
        "vision_model",
        [
            helper.make_node("ReduceMean", ["pixel_values"], ["features"], axes=[3], keepdims=0),
            helper.make_node("Flatten", ["features"], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "w"], ["image_embeds"]),
            helper.make_node("MatMul", ["flat", "c"], ["logits"]),
        ],
        [array("pixel_values", "batch", 3, 32, 32)],
        [array("image_embeds", "batch", dim), array("logits", "batch", 5), array("features", "batch", 3, 32)],
        [weights("w", 96, dim), weights("c", 96, 5)],
    )
    texts = [helper.make_node("Gather", ["words", "input_ids"], ["vectors"])]
    if mask:
        texts += [
            helper.make_node("Cast", ["attention_mask"], ["weights"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["weights", "last"], ["column"]),
            helper.make_node("Mul", ["vectors", "column"], ["masked"]),
            helper.make_node("ReduceSum", ["masked", "middle"], ["text_embeds"], keepdims=0),
        ]
    else:
        texts += [helper.make_node("ReduceSum", ["vectors", "middle"], ["text_embeds"], keepdims=0)]
    sequence = [array(name, "batch", "seq", kind=TensorProto.INT64) for name in ("input_ids", "attention_mask")]
    axes = [numpy_helper.from_array(np.array([value]), name) for name, value in (("last", -1), ("middle", 1))]
    write(
        "text_model",
        texts,
        sequence if mask else sequence[:1],
        [array("text_embeds", "batch", dim)],
        [weights("words", len(WORDS), dim), *axes],
    )
    (folder / "config.json").write_text(json.dumps({"text_config": {"max_position_embeddings": 12}}))
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    save_tokenizer(folder)
    return folder


def save_tokenizer(folder: Path) -> None:
    """Write a ``tokenizer.json`` of whole words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
    tokenizer.save(str(folder / "tokenizer.json"))


def save_open_clip(folder: Path) -> Path:
    """Write a folder that open_clip reads as ``local-dir:``: tiny CLIP, its configuration and weights."""
    import open_clip
    import torch

    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.3]}})
    )
    torch.manual_seed(0)
    torch.save(open_clip.CLIP(**config).state_dict(), folder / "open_clip_pytorch_model.bin")
    return folder


def save_hf_clip(folder: Path) -> Path:
    """Write a tiny CLIP in the layout of transformers."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config={**small, "vocab_size": len(WORDS), "max_position_embeddings": 12, "eos_token_id": 3},
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=8,
    )
    torch.manual_seed(0)
    CLIPModel(config).save_pretrained(folder)
    return _hf_files(folder)


def save_hf_siglip(folder: Path) -> Path:
    """Write a tiny SigLIP in the layout of transformers."""
    import torch
    from transformers import SiglipConfig, SiglipModel

    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = SiglipConfig(
        text_config={**small, "vocab_size": len(WORDS), "max_position_embeddings": 12},
        vision_config={**small, "image_size": 32, "patch_size": 8},
    )
    torch.manual_seed(0)
    SiglipModel(config).save_pretrained(folder)
    return _hf_files(folder)


def save_hf_vit(folder: Path, pooler: bool = True) -> Path:
    """Write a tiny ViT in the layout of transformers, with or without the pooler that some checkpoints lack."""
    import torch
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8
    )
    torch.manual_seed(0)
    ViTModel(config, add_pooling_layer=pooler).save_pretrained(folder)
    return _hf_files(folder)


def _hf_files(folder: Path) -> Path:
    save_tokenizer(folder)
    named = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(named))
    (folder / "preprocessor_config.json").write_text(
        json.dumps({**PREPROCESSOR, "image_processor_type": "CLIPImageProcessor"})
    )
    return folder


def save_torchvision(path: Path, name: str) -> Path:
    """Write a random state of a model of torchvision."""
    import torch
    from torchvision import models

    torch.manual_seed(0)
    torch.save(models.get_model(name, weights=None).state_dict(), path)
    return path


def save_timm(path: Path, name: str) -> Path:
    """Write a random state of a model of timm as safetensors."""
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    save_file(timm.create_model(name, pretrained=False).state_dict(), path)
    return path


USER_FILE = '''
"""An encoder of a user's own."""
import numpy as np

def make_means():
    return lambda images: images.mean(axis=(1, 2)) + 1.0

def make_encoder():
    from goldpan.encoders.loading import load_encoder
    return load_encoder("pixels:4")

def make_nothing():
    return 3

def make_wrong_shape():
    return lambda images: images.mean()
'''
