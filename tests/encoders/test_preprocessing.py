"""Our preparation against the pipelines of the libraries that the models come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from goldpan.core.errors import InputError
from goldpan.encoders.options import EncoderOptions
from goldpan.encoders.preprocessing import Preparer, Preprocessing, from_transformers


def photos() -> list[Image.Image]:
    rng = np.random.default_rng(1)
    sizes = [(500, 375), (375, 500), (301, 477), (90, 70), (256, 256), (1000, 300)]
    return [
        Image.fromarray(rng.integers(0, 256, (height // 10, width // 10, 3), np.uint8)).resize((width, height))
        for width, height in sizes
    ]


def assert_same(rules: Preprocessing, theirs: Callable[[Image.Image], Any]) -> None:
    prepare = Preparer(rules, "test")
    for photo in photos():
        assert np.abs(prepare(photo) - np.asarray(theirs(photo))).max() < 1e-6


@pytest.mark.parametrize(
    "name",
    [
        "resnet50.a1_in1k",
        "vit_base_patch16_clip_224.openai",
        "convnext_tiny.fb_in1k",
        "vit_base_patch16_siglip_224.webli",
        "mobilenetv3_large_100.miil_in21k",
    ],
)
def test_timm(name: str) -> None:
    timm = pytest.importorskip("timm")
    from goldpan.encoders.timm import _preprocessing

    config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    assert_same(_preprocessing(config), timm.data.create_transform(**config, is_training=False))


@pytest.mark.parametrize("name", ["resnet50", "vgg16", "inception_v3", "vit_b_16", "swin_t", "efficientnet_b7"])
def test_torchvision(name: str) -> None:
    models = pytest.importorskip("torchvision").models
    from goldpan.encoders.torchvision import _preprocessing

    preset = models.get_model_weights(name).DEFAULT.transforms()
    assert_same(_preprocessing(preset), preset)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"interpolation": "bilinear", "mean": (0.5, 0.4, 0.3)},
        {"resize_mode": "squash", "std": (0.5, 0.5, 0.5)},
        {"resize_mode": "longest"},
        {"resize_mode": "longest", "fill_color": 128},
    ],
)
def test_open_clip(config: dict[str, Any]) -> None:
    pytest.importorskip("open_clip")
    from open_clip.transform import PreprocessCfg, image_transform_v2

    from goldpan.encoders.clip import _preprocessing

    theirs = PreprocessCfg(**config)
    assert_same(_preprocessing(vars(theirs)), image_transform_v2(theirs, is_train=False))


@pytest.mark.parametrize(
    "config", [{}, {"size": {"shortest_edge": 256}, "resample": 2}, {"size": 240, "crop_size": 200}]
)
def test_transformers(config: dict[str, Any]) -> None:
    pytest.importorskip("transformers")
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    processor = CLIPImageProcessorPil(**config)
    rules = from_transformers(
        {
            "do_center_crop": True,
            "image_mean": processor.image_mean,
            "image_std": processor.image_std,
            "size": {"shortest_edge": 224},
            "crop_size": {"height": 224, "width": 224},
            "resample": 3,
            **config,
        }
    )
    assert_same(rules, lambda photo: processor(photo, return_tensors="np")["pixel_values"][0])


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"size": {"height": 384, "width": 384}}, (384, 384, "squash", "bicubic")),
        ({"size": 224, "resample": 2}, (224, 224, "squash", "bilinear")),
        ({"size": 256, "crop_size": 224, "do_center_crop": True}, (256, 224, "center", "bicubic")),
        (
            {"size": {"height": 256, "width": 256}, "crop_size": 224, "do_center_crop": True},
            (256, 224, "squash", "bicubic"),
        ),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.875}, (256, 224, "center", "bicubic")),
        ({"size": {"shortest_edge": 384}, "crop_pct": 0.875}, (384, 384, "squash", "bicubic")),
        ({"size": {"shortest_edge": 256}, "do_center_crop": False}, (256, 256, "center", "bicubic")),
        ({}, (64, 64, "squash", "bicubic")),
    ],
)
def test_forms_of_preprocessor_config(config: dict[str, Any], expected: tuple[int, int, str, str]) -> None:
    rules = from_transformers(config, None if "size" in config else 64)
    assert (rules.resize, rules.size, rules.crop, rules.resample) == expected


def test_what_a_config_may_turn_off() -> None:
    rules = from_transformers({"size": 8, "do_normalize": False, "do_rescale": False})
    assert (rules.mean, rules.std, rules.scale) == ((0, 0, 0), (1, 1, 1), 1)
    white = Preparer(rules, "test")(Image.new("RGB", (9, 9), (255, 255, 255)))
    assert (white == 255).all()


def test_configs_that_cannot_be_used() -> None:
    with pytest.raises(InputError, match="does not say how large"):
        from_transformers({})
    with pytest.raises(InputError, match="336 x 224 pixels; only square"):
        from_transformers({"size": {"height": 336, "width": 224}})


def test_options_take_the_place_of_the_models_own_rules() -> None:
    own = Preprocessing(224, 256)
    assert own.overridden(EncoderOptions()) == own
    assert own.overridden(EncoderOptions(image_size=448)).resize == 512
    changed = own.overridden(
        EncoderOptions(resize=300, crop="squash", resample="lanczos", mean=(0, 0, 0), std=(1, 1, 1))
    )
    assert changed == Preprocessing(224, 300, "squash", "lanczos", (0, 0, 0), (1, 1, 1))


def test_rules_that_cannot_be() -> None:
    with pytest.raises(InputError, match="resized to 200 pixels are too small for a crop of 224; give --resize 224"):
        Preparer(Preprocessing(224, 200), "x")
    with pytest.raises(InputError, match="std must be above 0"):
        Preparer(Preprocessing(224, 224, std=(1.0, 0.0, 1.0)), "x")
