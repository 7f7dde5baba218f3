"""NumPy's .npy: a header with dtype, order and shape, then the array; mapped, in row or column order.

Source: the NumPy enhancement proposal 1 and `numpy.lib.format`. Only arrays of two axes; object arrays, which
would need pickle, are refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format as npy_format

from goldpan.core.errors import FormatError
from goldpan.formats.atomic import replace_file
from goldpan.formats.mapped import ArrayReader, FileMap, MappedReader, row_dtype
from goldpan.formats.protocol import Address, Blocks, Columns, VectorFormat, VectorShape

DTYPES = ("float32", "float16", "float64", "uint8", "int8", "int32", "int64", "uint32", "uint64")


class _Header(NamedTuple):
    shape: tuple[int, ...]
    by_columns: bool
    dtype: np.dtype[Any]
    size: int


def open_npy(address: Address) -> ArrayReader | MappedReader:
    """Open a .npy file of shape ``(n, d)``.

    Raises:
        FormatError: another shape, a dtype we do not hold, or a size that is not what the header says.
    """
    path = address.path
    head = _read_header(path)
    if len(head.shape) != 2:
        raise FormatError(path, f"the array has shape {head.shape}; vectors have 2 axes (rows, dimensions).")
    if not head.dtype.isnative or head.dtype.name not in DTYPES:
        raise FormatError(path, f"the values are {head.dtype.str}; allowed, little-endian: {', '.join(DTYPES)}.")
    n, dim = head.shape
    if dim == 0 and n:
        raise FormatError(path, f"the header says {n} rows of 0 values.", row=0, offset=head.size)
    file = FileMap(path)
    row_bytes = dim * head.dtype.itemsize
    expected = head.size + n * row_bytes
    if file.size != expected:
        row = min(n, max(0, file.size - head.size) // max(1, row_bytes))
        problem = f"the header says shape {head.shape}, {expected} bytes in all; the file has {file.size}."
        raise FormatError(path, problem, row=row, offset=head.size + row * row_bytes)
    if head.by_columns:
        return ArrayReader(file.array(head.dtype, (dim, n), head.size).T, path, file)
    return MappedReader(path, file, head.size, n, row_dtype(path, head.dtype, dim))


def _read_header(path: Path) -> _Header:
    with path.open("rb") as file:
        try:
            version = npy_format.read_magic(file)
            if version == (1, 0):
                shape, by_columns, dtype = npy_format.read_array_header_1_0(file)
            elif version == (2, 0):
                shape, by_columns, dtype = npy_format.read_array_header_2_0(file)
            else:
                raise FormatError(path, f"version {version} of .npy; allowed: (1, 0) and (2, 0).")
        except ValueError as error:
            raise FormatError(path, f"not a .npy file ({error}).", offset=0) from None
        return _Header(shape, by_columns, dtype, file.tell())


def write_npy(address: Address, shape: VectorShape, blocks: Blocks, columns: Columns | None = None) -> int:
    """Write blocks as one array, row by row: the same bytes as ``numpy.save``; return the number of rows."""
    done = 0
    with replace_file(address.path) as temporary, temporary.open("wb") as file:
        _write_header(file, shape, shape.n or 0)
        for block in blocks:
            file.write(np.ascontiguousarray(block, shape.dtype).data)
            done += len(block)
        file.seek(0)
        _write_header(file, shape, done)  # as long as before: NumPy pads it for a growing first axis
    return done


def _write_header(file: Any, shape: VectorShape, n: int) -> None:
    descr = npy_format.dtype_to_descr(shape.dtype)
    npy_format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": (n, shape.dim)})


NPY = VectorFormat(".npy", DTYPES, open_npy, write_npy)
