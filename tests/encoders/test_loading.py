"""Specs: what they may be, and what is said of those that may not."""

from __future__ import annotations

import pytest

from goldpan.core.errors import InputError, UnknownName
from goldpan.encoders.loading import EncoderOptions, load_encoder


def test_a_spec_is_a_kind_and_a_name() -> None:
    assert load_encoder("pixels:4").spec == "pixels:4"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("phash", "'phash' names a kind of encoder, not which one"),
        ("phash:", "names a kind of encoder"),
        ("resnet50", "'resnet50' is no encoder. An encoder is named kind:rest, such as phash:8"),
        ("", "'' is no encoder"),
        ("pixels:0", "N of pixels:N goes from 1 to 1024"),
        ("pixels:many", "such as pixels:32"),
        ("phash:0", "its side goes from 2 to 64"),
        ("phash:x", "after the colon comes its side"),
        ("whash:12", "its side is a power of 2"),
    ],
)
def test_bad_specs(spec: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        load_encoder(spec)
    assert words in str(caught.value)


def test_a_misspelled_kind_is_guessed() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'phash'\?"):
        load_encoder("phahs:8")


def test_options_that_would_do_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="phash:8 has no option resize; it takes: none but device and threads"):
        load_encoder("phash:8", EncoderOptions(resize=5))
    assert load_encoder("phash:8", EncoderOptions(device="cpu", threads=3)).dim == 8


def test_device_and_threads_do_not_change_the_digest_of_options() -> None:
    assert EncoderOptions(device="cuda", threads=2).digest() == EncoderOptions().digest()
    assert EncoderOptions(normalize=True).digest() != EncoderOptions().digest()


def test_hashes_and_pixels_are_what_they_say() -> None:
    import numpy as np
    from PIL import Image

    ramp = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8), (64, 1))).convert("RGB")
    pixels = load_encoder("pixels:2", EncoderOptions(resample="box"))
    assert pixels.encode(pixels.prepare(ramp)[None])[0] * 255 == pytest.approx(
        [15.5] * 3 + [47.5] * 3 + [15.5] * 3 + [47.5] * 3, abs=0.51
    )
    dhash = load_encoder("dhash:8")
    assert dhash.encode(dhash.prepare(ramp)[None]).tolist() == [[255] * 8]
