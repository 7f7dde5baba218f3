"""big-ann's sparse files (.spmat, .csr): int64 n, dim, nnz; int64 indptr[n + 1]; int32 indices[nnz]; float32 data[nnz].

Used for the tags of YFCC filters and for SPLADE. Source: big-ann-benchmarks ``benchmark/dataset_io.py``.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from goldpan.core.errors import ArrayError, FormatError
from goldpan.formats.atomic import replace_file
from goldpan.formats.casts import cast_rows
from goldpan.formats.mapped import FileMap
from goldpan.formats.protocol import Address
from goldpan.formats.sparse import Csr, SparseReader

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_HEADER_BYTES = 24
_MAX_DIM = 2**31


def open_spmat(address: Address) -> SparseReader:
    """Open a file.

    Raises:
        FormatError: its size is not what its header says.
    """
    path = address.path
    file = FileMap(path)
    if file.size < _HEADER_BYTES:
        raise FormatError(path, f"{file.size} bytes are too few for the header of {_HEADER_BYTES}.", offset=0)
    n, dim, nnz = (int(number) for number in file.array(np.dtype("<i8"), (3,), 0))
    starts = _HEADER_BYTES + 8 * (n + 1)
    expected = starts + 8 * nnz
    if min(n, dim, nnz) < 0 or file.size != expected:
        problem = f"the header says {n} rows, {dim} columns and {nnz} entries, {expected} bytes in all; "
        raise FormatError(path, problem + f"the file has {file.size}.", offset=0)
    indptr = file.array(np.dtype("<i8"), (n + 1,), _HEADER_BYTES)
    indices = file.array(np.dtype("<i4"), (nnz,), starts)
    data = file.array(np.dtype("<f4"), (nnz,), starts + 4 * nnz)
    return SparseReader(path, Csr(indptr, indices, data, dim, file.forget))


def write_spmat(address: Address, blocks: Iterator[csr_array], dim: int, n: int) -> int:
    """Write checked blocks; values wait in a temporary file until all columns are there.

    Raises:
        ArrayError: more columns than int32 counts, or a value that float32 does not have.
    """
    if dim >= _MAX_DIM:
        raise ArrayError(f"{dim} columns do not fit this format, which counts below {_MAX_DIM}; use .h5.")
    done = nnz = 0
    starts = _HEADER_BYTES + 8 * (n + 1)
    with (
        replace_file(address.path) as temporary,
        temporary.open("wb") as file,
        tempfile.TemporaryFile(dir=temporary.parent) as values,
    ):
        file.write(bytes(starts))
        for block in blocks:
            file.seek(_HEADER_BYTES + 8 * (done + 1))
            file.write((block.indptr[1:].astype("<i8") + nnz).tobytes())
            file.seek(starts + 4 * nnz)
            file.write(block.indices.astype("<i4").tobytes())
            values.write(cast_rows(block.data[:, None], np.dtype("<f4"), done).tobytes())
            done += block.shape[0]
            nnz += block.nnz
        file.seek(starts + 4 * nnz)
        values.seek(0)
        shutil.copyfileobj(values, file, 1 << 20)
        file.seek(0)
        file.write(np.array([n, dim, nnz], "<i8").tobytes())
    return nnz
