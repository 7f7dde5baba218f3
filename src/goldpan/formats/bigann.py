"""The big-ann-benchmarks formats .fbin, .u8bin, .i8bin, .ibin, .hbin and .bbin: one header, then an array.

uint32 n, uint32 d, then n * d values row by row, little-endian; the size is exactly 8 + n * d * itemsize. A
``.crop_nb_N`` file is the same with a smaller n. Ground truth shares the header and often the name .ibin, and
is told apart by its size (`goldpan.formats.truth`). In .bbin (usearch) a value is a byte of eight packed bits.
Source: https://big-ann-benchmarks.com/neurips21.html.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np

from goldpan.core.errors import FormatError, InputError
from goldpan.formats.atomic import replace_file
from goldpan.formats.mapped import FileMap, MappedReader, row_dtype
from goldpan.formats.protocol import Address, Blocks, Columns, VectorFormat, VectorShape

HEADER_BYTES = 8
MAX_COUNT = 2**32 - 1
_CROP = re.compile(r"\.crop_nb_(\d{1,10})$")


def read_header(path: Path, file: FileMap) -> tuple[int, int]:
    """Return (n, d) of the file's header, as Python integers: their product may exceed 64 bits.

    Raises:
        FormatError: the file is shorter than a header.
    """
    if file.size < HEADER_BYTES:
        raise FormatError(path, f"{file.size} bytes are too few for the header of {HEADER_BYTES}.", offset=0)
    n, dim = file.array(np.dtype("<u4"), (2,), 0)
    return int(n), int(dim)


def header(n: int, dim: int) -> bytes:
    """Return the 8 bytes that open a file of `n` rows.

    Raises:
        InputError: a count does not fit 32 bits.
    """
    if max(n, dim) > MAX_COUNT:
        raise InputError(f"{n} rows of {dim} do not fit the 32-bit header of this format; use .npy or .h5.")
    return np.array([n, dim], "<u4").tobytes()


def _open(dtype: str, address: Address) -> MappedReader:
    path, values = address.path, np.dtype(dtype)
    file = FileMap(path)
    n, dim = read_header(path, file)
    stride = dim * values.itemsize
    expected = HEADER_BYTES + n * stride
    if file.size != expected:
        raise _wrong_size(path, file.size, n, dim, values.itemsize)
    if dim == 0 and n:
        raise FormatError(path, f"the header says {n} rows of 0 values.", row=0, offset=0)
    return MappedReader(path, file, HEADER_BYTES, n, row_dtype(path, values, dim))


def _wrong_size(path: Path, size: int, n: int, dim: int, itemsize: int) -> FormatError:
    expected = HEADER_BYTES + n * dim * itemsize
    problem = f"the header says {n} rows of {dim} values, {expected} bytes in all; the file has {size}."
    cropped = _CROP.search(path.name)
    if cropped and size == HEADER_BYTES + int(cropped[1]) * dim * itemsize:
        problem += (
            f" The crop has its {cropped[1]} rows, but still the header of the whole file; rewrite its first 4 bytes."
        )
    if itemsize == 4 and size == HEADER_BYTES + 8 * n * dim:
        problem += " That is the size of ground truth with distances: read it with read_truth."
    row = min(n, (size - HEADER_BYTES) // max(1, dim * itemsize))
    return FormatError(path, problem, row=row, offset=HEADER_BYTES + row * dim * itemsize)


def _write(address: Address, shape: VectorShape, blocks: Blocks, columns: Columns | None) -> int:
    done = 0
    with replace_file(address.path) as temporary, temporary.open("wb") as file:
        file.write(header(shape.n or 0, shape.dim))
        for block in blocks:
            file.write(np.ascontiguousarray(block, shape.dtype).data)
            done += len(block)
        file.seek(0)
        file.write(header(done, shape.dim))
    return done


def _format(name: str, dtype: str) -> VectorFormat:
    return VectorFormat(name, (dtype,), partial(_open, dtype), _write)


FBIN = _format(".fbin", "float32")
U8BIN = _format(".u8bin", "uint8")
I8BIN = _format(".i8bin", "int8")
IBIN = _format(".ibin", "int32")
HBIN = _format(".hbin", "float16")
BBIN = _format(".bbin", "uint8")
