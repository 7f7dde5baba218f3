"""NumPy files: the same bytes as numpy.save, both orders, both versions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy_format

from goldpan.core.errors import FormatError
from goldpan.formats.vectors import open_vectors, write_vectors

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.mark.parametrize("n", [0, 1, 9, 10, 12345])
def test_the_bytes_are_those_of_numpy_save(tmp_path: Path, n: int) -> None:
    array = np.arange(n * 3, dtype=np.float16).reshape(n, 3)
    write_vectors(tmp_path / "ours.npy", [array[: n // 2], array[n // 2 :]], dim=3, dtype="float16")
    np.save(tmp_path / "theirs.npy", array)
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()


def test_column_order_is_read_as_rows(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.asfortranarray(ROWS))
    reader = open_vectors(tmp_path / "x.npy")
    np.testing.assert_array_equal(reader.read(1, 3), ROWS[1:3])
    np.testing.assert_array_equal(np.concatenate(list(reader.blocks(2))), ROWS)
    np.testing.assert_array_equal(reader.take([3, 0]), ROWS[[3, 0]])


def test_version_2(tmp_path: Path) -> None:
    with (tmp_path / "x.npy").open("wb") as file:
        npy_format.write_array(file, ROWS, version=(2, 0))
    np.testing.assert_array_equal(open_vectors(tmp_path / "x.npy").read(0, 4), ROWS)


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (ROWS[0], "2 axes"),
        (ROWS[None], "2 axes"),
        (ROWS.astype(">f4"), "little-endian"),
        (ROWS.astype(np.complex64), "allowed"),
        (ROWS.astype(object), "allowed"),
        (np.empty((3, 0), np.float32), "3 rows of 0 values"),
    ],
)
def test_what_is_no_table_of_vectors_is_refused(tmp_path: Path, array: np.ndarray, sentence: str) -> None:
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(FormatError, match=sentence):
        open_vectors(tmp_path / "x.npy")


def test_a_header_that_claims_more_than_there_is_names_the_row(tmp_path: Path) -> None:
    write_vectors(tmp_path / "x.npy", [ROWS], dim=3, dtype="float32")
    whole = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "huge.npy").write_bytes(whole.replace(b"(4, 3), }" + b" " * 12, b"(4000000000000, 3), }"))
    with pytest.raises(FormatError, match="4000000000000") as caught:
        open_vectors(tmp_path / "huge.npy")
    assert (caught.value.row, caught.value.offset) == (4, len(whole))
