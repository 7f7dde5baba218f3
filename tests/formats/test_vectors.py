"""Addresses, and the catalog behind them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from goldpan.core.errors import ArrayError, InputError, UnknownName
from goldpan.formats.mapped import ArrayReader
from goldpan.formats.protocol import Address, BlockSource
from goldpan.formats.vectors import format_name, open_vectors, parse_address, write_vectors


@pytest.mark.parametrize(
    ("text", "path", "key"),
    [
        ("base.fvecs", "base.fvecs", None),
        ("a/b.h5:train", "a/b.h5", "train"),
        ("b.h5:itest/queries", "b.h5", "itest/queries"),
        ("C:/b.h5:emb", "C:/b.h5", "emb"),
        ("folder/:text_emb", "folder", "text_emb"),
        ("b.h5:", "b.h5:", None),
    ],
)
def test_an_address_is_a_path_and_a_name(text: str, path: str, key: str | None) -> None:
    assert parse_address(text) == Address(Path(path), key)
    assert parse_address(parse_address(text)) == Address(Path(path), key)


def test_an_empty_address_is_refused() -> None:
    with pytest.raises(InputError, match="address is empty"):
        parse_address("")


@pytest.mark.parametrize("text", ["run:2/base.fvecs", "a b:c/truth.ivecs", "base:v2.npy", "x.y:z/base.h5"])
def test_a_colon_before_a_file_with_the_suffix_of_a_format_is_part_of_its_path(text: str) -> None:
    assert parse_address(text) == Address(Path(text), None)
    assert parse_address(f"{text}.h5:train") == Address(Path(f"{text}.h5"), "train")


def test_a_path_with_a_colon_that_exists_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a:b.npy"
    np.save(path, np.zeros((2, 2)))
    assert parse_address(path) == Address(path, None)
    assert open_vectors(path).n == 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [("x.FVECS", "fvecs"), ("x.fbin.crop_nb_100", "fbin"), ("laion", "folder"), ("x.tar.npy", "npy"), ("a.b", "b")],
)
def test_the_suffix_names_the_format(name: str, expected: str) -> None:
    assert format_name(Path(name)) == expected


def test_a_folder_with_a_dot_in_its_name_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "laion.v2" / "img_emb").mkdir(parents=True)
    np.save(tmp_path / "laion.v2/img_emb/img_emb_0.npy", np.zeros((2, 2)))
    assert open_vectors(tmp_path / "laion.v2").n == 2


def test_a_name_in_a_file_of_one_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 2)))
    with pytest.raises(InputError, match="leave out ':train'"):
        open_vectors(f"{tmp_path}/x.npy:train")


def test_a_narrower_type_is_widened_and_a_wider_one_refused(tmp_path: Path) -> None:
    rows = np.array([[0.5, 2.0]])
    write_vectors(tmp_path / "x.fvecs", [rows.astype(np.float16)], dim=2, dtype="float32")
    np.testing.assert_array_equal(open_vectors(tmp_path / "x.fvecs").read(0, 1), rows)
    with pytest.raises(ArrayError, match="float64, which float32 cannot hold without loss"):
        write_vectors(tmp_path / "x.fvecs", [rows], dim=2, dtype="float32")


def test_arrays_and_streams_are_sources(tmp_path: Path) -> None:
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    stream = BlockSource(3, 2, rows.dtype, iter([rows[:2], rows[2:]]))
    for source in (ArrayReader(rows), stream):
        write_vectors(tmp_path / "x.npy", source.blocks(), dim=source.dim, dtype=source.dtype, n=source.n)
        np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), rows)


def test_a_row_that_no_format_holds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="smaller than 2 GiB"):
        write_vectors(tmp_path / "x.fvecs", [], dim=2**30, dtype="float32")
    with pytest.raises(UnknownName, match="Did you mean 'float32'"):
        write_vectors(tmp_path / "x.fvecs", [], dim=2, dtype="flot32")
