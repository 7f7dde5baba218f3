"""Content-Encoding: undone in pieces of any size, within bounds, and with its end noticed."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldpan.fetch.body import Body
from goldpan.fetch.decoding import CodingError, decoders


def bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress, "Deflate": bare, "identity": bytes}


def decoded(coding: str, packed: bytes, piece: int, most: int = 1 << 20) -> tuple[bytes, bool]:
    chain = decoders(coding)
    found = b""
    for start in range(0, len(packed), piece):
        data = packed[start : start + piece]
        for decoder in chain:
            data = decoder.decode(data, most)
        found += data
    return found, all(decoder.ended for decoder in chain)


@given(st.binary(max_size=2000), st.sampled_from(sorted(PACKERS)), st.integers(1, 500))
def test_whatever_is_packed_comes_back(data: bytes, coding: str, piece: int) -> None:
    assert decoded(coding, PACKERS[coding](data), piece) == (data, True)


@given(st.binary(min_size=1, max_size=500), st.sampled_from(["gzip", "deflate", "Deflate"]), st.data())
def test_a_missing_end_is_noticed(data: bytes, coding: str, draw: st.DataObject) -> None:
    packed = PACKERS[coding](data)
    cut = draw.draw(st.integers(1, len(packed) - 1))
    assert not decoded(coding, packed[:cut], 100)[1]


def test_several_members_and_codings() -> None:
    assert decoded("gzip", gzip.compress(b"one, ") + gzip.compress(b"two"), 7) == (b"one, two", True)
    assert decoded("deflate, gzip", gzip.compress(zlib.compress(b"twice")), 5) == (b"twice", True)
    assert decoded("", b"plain", 2) == (b"plain", True)


@pytest.mark.parametrize(
    ("coding", "data"),
    [("br", b""), ("gzip", b"no gzip"), ("deflate", zlib.compress(b"x") + b"more"), ("gzip," * 6, b"")],
)
def test_what_it_is_not(coding: str, data: bytes) -> None:
    with pytest.raises(CodingError):
        decoded(coding, data, 100)


@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip"])
def test_a_bomb_is_not_unpacked(coding: str) -> None:
    packed = gzip.compress(bytes(50 << 20))
    packed = gzip.compress(packed) if coding == "gzip, gzip" else packed
    body = Body(1 << 20)
    assert body.begin(200, {"content-encoding": coding})
    assert not body.write(packed)
    assert body.problem == ("too_many_bytes", "More than the 1,048,576 bytes that are allowed.")
    assert len(body.data()) <= (1 << 20) + 1
