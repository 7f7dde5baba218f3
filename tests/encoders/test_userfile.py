"""Encoders from a user's own file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from goldpan.core.errors import InputError
from goldpan.encoders.loading import EncoderOptions, load_encoder
from tests.encoders.towers import USER_FILE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(USER_FILE)
    return path


def test_a_function_gets_batches_of_pixels(path: Path) -> None:
    encoder = load_encoder(f"{path}:make_means", EncoderOptions(image_size=8))
    batch = encoder.prepare(Image.new("RGB", (30, 20), (3, 6, 9)))[None]
    assert (batch.shape, batch.dtype) == ((1, 8, 8, 3), np.uint8)
    assert encoder.encode(batch).tolist() == [[4, 7, 10]]
    assert encoder.dim == 3
    unit = load_encoder(f"{path}:make_means", EncoderOptions(normalize=True, crop="squash"))
    assert np.linalg.norm(unit.encode(unit.prepare(Image.new("RGB", (9, 9)))[None])) == pytest.approx(1)


def test_the_revision_is_that_of_the_file(path: Path) -> None:
    before = load_encoder(f"{path}:make_means").revision
    assert load_encoder(f"{path}:make_means").revision == before
    path.write_text(USER_FILE.replace("+ 1.0", "+ 2.0"))
    assert load_encoder(f"{path}:make_means").revision != before


def test_an_encoder_is_taken_as_it_is(path: Path) -> None:
    assert load_encoder(f"{path}:make_encoder").spec == "pixels:4"


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("make_nothing", "returned int, which is no function, and no encoder either: it lacks prepare"),
        ("make_wrong_shape", r"answered an array of shape \(\) for 1 images; expected \(1, dim\)"),
        ("make_missing", "has no function 'make_missing'"),
    ],
)
def test_functions_that_make_no_encoder(path: Path, function: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_encoder(f"{path}:{function}")


def test_options_and_files_that_cannot_be(path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no file none.py to take an encoder from"):
        load_encoder("none.py:make")
    with pytest.raises(InputError, match="has no option weights"):
        load_encoder(f"{path}:make_means", EncoderOptions(weights=path))
    with pytest.raises(InputError, match="center or squash here, not pad"):
        load_encoder(f"{path}:make_means", EncoderOptions(crop="pad"))
