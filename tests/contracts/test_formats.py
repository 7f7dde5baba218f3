"""What every vector format promises: the same values back, whole files only, and no trust in a header."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from goldpan.core.errors import ArrayError, FormatError, GoldpanError, InputError, UnknownName
from goldpan.formats.vectors import FORMATS, open_vectors, write_vectors

WRITTEN = {name: FORMATS.load(name) for name in sorted(FORMATS.builtin) if FORMATS.load(name).write}
CASES = [(name, dtype) for name, chosen in WRITTEN.items() for dtype in chosen.dtypes]
USUAL = [(name, chosen.dtypes[0]) for name, chosen in WRITTEN.items()]
case = pytest.mark.parametrize(("name", "dtype"), CASES)
usual = pytest.mark.parametrize(("name", "dtype"), USUAL)
FORGIVES_TRAILING_BYTES = ("h5", "hdf5")  # HDF5 itself does: its superblock says where the data end


def make(dtype: str, n: int = 23, dim: int = 5) -> NDArray[Any]:
    rng = np.random.default_rng(7)
    if np.dtype(dtype).kind == "f":
        return rng.standard_normal((n, dim)).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, (n, dim), dtype, endpoint=True)


def place(folder: Path, name: str, stem: str = "x") -> Path:
    return folder / (stem if name == "folder" else f"{stem}.{name}")


def write(path: Path, array: NDArray[Any], **options: Any) -> int:
    return write_vectors(path, [array], dim=array.shape[1], dtype=array.dtype, **options)


def data_file(path: Path) -> Path:
    """Return the one file that holds the vectors."""
    return path / "img_emb" / "img_emb_0.npy" if path.is_dir() else path


def all_bytes(path: Path) -> list[bytes]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [file.read_bytes() for file in files if file.is_file()]


@case
def test_values_and_dtype_come_back(tmp_path: Path, name: str, dtype: str) -> None:
    array = make(dtype)
    assert write(place(tmp_path, name), array, n=23) == 23
    reader = open_vectors(place(tmp_path, name))
    assert (reader.n, reader.dim, reader.dtype, reader.path) == (23, 5, array.dtype, place(tmp_path, name))
    np.testing.assert_array_equal(reader.read(0, 23), array)
    assert reader.read(0, 23).dtype == array.dtype


@usual
def test_slices_and_rows_by_number(tmp_path: Path, name: str, dtype: str) -> None:
    array = make(dtype)
    write(place(tmp_path, name), array)
    reader = open_vectors(place(tmp_path, name))
    for start, stop in [(0, 0), (0, 1), (4, 9), (22, 23), (23, 23)]:
        np.testing.assert_array_equal(reader.read(start, stop), array[start:stop])
    ids = [5, 22, 0, 5, 6]
    np.testing.assert_array_equal(reader.take(ids), array[ids])
    assert reader.take([]).shape == (0, 5)
    assert reader.take(np.array([3], np.uint32)).flags.writeable


@usual
def test_blocks_are_of_the_size_asked_for(tmp_path: Path, name: str, dtype: str) -> None:
    array = make(dtype)
    write(place(tmp_path, name), array)
    reader = open_vectors(place(tmp_path, name))
    blocks = list(reader.blocks(7))
    assert [len(block) for block in blocks] == [7, 7, 7, 2]
    np.testing.assert_array_equal(np.concatenate(blocks), array)
    np.testing.assert_array_equal(np.concatenate(list(reader.blocks())), array)
    steps = [table.num_rows for table in reader.metadata(7)]
    assert steps == ([7, 7, 7, 2] if reader.columns else [])


@usual
@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (3, 2), (0, 24), (24, 24)])
def test_rows_outside_are_refused(tmp_path: Path, name: str, dtype: str, start: int, stop: int) -> None:
    write(place(tmp_path, name), make(dtype))
    with pytest.raises(ArrayError, match="0 to 23"):
        open_vectors(place(tmp_path, name)).read(start, stop)


@usual
@pytest.mark.parametrize("ids", [[0, 23], [-1], [0.5], [[1]]])
def test_numbers_that_are_no_rows_are_refused(tmp_path: Path, name: str, dtype: str, ids: list[Any]) -> None:
    write(place(tmp_path, name), make(dtype))
    with pytest.raises(ArrayError):
        open_vectors(place(tmp_path, name)).take(ids)


@case
@pytest.mark.parametrize("n", [0, 1])
def test_no_row_and_one_row(tmp_path: Path, name: str, dtype: str, n: int) -> None:
    array = make(dtype, n)
    assert write(place(tmp_path, name), array) == n
    reader = open_vectors(place(tmp_path, name))
    assert (reader.n, reader.dtype) == (n, array.dtype)
    assert reader.dim == (0 if name.endswith("vecs") and n == 0 else 5)  # .?vecs have no header but the rows'
    assert [len(block) for block in reader.blocks()] == [1] * n
    assert reader.take([]).shape == (0, reader.dim)


@usual
def test_input_may_be_read_only_and_of_any_strides(tmp_path: Path, name: str, dtype: str) -> None:
    array = make(dtype)
    by_columns = np.asfortranarray(array)
    by_columns.flags.writeable = False
    backwards = np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1]
    wide = np.repeat(array, 2, axis=1)[:, ::2]
    write(place(tmp_path, name, "plain"), array)
    for given in (by_columns, backwards, wide):
        write(place(tmp_path, name), given)
        assert all_bytes(place(tmp_path, name)) == all_bytes(place(tmp_path, name, "plain"))
    np.testing.assert_array_equal(by_columns, array)


@usual
def test_bytes_do_not_depend_on_how_rows_come(tmp_path: Path, name: str, dtype: str) -> None:
    array = make(dtype)
    whole, pieces = place(tmp_path, name, "whole"), place(tmp_path, name, "pieces")
    write(whole, array, n=23)
    blocks = [array[:1], array[1:1], array[1:20], array[20:]]
    write_vectors(pieces, iter(blocks), dim=5, dtype=dtype, n=23)
    assert all_bytes(whole) == all_bytes(pieces)


@usual
def test_the_number_of_rows_need_not_be_known(tmp_path: Path, name: str, dtype: str) -> None:
    array = make(dtype, 40)
    write_vectors(place(tmp_path, name), (array[i : i + 3] for i in range(0, 40, 3)), dim=5, dtype=dtype)
    np.testing.assert_array_equal(open_vectors(place(tmp_path, name)).read(0, 40), array)


@usual
def test_a_file_cut_short_is_an_error(tmp_path: Path, name: str, dtype: str) -> None:
    write(place(tmp_path, name), make(dtype))
    file = data_file(place(tmp_path, name))
    whole = file.read_bytes()
    for size in sorted({1, 3, 7, len(whole) // 2 + 1, len(whole) - 1}):
        file.write_bytes(whole[:size])
        with pytest.raises(FormatError) as caught:
            open_vectors(place(tmp_path, name))
        assert str(file.name) in str(caught.value)


@usual
def test_bytes_after_the_end_are_an_error(tmp_path: Path, name: str, dtype: str) -> None:
    array = make(dtype)
    write(place(tmp_path, name), array)
    with data_file(place(tmp_path, name)).open("ab") as file:
        file.write(b"???")
    if name in FORGIVES_TRAILING_BYTES:
        np.testing.assert_array_equal(open_vectors(place(tmp_path, name)).read(0, 23), array)
    else:
        with pytest.raises(FormatError):
            open_vectors(place(tmp_path, name))


@usual
def test_a_writer_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, name: str, dtype: str) -> None:
    array = make(dtype)
    write(place(tmp_path, name), array)
    before = sorted(tmp_path.rglob("*"))

    def fails() -> Iterator[NDArray[Any]]:
        yield array[:3]
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError):
        write_vectors(place(tmp_path, name), fails(), dim=5, dtype=dtype)
    for n in (22, 24):
        with pytest.raises(ArrayError, match="were announced"):
            write(place(tmp_path, name), array, n=n)
    assert sorted(tmp_path.rglob("*")) == before
    np.testing.assert_array_equal(open_vectors(place(tmp_path, name)).read(0, 23), array)


@usual
def test_a_block_of_another_shape_or_type_is_refused(tmp_path: Path, name: str, dtype: str) -> None:
    array = make(dtype)
    for block in (array[:, :4], array[0], array.astype(np.complex128)):
        with pytest.raises(ArrayError):
            write_vectors(place(tmp_path, name), [block], dim=5, dtype=dtype)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


@usual
def test_a_dtype_the_format_does_not_hold_is_refused(tmp_path: Path, name: str, dtype: str) -> None:
    with pytest.raises(InputError, match="does not hold complex64; allowed: "):
        write_vectors(place(tmp_path, name), [], dim=5, dtype="complex64")


@usual
def test_a_missing_file_is_one_sentence(tmp_path: Path, name: str, dtype: str) -> None:
    with pytest.raises(InputError, match="There is no file"):
        open_vectors(place(tmp_path, name, "nothing"))


NOISE = [b"", b"\0" * 5, b"\xff" * 4096, b"PAR1" * 40, b"\x89HDF\r\n\x1a\n" + b"\1" * 99]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param(name, content, marks=[pytest.mark.slow] if name == "lance" and content else [])  # it tries again
        for name in FORMATS.builtin
        if name != "folder"
        for content in NOISE
    ],
)
def test_noise_is_never_a_crash(tmp_path: Path, name: str, content: bytes) -> None:
    place(tmp_path, name).write_bytes(content)
    if content == b"" and name.endswith("vecs"):
        assert open_vectors(place(tmp_path, name)).n == 0
    else:
        with pytest.raises(GoldpanError):
            open_vectors(place(tmp_path, name))


def test_an_unknown_suffix_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'fvecs'"):
        open_vectors(tmp_path / "x.fvec")


@pytest.mark.parametrize("name", [name for name in FORMATS.builtin if name != "folder"])
def test_a_folder_in_the_place_of_a_file_is_one_sentence(tmp_path: Path, name: str) -> None:
    place(tmp_path, name).mkdir()
    with pytest.raises(InputError):
        open_vectors(place(tmp_path, name))
