"""``torchvision:NAME[/LAYER]``: classifiers of torchvision, up to their last features or to a layer of choice.

``torchvision:vgg16/fc7`` is the feature by which ImageNetV2 looked for near duplicates (Recht et al. 2019):
images squashed to 224 x 224, pixels from 0 to 255, no normalization, squared Euclidean distance. Its authors
resized with scikit-image; here it is Pillow's bilinear filter.
"""

from __future__ import annotations

from typing import Any

import torch

from goldpan.core.errors import InputError, MissingExtra, UnknownName
from goldpan.core.records import Metric
from goldpan.encoders.options import PREPROCESSING, EncoderOptions
from goldpan.encoders.preprocessing import Preprocessing
from goldpan.encoders.protocol import Encoder
from goldpan.encoders.towers import TorchEncoder, Towers, load_weights, pooled

try:
    from torchvision import models
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names
except ImportError as error:
    raise MissingExtra("torchvision", "torch") from error

_IMAGENETV2 = Preprocessing(224, 224, "squash", "bilinear", mean=(0.0,) * 3, std=(1.0,) * 3, scale=1.0)

# Caffe's names for the layers after their ReLU; dropout does nothing in evaluation.
_VGG = {"fc6": "classifier.1", "fc7": "classifier.4"}
_ALEXNET = {"fc6": "classifier.2", "fc7": "classifier.5"}

# Trained behind another normalization, which torchvision undoes inside of the network when it loads its weights.
_TRANSFORM_INPUT = ("inception_v3", "googlenet")


def load(kind: str, rest: str, options: EncoderOptions) -> Encoder:
    """Return ``torchvision:NAME[/LAYER]``; LAYER is a module's name, ``fc6``, ``fc7``, or ``logits``.

    Raises:
        InputError: no such model or layer, or no connection to fetch the weights.
        FormatError: the file of weights is not of this model.
    """
    spec = f"{kind}:{rest}"
    options.allow(spec, ("weights", "output", "normalize", *PREPROCESSING))
    name, _, layer = rest.partition("/")
    if options.output and layer:
        raise InputError(f"{spec} names a layer already; leave --output away.")
    if options.output not in (None, "features", "logits"):
        raise InputError(
            f"{spec} has no output {options.output!r}; it has: features, logits, and layers as NAME/LAYER."
        )
    layer = layer or ("logits" if options.output == "logits" else "")
    known = models.list_models(module=models)
    if name not in known:
        raise UnknownName("torchvision model", name, known)
    about = models.get_model_weights(name).DEFAULT
    network = _cut(spec, name, _create(spec, name, about, options), layer)
    near_duplicates = (name, layer) == ("vgg16", "fc7")
    towers = Towers(
        network,
        lambda batch: pooled(network(batch)),
        _IMAGENETV2 if near_duplicates else _preprocessing(about.transforms()),
        metric=Metric.SQEUCLIDEAN if near_duplicates else Metric.COSINE,
        settings={"layer": layer},
    )
    return TorchEncoder(spec, towers, options)


def _create(spec: str, name: str, about: Any, options: EncoderOptions) -> torch.nn.Module:
    if options.weights is not None:
        more = {"transform_input": True, "init_weights": False} if name in _TRANSFORM_INPUT else {}
        network = models.get_model(name, weights=None, **more)
        load_weights(network, options.weights)
        return network.eval()
    try:
        return models.get_model(name, weights=about, progress=False).eval()
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"{spec}: the weights could not be fetched from {about.url} ({error}); "
            "give a downloaded file with --weights."
        ) from error


def _cut(spec: str, name: str, network: torch.nn.Module, layer: str) -> torch.nn.Module:
    """Return the network up to `layer`, up to its classifier where that is empty."""
    if layer == "logits":
        return network
    if not layer:
        return _without_classifier(spec, network)
    aliases = _VGG if name.startswith("vgg") else _ALEXNET if name == "alexnet" else {}
    node = aliases.get(layer, layer)
    _, nodes = get_graph_node_names(network, suppress_diff_warning=True)
    if not any(known == node or known.startswith(f"{node}.") for known in nodes):
        raise UnknownName(f"layer of {name}", layer, [*aliases, "logits", *dict(network.named_children())])
    extractor = create_feature_extractor(network, {node: "layer"}, suppress_diff_warning=True)
    return torch.nn.Sequential(extractor, _TheLayer()).eval()


class _TheLayer(torch.nn.Module):  # type: ignore[misc]
    """Takes the one value out of the dictionary that a feature extractor answers."""

    def forward(self, answer: dict[str, torch.Tensor]) -> torch.Tensor:
        return answer["layer"]


def _without_classifier(spec: str, network: torch.nn.Module) -> torch.nn.Module:
    """Return the network with its last linear layer, the classifier, replaced by nothing."""
    linear = [path for path, module in network.named_modules() if isinstance(module, torch.nn.Linear)]
    if not linear:
        raise InputError(f"{spec} has no linear classifier to cut off; name a layer, such as {spec}/features.")
    parent, _, child = linear[-1].rpartition(".")
    setattr(network.get_submodule(parent), child, torch.nn.Identity())
    return network


def _preprocessing(preset: Any) -> Preprocessing:
    """Translate torchvision's preset for evaluation (``ImageClassification``)."""
    return Preprocessing(
        size=preset.crop_size[0],
        resize=preset.resize_size[0],
        resample=preset.interpolation.value,
        mean=tuple(preset.mean),
        std=tuple(preset.std),
        rounding="even",
    )
