"""What holds for every kind of encoder in the catalog."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from goldpan.core.config import Config
from goldpan.core.errors import InputError
from goldpan.core.records import Metric
from goldpan.encoders.loading import CATALOG, EncoderOptions, load_encoder
from goldpan.encoders.protocol import Encoder
from tests.encoders import towers

SIZES = [(64, 48), (48, 64), (33, 32), (200, 40), (8, 8), (31, 97)]


def _weights(kind: str, name: str, save: Callable[[Path, str], Path], ending: str) -> Callable[[Path], Encoder]:
    def make(folder: Path) -> Encoder:
        weights = folder / f"{kind}{ending}"
        if not weights.exists():
            save(weights, name.partition("/")[0])
        return load_encoder(f"{kind}:{name}", EncoderOptions(weights=weights, image_size=64))

    return make


def _user_file(function: str) -> Callable[[Path], Encoder]:
    def make(folder: Path) -> Encoder:
        path = folder / "mine.py"
        path.write_text(towers.USER_FILE)
        return load_encoder(f"{path}:{function}", EncoderOptions(image_size=16) if function == "make_means" else None)

    return make


def _folder(kind: str, save: Callable[[Path], Path], prefix: str = "") -> Callable[[Path], Encoder]:
    def make(folder: Path) -> Encoder:
        model = folder / save.__name__
        if not model.exists():
            save(model)
        return load_encoder(f"{kind}:{prefix}{model}")

    return make


MAKERS: dict[str, Callable[[Path], Encoder]] = {
    "pixels": lambda folder: load_encoder("pixels:8"),
    "ahash": lambda folder: load_encoder("ahash:8"),
    "dhash": lambda folder: load_encoder("dhash:8"),
    "phash": lambda folder: load_encoder("phash:8"),
    "whash": lambda folder: load_encoder("whash:8"),
    "onnx": _folder("onnx", towers.save_onnx),
    "clip": _folder("clip", towers.save_open_clip, "local-dir:"),
    "hf": _folder("hf", towers.save_hf_clip),
    "hf siglip": _folder("hf", towers.save_hf_siglip),
    "hf vit": _folder("hf", towers.save_hf_vit),
    "timm": _weights("timm", "test_vit.r160_in1k", towers.save_timm, ".safetensors"),
    "torchvision": _weights("torchvision", "resnet18", towers.save_torchvision, ".pth"),
    "file means": _user_file("make_means"),
    "file encoder": _user_file("make_encoder"),
}
WITH_TEXT = {"onnx", "clip", "hf", "hf siglip"}
TEXTS = ["a photo of a dog .", "", "the red cat", "a " * 300, "tench"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module", params=sorted(MAKERS))
def kind(request: pytest.FixtureRequest) -> str:
    needed = {"clip": "open_clip", "hf": "transformers", "timm": "timm", "torchvision": "torchvision", "onnx": "onnx"}
    pytest.importorskip(needed.get(request.param.split()[0], "numpy"))
    return str(request.param)


@pytest.fixture(scope="module")
def encoder(kind: str, folder: Path) -> Encoder:
    return MAKERS[kind](folder)


@pytest.fixture(scope="module")
def batch(encoder: Encoder) -> np.ndarray:
    inputs = np.stack([encoder.prepare(image) for image in images()])
    inputs.setflags(write=False)
    return inputs


def images() -> list[Image.Image]:
    rng = np.random.default_rng(3)
    return [
        Image.fromarray(rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)).resize((width, height))
        for width, height in SIZES
    ]


def test_every_kind_of_the_catalog_is_tested() -> None:
    assert set(CATALOG.builtin) <= {name.split()[0] for name in MAKERS}


def test_attributes_are_what_they_are_called(encoder: Encoder) -> None:
    assert isinstance(encoder.spec, str)
    assert len(encoder.revision) >= 16
    assert encoder.dim > 0
    assert encoder.dtype in ("float32", "uint8")
    assert isinstance(encoder.metric, Metric)
    assert (encoder.metric is Metric.HAMMING) == (encoder.dtype == "uint8")
    assert encoder.encodes_images
    assert encoder.concurrency >= 1
    assert encoder.batch_size >= 1

    class Holder(Config):
        value: dict[str, object]

    assert Holder.model_validate_json(Holder(value=encoder.preprocessing).model_dump_json()).value == dict(
        encoder.preprocessing
    )


def test_vectors_have_the_promised_shape_dtype_and_length(encoder: Encoder, batch: np.ndarray) -> None:
    vectors = encoder.encode(batch)
    assert vectors.shape == (len(SIZES), encoder.dim)
    assert vectors.dtype == encoder.dtype
    if encoder.dtype == "float32":
        assert np.isfinite(vectors).all()
    if encoder.unit_norm:
        assert np.abs(np.linalg.norm(vectors.astype(np.float64), axis=1) - 1).max() < 1e-6


def test_different_images_have_different_vectors(encoder: Encoder, batch: np.ndarray) -> None:
    assert len(np.unique(encoder.encode(batch), axis=0)) == len(SIZES)


def test_an_answer_does_not_depend_on_its_batch(encoder: Encoder, batch: np.ndarray) -> None:
    together = encoder.encode(batch)
    apart = np.concatenate([encoder.encode(batch[row : row + 1]) for row in range(len(batch))])
    scale = max(1.0, float(np.abs(together.astype(np.float64)).max()))
    assert np.abs(together.astype(np.float64) - apart).max() <= 1e-5 * scale


def test_inputs_stay_as_they_were(encoder: Encoder) -> None:
    image = images()[0]
    before = image.tobytes()
    inputs = encoder.prepare(image)[None].copy()
    copy = inputs.copy()
    encoder.encode(inputs)
    assert image.tobytes() == before
    assert np.array_equal(inputs, copy)


def test_an_empty_batch_gives_no_rows(encoder: Encoder, batch: np.ndarray) -> None:
    for empty in (batch[:0], np.empty((0,), np.float32)):
        vectors = encoder.encode(empty)
        assert vectors.shape == (0, encoder.dim)
        assert vectors.dtype == encoder.dtype


def test_loading_twice_gives_the_same_revision_and_vectors(
    kind: str, folder: Path, encoder: Encoder, batch: np.ndarray
) -> None:
    again = MAKERS[kind](folder)
    assert again.revision == encoder.revision
    assert again.preprocessing == encoder.preprocessing
    assert np.array_equal(again.encode(batch), encoder.encode(batch))


def test_threads_prepare_and_encode_what_one_does(encoder: Encoder, batch: np.ndarray) -> None:
    many = images() * 8
    with ThreadPoolExecutor(8) as pool:
        prepared = np.stack(list(pool.map(encoder.prepare, many)))
    assert np.array_equal(prepared, np.concatenate([batch] * 8))
    alone = encoder.encode(batch)
    with ThreadPoolExecutor(encoder.concurrency) as pool:
        for vectors in pool.map(encoder.encode, [batch] * 4 * encoder.concurrency):
            assert np.array_equal(vectors, alone)


def test_texts_have_the_rules_of_images_or_are_refused(kind: str, encoder: Encoder) -> None:
    assert encoder.encodes_text == (kind in WITH_TEXT)
    if not encoder.encodes_text:
        with pytest.raises(InputError, match=r"encodes images only; texts need .* onnx:, clip: or hf:"):
            encoder.encode_text([])
        return
    vectors = encoder.encode_text(TEXTS)
    assert (vectors.shape, vectors.dtype) == ((len(TEXTS), encoder.dim), np.float32)
    assert np.abs(np.linalg.norm(vectors.astype(np.float64), axis=1) - 1).max() < 1e-6
    assert encoder.encode_text([]).shape == (0, encoder.dim)
    # In their order, whatever the order of the work; and each as if it were alone.
    apart = np.concatenate([encoder.encode_text([text]) for text in TEXTS])
    assert np.abs(vectors - apart).max() < 1e-5
    assert len(np.unique(vectors.round(4), axis=0)) == len(TEXTS)
