"""The TEXMEX formats .fvecs, .ivecs and .bvecs: before each row its own length.

A row is an int32 d and d values (float32, int32 or uint8), little-endian; a file is rows and nothing else, so
n = size / (4 + d * itemsize). Source: http://corpus-texmex.irisa.fr. Readers that trust the first header take
a file with another row length in its middle for data; here the header of every row handed out is checked.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import FormatError
from goldpan.core.records import Ids
from goldpan.formats.atomic import replace_file
from goldpan.formats.mapped import ArrayReader, FileMap, MappedReader, row_dtype
from goldpan.formats.protocol import Address, Blocks, Columns, VectorFormat, VectorReader, VectorShape

_HEADER = np.dtype("<i4")
_CHECK_ROWS = 1 << 20


def _record(values: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of a row with its header; `values` is that of its values, all of them."""
    return np.dtype([("dim", _HEADER), ("values", values)])


def _open(dtype: str, address: Address) -> VectorReader:
    path, values = address.path, np.dtype(dtype)
    file = FileMap(path)
    if file.size == 0:
        return ArrayReader(np.empty((0, 0), values), path)
    row = _record(row_dtype(path, values, _first_dim(path, file, values.itemsize)))
    n, rest = divmod(file.size, row.itemsize)
    check = partial(_check_headers, path)
    if rest:
        check(file.array(row, (n,), 0), 0)
        problem = f"the file ends {rest} bytes into a row of {row.itemsize}."
        raise FormatError(path, problem, row=n, offset=n * row.itemsize)
    return MappedReader(path, file, 0, n, row, check)


def _first_dim(path: Path, file: FileMap, itemsize: int) -> int:
    """Return the length of the first row, which all must share, if the file is large enough for it."""
    if file.size < _HEADER.itemsize:
        raise FormatError(path, f"{file.size} bytes are too few for a row's header of 4.", row=0, offset=0)
    header = file.array(_HEADER, (1,), 0)
    dim, swapped = int(header[0]), int(header.byteswap()[0])
    if dim < 1 or _HEADER.itemsize + dim * itemsize > file.size:
        hint = ""
        if swapped > 0 and file.size % (_HEADER.itemsize + swapped * itemsize) == 0:
            hint = f" Read as big-endian it says {swapped}: this format is little-endian."
        problem = f"the header says {dim} values, which a file of {file.size} bytes cannot hold.{hint}"
        raise FormatError(path, problem, row=0, offset=0)
    return dim


def _check_headers(path: Path, rows: NDArray[Any], numbers: int | Ids) -> None:
    """Raise FormatError at the first row whose header is not the length of a row."""
    dim = rows.dtype["values"].shape[0]
    for start in range(0, len(rows), _CHECK_ROWS):
        headers = rows["dim"][start : start + _CHECK_ROWS]
        wrong = np.flatnonzero(headers != dim)
        if wrong.size:
            place = int(wrong[0])
            row = numbers + start + place if isinstance(numbers, int) else int(numbers[start + place])
            problem = f"the header says {headers[place]} values, that of the first row {dim}."
            raise FormatError(path, problem, row=row, offset=row * rows.dtype.itemsize)


def _write(address: Address, shape: VectorShape, blocks: Blocks, columns: Columns | None) -> int:
    rows: NDArray[Any] = np.empty(0, _record(np.dtype((shape.dtype, (shape.dim,)))))
    done = 0
    with replace_file(address.path) as temporary, temporary.open("wb") as file:
        for block in blocks:
            if len(rows) < len(block):
                rows = np.empty(len(block), rows.dtype)
                rows["dim"] = shape.dim
            rows["values"][: len(block)] = block
            file.write(rows[: len(block)].data)
            done += len(block)
    return done


def _format(name: str, dtype: str) -> VectorFormat:
    return VectorFormat(name, (dtype,), partial(_open, dtype), _write)


FVECS = _format(".fvecs", "float32")
IVECS = _format(".ivecs", "int32")
BVECS = _format(".bvecs", "uint8")
