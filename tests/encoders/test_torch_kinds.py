"""Kinds of PyTorch: weights are what was asked for or an error, layers and outputs, texts of transformers' own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from goldpan.core.errors import FormatError, InputError, UnknownName
from goldpan.core.records import Metric
from goldpan.encoders.loading import EncoderOptions, load_encoder
from goldpan.encoders.protocol import Encoder
from tests.encoders import towers

torch = pytest.importorskip("torch")
PHOTO = Image.linear_gradient("L").convert("RGB").resize((100, 60))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def resnet18(files: Path) -> Path:
    return towers.save_torchvision(files / "resnet18.pth", "resnet18")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let every download fail at once: a proxy that is not there, an empty cache."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))


def vector(encoder: Encoder) -> np.ndarray:
    return encoder.encode(encoder.prepare(PHOTO)[None])


def test_without_a_connection_there_are_no_random_weights(offline: None) -> None:
    for spec in ("torchvision:resnet18", "timm:resnet18.a1_in1k", "clip:ViT-B-32/openai"):
        with pytest.raises(InputError, match="give a downloaded file with --weights"):
            load_encoder(spec)
    with pytest.raises(InputError, match=r"hf:some/model could not be loaded .* folder of a downloaded copy"):
        load_encoder("hf:some/model")


def test_names_that_are_not_there(offline: None) -> None:
    for spec, words in (
        ("torchvision:resnet19", "Did you mean 'resnet18'"),
        ("timm:resnet51", "Did you mean 'resnet"),
        ("clip:ViT-B-23/openai", "Did you mean 'ViT-B-32'"),
        ("clip:ViT-B-32/openia", "Did you mean 'openai'"),
    ):
        with pytest.raises(UnknownName, match=words):
            load_encoder(spec)
    with pytest.raises(InputError, match=r"names no weights; known: openai, .*or give --weights FILE"):
        load_encoder("clip:ViT-B-32")


def test_models_without_published_weights(offline: None) -> None:
    import timm

    name = next(name for name in timm.list_models() if not timm.get_pretrained_cfg(name).has_weights)
    with pytest.raises(InputError, match=f"timm has no weights for {name}; give a file"):
        load_encoder(f"timm:{name}")


def test_files_of_weights_that_are_not_of_the_model(files: Path, resnet18: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no file of weights"):
        load_encoder("torchvision:resnet18", EncoderOptions(weights=tmp_path / "none.pth"))
    with pytest.raises(FormatError, match=r"lacks \d+ of \d+ tensors of the network, such as layer1.0.conv3"):
        load_encoder("torchvision:resnet50", EncoderOptions(weights=resnet18))
    for name, content in (("text.pth", b"no weights"), ("text.safetensors", b"no weights"), ("empty.pth", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FormatError, match=r"is no (plain file of weights|safetensors file)"):
            load_encoder("torchvision:resnet18", EncoderOptions(weights=tmp_path / name))
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(FormatError, match="holds no tensors by name"):
        load_encoder("torchvision:resnet18", EncoderOptions(weights=tmp_path / "list.pth"))
    state = torch.load(resnet18, weights_only=True)
    torch.save({**state, "conv1.weight": state["conv1.weight"][:3]}, tmp_path / "other.pth")
    with pytest.raises(FormatError, match=r"has conv1.weight of \(3, 3, 7, 7\), not \(64, 3, 7, 7\)"):
        load_encoder("torchvision:resnet18", EncoderOptions(weights=tmp_path / "other.pth"))


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    import pickle

    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "boom",))

    (tmp_path / "bomb.pth").write_bytes(pickle.dumps({"a": Bomb()}, protocol=2))
    with pytest.raises(FormatError, match="is no plain file of weights"):
        load_encoder("torchvision:resnet18", EncoderOptions(weights=tmp_path / "bomb.pth"))
    assert not (tmp_path / "boom").exists()


def test_checkpoints_wrapped_by_training_scripts(resnet18: Path, tmp_path: Path) -> None:
    plain = torch.load(resnet18, weights_only=True)
    torch.save({"state_dict": {f"module.{name}": value for name, value in plain.items()}}, tmp_path / "wrapped.pth")
    bare = load_encoder("torchvision:resnet18", EncoderOptions(weights=resnet18))
    wrapped = load_encoder("torchvision:resnet18", EncoderOptions(weights=tmp_path / "wrapped.pth"))
    assert bare.revision == wrapped.revision


def test_layers_and_outputs_of_torchvision(resnet18: Path) -> None:
    def dim(spec: str, **options: object) -> int:
        return load_encoder(spec, EncoderOptions(weights=resnet18, image_size=64, **options)).dim

    assert dim("torchvision:resnet18") == 512
    assert dim("torchvision:resnet18/layer2") == 128
    assert dim("torchvision:resnet18/logits") == dim("torchvision:resnet18", output="logits") == 1000
    with pytest.raises(UnknownName, match="Did you mean 'layer4'"):
        dim("torchvision:resnet18/layer5")
    with pytest.raises(InputError, match="has no output 'layer2'; it has: features, logits, and layers as NAME/LAYER"):
        dim("torchvision:resnet18", output="layer2")
    with pytest.raises(InputError, match="names a layer already"):
        dim("torchvision:resnet18/layer2", output="logits")


def test_a_network_without_linear_classifier_needs_a_layer(files: Path) -> None:
    options = EncoderOptions(weights=towers.save_torchvision(files / "squeeze.pth", "squeezenet1_1"), image_size=64)
    with pytest.raises(InputError, match="name a layer, such as torchvision:squeezenet1_1/features"):
        load_encoder("torchvision:squeezenet1_1", options)
    assert load_encoder("torchvision:squeezenet1_1/features", options).dim == 512


def test_features_are_those_of_torchvision_itself(resnet18: Path) -> None:
    from torchvision import models

    network = models.resnet18(weights=None)
    network.load_state_dict(torch.load(resnet18, weights_only=True))
    network.fc = torch.nn.Identity()
    preset = models.ResNet18_Weights.DEFAULT.transforms()
    with torch.inference_mode():
        expected = network.eval()(preset(PHOTO)[None]).numpy()
    ours = vector(load_encoder("torchvision:resnet18", EncoderOptions(weights=resnet18)))
    assert np.abs(ours - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.slow
def test_the_feature_of_imagenetv2(tmp_path: Path) -> None:
    weights = towers.save_torchvision(tmp_path / "vgg16.pth", "vgg16")
    encoder = load_encoder("torchvision:vgg16/fc7", EncoderOptions(weights=weights))
    assert (encoder.dim, encoder.metric, encoder.unit_norm) == (4096, Metric.SQEUCLIDEAN, False)
    assert encoder.prepare(Image.new("RGB", (50, 9), (255, 0, 7)))[:, 100, 100].tolist() == [255, 0, 7]
    from torchvision import models

    network = models.vgg16(weights=None)
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.classifier = network.classifier[:-1]
    pixels = np.asarray(PHOTO.resize((224, 224), Image.Resampling.BILINEAR), np.float32).transpose(2, 0, 1)
    with torch.inference_mode():
        expected = network.eval()(torch.tensor(pixels[None].copy())).numpy()
    assert (expected >= 0).all()
    assert np.abs(vector(encoder) - expected).max() < 1e-4 * np.abs(expected).max()


def test_logits_of_timm(tmp_path: Path) -> None:
    weights = towers.save_timm(tmp_path / "vit.safetensors", "test_vit")
    options = EncoderOptions(weights=weights, output="logits")
    assert load_encoder("timm:test_vit", options).dim == 1000
    assert load_encoder("timm:test_vit", EncoderOptions(weights=weights)).dim == 64
    with pytest.raises(InputError, match="has no output 'layer3'; it has: features, logits"):
        load_encoder("timm:test_vit", EncoderOptions(weights=weights, output="layer3"))


def test_clip_is_that_of_open_clip_itself(tmp_path: Path) -> None:
    import open_clip

    folder = towers.save_open_clip(tmp_path)
    encoder = load_encoder(f"clip:local-dir:{folder}")
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    texts = ["a photo of a dog", "a cat"]
    with torch.inference_mode():
        image = model.eval().encode_image(preprocess(PHOTO)[None], normalize=True).numpy()
        text = model.encode_text(open_clip.tokenize(texts), normalize=True).numpy()
    assert np.abs(vector(encoder) - image).max() < 1e-5
    assert np.abs(encoder.encode_text(texts) - text).max() < 1e-5


def test_clip_takes_the_activation_its_weights_were_trained_with(tmp_path: Path) -> None:
    """The architecture ViT-B-32 has GELU; the weights tagged openai were trained with QuickGELU."""
    from goldpan.encoders import clip

    assert clip.open_clip.get_pretrained_cfg("ViT-B-32", "openai")["quick_gelu"]
    with pytest.raises(InputError, match="There is no file of weights"):
        load_encoder("clip:ViT-B-32/openai", EncoderOptions(weights=tmp_path / "none.pt"))


def test_transformers_towers_are_those_of_transformers_itself(tmp_path: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    folder = towers.save_hf_clip(tmp_path)
    encoder = load_encoder(f"hf:{folder}")
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    texts = ["a photo of a dog .", "the red cat"]
    with torch.inference_mode():
        answer = model(
            pixel_values=torch.tensor(encoder.prepare(PHOTO)[None]),
            **{
                key: value
                for key, value in tokenizer(texts, padding=True, return_tensors="pt").items()
                if key != "token_type_ids"
            },
        )
    assert np.abs(vector(encoder) - answer.image_embeds.numpy()).max() < 1e-5
    assert np.abs(encoder.encode_text(texts) - answer.text_embeds.numpy()).max() < 1e-5


def test_an_untrained_pooler_is_not_used(tmp_path: Path) -> None:
    folder = towers.save_hf_vit(tmp_path, pooler=False)
    first, second = load_encoder(f"hf:{folder}"), load_encoder(f"hf:{folder}")
    assert np.array_equal(vector(first), vector(second))
    assert np.abs(vector(first)).max() > 1  # a normalized token; a pooler would end in tanh


def test_transformers_with_missing_weights_or_without_images(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = towers.save_hf_clip(tmp_path / "clip")
    state = load_file(folder / "model.safetensors")
    state.pop("visual_projection.weight")
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lacks 1 tensors of its own network, such as visual_projection.weight"):
        load_encoder(f"hf:{folder}")
    from transformers import BertConfig, BertModel

    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=20, **small)).save_pretrained(tmp_path / "bert")
    (tmp_path / "bert/preprocessor_config.json").write_text(json.dumps(towers.PREPROCESSOR))
    with pytest.raises(InputError, match="takes input_ids, not images"):
        load_encoder(f"hf:{tmp_path / 'bert'}")


@pytest.mark.gpu
def test_a_gpu_answers_what_the_processor_does(resnet18: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    encoders = [
        load_encoder("torchvision:resnet18", EncoderOptions(weights=resnet18, normalize=True, device=device))
        for device in ("cpu", "cuda")
    ]
    assert encoders[0].revision == encoders[1].revision
    assert (vector(encoders[0]) @ vector(encoders[1]).T).item() > 0.999


def test_devices_that_are_not_there() -> None:
    from goldpan.encoders.towers import choose_device

    with pytest.raises(InputError, match=r"There is no device 'gpu'; allowed: auto, cpu, cuda"):
        choose_device("gpu")
    with pytest.raises(InputError, match=r"Device cuda:99 is not there: torch sees \d+ CUDA devices"):
        choose_device("cuda:99")
