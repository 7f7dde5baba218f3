"""The TEXMEX formats .fvecs, .ivecs and .bvecs: before each row its own length.

A row is an int32 d and d values (float32, int32 or uint8), little-endian; a file is rows and nothing else, so
n = size / (4 + d * itemsize). Source: http://corpus-texmex.irisa.fr. Readers that trust the first header take
a file with another row length in its middle for data; here the header of every row handed out is checked.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import FormatError
from goldpan.formats.atomic import replace_file
from goldpan.formats.mapped import ArrayReader, FileMap, Selection
from goldpan.formats.protocol import Address, Blocks, Columns, VectorFormat, VectorShape

_HEADER = np.dtype("<i4")
_CHECK_ROWS = 1 << 20


def _open(dtype: str, address: Address) -> ArrayReader:
    path, values = address.path, np.dtype(dtype)
    file = FileMap(path)
    if file.size == 0:
        return ArrayReader(np.empty((0, 0), values), path)
    dim = _first_dim(path, file, values.itemsize)
    stride = _HEADER.itemsize + dim * values.itemsize
    n = file.size // stride
    headers = file.array(_HEADER, (n,), 0, (stride,))
    if file.size % stride:
        _check_headers(path, headers, dim, stride, slice(0, n))
        raise FormatError(
            path, f"the file ends {file.size % stride} bytes into a row of {stride}.", row=n, offset=n * stride
        )
    array = file.array(values, (n, dim), _HEADER.itemsize, (stride, values.itemsize))
    check = partial(_check_headers, path, headers, dim, stride)
    return ArrayReader(array, path, file=(file, 0), check=check)


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


def _check_headers(path: Path, headers: NDArray[np.int32], dim: int, stride: int, rows: Selection) -> None:
    """Raise FormatError at the first of `rows` whose header is not `dim`."""
    if isinstance(rows, slice):
        for start in range(rows.start, rows.stop, _CHECK_ROWS):
            wrong = np.flatnonzero(headers[start : min(rows.stop, start + _CHECK_ROWS)] != dim)
            if wrong.size:
                _wrong_header(path, headers, dim, stride, start + int(wrong[0]))
    else:
        wrong = np.flatnonzero(headers[rows] != dim)
        if wrong.size:
            _wrong_header(path, headers, dim, stride, int(rows[wrong].min()))


def _wrong_header(path: Path, headers: NDArray[np.int32], dim: int, stride: int, row: int) -> None:
    problem = f"the header says {headers[row]} values, the rows before it have {dim}."
    raise FormatError(path, problem, row=row, offset=row * stride)


def _write(address: Address, shape: VectorShape, blocks: Blocks, columns: Columns | None) -> int:
    record = np.dtype([("dim", _HEADER), ("values", shape.dtype.newbyteorder("<"), (shape.dim,))])
    rows = np.empty(0, record)
    done = 0
    with replace_file(address.path) as temporary, temporary.open("wb") as file:
        for block in blocks:
            if len(rows) < len(block):
                rows = np.empty(len(block), record)
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
