"""``hf:ID_OR_DIR``: models of transformers: both towers of CLIP and SigLIP, or photos alone (DINOv2, ViT, ...)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from goldpan.core.errors import InputError, MissingExtra
from goldpan.encoders.options import PREPROCESSING, EncoderOptions
from goldpan.encoders.preprocessing import Preprocessing, from_transformers
from goldpan.encoders.protocol import Encoder
from goldpan.encoders.towers import TorchEncoder, Towers, pooled

try:
    from transformers import AutoModel, AutoTokenizer
    from transformers.image_processing_base import ImageProcessingMixin
except ImportError as error:
    raise MissingExtra("transformers", "torch") from error


def load(kind: str, rest: str, options: EncoderOptions) -> Encoder:
    """Return ``hf:ID_OR_DIR``; no code of the repository is run, and no pickled weights without torch's safe reader.

    Raises:
        InputError: no such model, no connection to fetch it, weights missing in it, or no images in its inputs.
    """
    spec = f"{kind}:{rest}"
    options.allow(spec, ("normalize", *PREPROCESSING))
    where = str(Path(rest).expanduser()) if Path(rest).expanduser().is_dir() else rest
    try:
        network, loading = AutoModel.from_pretrained(where, output_loading_info=True)
        rules = _preprocessing(where, network.config)
        two_towers = hasattr(network, "get_image_features") and hasattr(network, "get_text_features")
        tokenizer = AutoTokenizer.from_pretrained(where) if two_towers else None
    except (OSError, ValueError, RuntimeError) as error:
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{spec} could not be loaded ({problem}); without a connection, give the folder of a downloaded copy."
        ) from error
    missing = [name for name in loading["missing_keys"] if not name.startswith("pooler.")]
    if missing:
        raise InputError(f"{spec} lacks {len(missing)} tensors of its own network, such as {sorted(missing)[0]}.")
    network = network.float().eval()
    if tokenizer is not None:
        return TorchEncoder(spec, _two_towers(network, tokenizer, rules), options)
    untrained_pooler = bool(loading["missing_keys"])
    return TorchEncoder(spec, _photos_alone(spec, network, rules, untrained_pooler), options)


def _two_towers(network: Any, tokenizer: Any, rules: Preprocessing) -> Towers:
    config = network.config
    length = config.text_config.max_position_embeddings
    # SigLIP was trained on full-length padding that it attends to: it is given no mask.
    masked = not config.model_type.startswith("siglip")

    def images(batch: torch.Tensor) -> torch.Tensor:
        return _features(network.get_image_features(pixel_values=batch))

    def texts(batch: list[str], device: torch.device) -> torch.Tensor:
        tokens = tokenizer(batch, padding="max_length", truncation=True, max_length=length, return_tensors="pt")
        mask = {"attention_mask": tokens["attention_mask"].to(device)} if masked else {}
        return _features(network.get_text_features(input_ids=tokens["input_ids"].to(device), **mask))

    return Towers(network, images, rules, texts, unit_norm=True)


def _photos_alone(spec: str, network: Any, rules: Preprocessing, untrained_pooler: bool) -> Towers:
    if network.main_input_name != "pixel_values":
        raise InputError(f"{spec} takes {network.main_input_name}, not images.")

    def images(batch: torch.Tensor) -> torch.Tensor:
        answer = network(pixel_values=batch)
        vector = None if untrained_pooler else getattr(answer, "pooler_output", None)
        return pooled(answer.last_hidden_state if vector is None else vector)

    return Towers(network, images, rules, settings={"pooler": not untrained_pooler})


def _features(answer: Any) -> torch.Tensor:
    """Return the vectors of a tower, which transformers 5 wraps in a record."""
    return answer if isinstance(answer, torch.Tensor) else answer.pooler_output


def _preprocessing(where: str, config: Any) -> Preprocessing:
    content, _ = ImageProcessingMixin.get_image_processor_dict(where)
    size = getattr(getattr(config, "vision_config", config), "image_size", None)
    return from_transformers(content, size if isinstance(size, int) else None)
