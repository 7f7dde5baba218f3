"""The TEXMEX formats: layout byte by byte, and the header of every row."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from goldpan.core.errors import FormatError
from goldpan.formats.vectors import open_vectors, write_vectors

# The first row of known_f32.fvecs of Scalable Vector Search, (5, 6) in 140 bytes.
KNOWN = [-0.5297755, -0.46527258, -0.35637274, -0.08176492, 1.5503496, -0.7668221]


def fvecs(*rows: list[float]) -> bytes:
    return b"".join(struct.pack(f"<i{len(row)}f", len(row), *row) for row in rows)


def test_layout_of_fvecs(tmp_path: Path) -> None:
    path = tmp_path / "known.fvecs"
    path.write_bytes(fvecs(*[KNOWN] * 5))
    assert path.stat().st_size == 140
    reader = open_vectors(path)
    assert (reader.n, reader.dim, reader.dtype) == (5, 6, np.float32)
    np.testing.assert_array_equal(reader.read(2, 3), np.array([KNOWN], np.float32))
    write_vectors(tmp_path / "again.fvecs", reader.blocks(2), dim=6, dtype="float32")
    assert (tmp_path / "again.fvecs").read_bytes() == path.read_bytes()


def test_layout_of_bvecs_whose_rows_are_unaligned(tmp_path: Path) -> None:
    path = tmp_path / "x.bvecs"
    path.write_bytes(b"".join(struct.pack("<i3B", 3, i, i + 1, i + 2) for i in range(200)))
    reader = open_vectors(path)
    assert (reader.n, reader.dim, reader.dtype) == (200, 3, np.uint8)
    assert reader.read(199, 200).tolist() == [[199, 200, 201]]


def test_reading_makes_no_copy(tmp_path: Path) -> None:
    path = tmp_path / "x.fvecs"
    path.write_bytes(fvecs(*[KNOWN] * 5))
    rows = open_vectors(path).read(1, 4)
    assert rows.base is not None
    assert rows.strides == (28, 4)
    assert not rows.flags.writeable


def wrong_in_the_middle(path: Path) -> None:
    """Write 3000 rows of 3 floats, the header of row 2000 saying 4."""
    rows = bytearray(fvecs(*[[1.0, 2.0, 3.0]] * 3000))
    struct.pack_into("<i", rows, 2000 * 16, 4)
    path.write_bytes(rows)


def test_a_wrong_header_in_the_middle_is_named_by_row_and_byte(tmp_path: Path) -> None:
    path = tmp_path / "x.fvecs"
    wrong_in_the_middle(path)
    reader = open_vectors(path)
    reader.read(0, 2000)
    for reading in (
        lambda: reader.read(1990, 2001),
        lambda: reader.take([5, 2000]),
        lambda: list(reader.blocks(100)),
        lambda: reader.read(0, 3000),
    ):
        with pytest.raises(FormatError, match=r"x\.fvecs at row 2000 \(byte 32000\): the header says 4") as caught:
            reading()
        assert (caught.value.row, caught.value.offset, caught.value.path) == (2000, 32000, path)


def test_a_row_of_another_length_is_found_where_the_size_no_longer_fits(tmp_path: Path) -> None:
    path = tmp_path / "x.fvecs"
    path.write_bytes(fvecs([1, 2, 3], [1, 2, 3], [1, 2, 3, 4], [1, 2, 3]))
    with pytest.raises(FormatError, match="the header says 4 values") as caught:
        open_vectors(path)
    assert (caught.value.row, caught.value.offset) == (2, 32)


def test_a_last_row_cut_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.fvecs"
    path.write_bytes(fvecs(*[KNOWN] * 5)[:-3])
    with pytest.raises(FormatError, match="ends 25 bytes into a row of 28") as caught:
        open_vectors(path)
    assert (caught.value.row, caught.value.offset) == (4, 112)


@pytest.mark.parametrize("dim", [0, -1, 2**31 - 1, 7])
def test_a_first_header_that_cannot_be_is_refused(tmp_path: Path, dim: int) -> None:
    path = tmp_path / "x.fvecs"
    path.write_bytes(struct.pack("<i6f", dim, *KNOWN))
    with pytest.raises(FormatError, match=rf"the header says {dim} values") as caught:
        open_vectors(path)
    assert (caught.value.row, caught.value.offset) == (0, 0)


def test_a_big_endian_file_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "x.ivecs"
    path.write_bytes(struct.pack(">i3i", 3, 1, 2, 3))
    with pytest.raises(FormatError, match="Read as big-endian it says 3: this format is little-endian"):
        open_vectors(path)


def test_real_ground_truth_is_rewritten_byte_for_byte(tmp_path: Path, shared: Path) -> None:
    path = shared / "data" / "groundtruth" / "openimages_1M_gtruth.ivecs"
    reader = open_vectors(path)
    assert (reader.n, reader.dim, reader.dtype) == (10_000, 100, np.int32)
    assert reader.read(0, 1)[0, :3].tolist() == [198168, 234307, 263812]
    write_vectors(tmp_path / "again.ivecs", reader.blocks(), dim=100, dtype="int32", n=10_000)
    assert (tmp_path / "again.ivecs").read_bytes() == path.read_bytes()
