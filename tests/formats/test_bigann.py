"""The big-ann formats: one header that must agree with the size to the byte."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from goldpan.core.errors import FormatError, InputError
from goldpan.formats.bigann import header
from goldpan.formats.vectors import open_vectors, write_vectors


def test_layout(tmp_path: Path) -> None:
    path = tmp_path / "x.fbin"
    write_vectors(path, [np.array([[1, 2, 3], [4, 5, 6]], np.float32)], dim=3, dtype="float32")
    assert path.read_bytes() == struct.pack("<2I6f", 2, 3, 1, 2, 3, 4, 5, 6)


def test_a_cropped_file_is_the_same_format(tmp_path: Path) -> None:
    path = tmp_path / "base.1B.u8bin.crop_nb_10000000"
    path.write_bytes(struct.pack("<2I4B", 2, 2, 1, 2, 3, 4))
    assert open_vectors(path).read(0, 2).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(("size", "row", "offset"), [(31, 1, 20), (20, 1, 20), (9, 0, 8), (33, 2, 32), (80, 2, 32)])
def test_a_size_that_does_not_fit_is_named_by_row_and_byte(tmp_path: Path, size: int, row: int, offset: int) -> None:
    path = tmp_path / "x.fbin"
    path.write_bytes((struct.pack("<2I6f", 2, 3, *range(6)) + b"\0" * 99)[:size])
    with pytest.raises(FormatError, match=rf"2 rows of 3 values, 32 bytes in all; the file has {size}") as caught:
        open_vectors(path)
    assert (caught.value.row, caught.value.offset) == (row, offset)


@pytest.mark.parametrize(("n", "dim"), [(2**32 - 1, 2**32 - 1), (2**31, 4), (2**32 - 1, 1)])
def test_a_header_that_claims_the_world_allocates_nothing(tmp_path: Path, n: int, dim: int) -> None:
    path = tmp_path / "x.fbin"
    path.write_bytes(struct.pack("<2I", n, dim) + b"\0" * 64)
    with pytest.raises(FormatError, match=f"{8 + 4 * n * dim} bytes in all"):
        open_vectors(path)


def test_a_file_cut_short_while_it_is_open_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.fbin"
    write_vectors(path, [np.ones((10, 4), np.float32)], dim=4, dtype="float32")
    blocks = open_vectors(path).blocks(5)
    next(blocks)
    with path.open("r+b") as file:
        file.truncate(100)
    with pytest.raises(FormatError, match="cut short meanwhile") as caught:
        next(blocks)
    assert (caught.value.row, caught.value.offset) == (5, 88)


def test_ground_truth_in_disguise_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "gt.ibin"
    path.write_bytes(struct.pack("<2I4I4f", 2, 2, 1, 2, 3, 4, *[0.5] * 4))
    with pytest.raises(FormatError, match="read it with read_truth"):
        open_vectors(path)


def test_rows_of_no_values_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.fbin"
    path.write_bytes(struct.pack("<2I", 5, 0))
    with pytest.raises(FormatError, match="5 rows of 0 values"):
        open_vectors(path)


def test_more_rows_than_the_header_counts_are_refused() -> None:
    with pytest.raises(InputError, match="32-bit header"):
        header(2**32, 4)


@pytest.mark.parametrize("n", [0, 1])
def test_a_row_larger_than_a_dtype_is_refused(tmp_path: Path, n: int) -> None:
    path = tmp_path / "x.fbin"
    path.write_bytes(struct.pack("<2I", n, 2**30))
    with path.open("r+b") as file:
        file.truncate(8 + n * 2**32)  # a sparse file
    with pytest.raises(FormatError, match="smaller than 2 GiB"):
        open_vectors(path)
