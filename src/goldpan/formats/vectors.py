"""The front door to vector files: `open_vectors` and `write_vectors` choose the format by the address.

An address is a path, with the name of a dataset or column after a colon where a file holds several::

    base.fvecs   queries.u8bin   base.npy   bench.hdf5:train   sisap.h5:itest/queries
    rows.parquet:emb   laion/:text_emb (a folder of .npy parts)   vectors.lance

Other packages add formats through the entry-point group ``goldpan.formats``: name = suffix without the dot,
value = ``module:VectorFormat``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from goldpan.core.catalog import Catalog
from goldpan.core.errors import ArrayError, InputError
from goldpan.core.place import is_url, place
from goldpan.formats.casts import cast_rows, is_lossless, parse_dtype
from goldpan.formats.protocol import Address, VectorFormat, VectorReader, VectorShape

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = Catalog(
    "vector format",
    {
        "fvecs": "goldpan.formats.xvecs:FVECS",
        "ivecs": "goldpan.formats.xvecs:IVECS",
        "bvecs": "goldpan.formats.xvecs:BVECS",
        "fbin": "goldpan.formats.bigann:FBIN",
        "u8bin": "goldpan.formats.bigann:U8BIN",
        "i8bin": "goldpan.formats.bigann:I8BIN",
        "ibin": "goldpan.formats.bigann:IBIN",
        "hbin": "goldpan.formats.bigann:HBIN",
        "bbin": "goldpan.formats.bigann:BBIN",
        "h5": "goldpan.formats.hdf5:HDF5",
        "hdf5": "goldpan.formats.hdf5:HDF5",
        "npy": "goldpan.formats.npy:NPY",
        "parquet": "goldpan.formats.parquet:PARQUET",
        "lance": "goldpan.formats.lance_table:LANCE",
        "folder": "goldpan.formats.laion:LAION",
    },
    group="goldpan.formats",
)
_CROPPED = re.compile(r"\.crop_nb_\d+$")


def parse_address(address: str | Path | Address) -> Address:
    """Split an address into its path and the name after its last colon.

    A path that exists is taken whole, and so is one whose end has the suffix of a format while what is before the
    colon has none: a colon in the name of a folder or file, ``run:2/base.fvecs``.

    Raises:
        InputError: the address is empty.
    """
    if isinstance(address, Address):
        return address
    if not str(address).strip():
        raise InputError("An address is empty; name a file or folder, such as base.fvecs.")
    path, colon, key = str(address).rpartition(":")
    if key.startswith("/") and is_url(str(address)):
        return Address(place(address))
    if not colon or not path or not key or Path(address).exists():
        return Address(Path(address))
    if _is_format(key) and not _is_format(path) and not Path(path).exists():
        return Address(Path(address))
    return Address(place(path), key)


def _is_format(name: str) -> bool:
    return Path(name).suffix[1:].lower() in FORMATS.builtin


def format_name(path: Path) -> str:
    """Return the catalog's name for a path: its suffix, or "folder" for a folder and for a path without one."""
    suffix = Path(_CROPPED.sub("", path.name)).suffix[1:].lower()
    if not suffix or (path.is_dir() and suffix not in FORMATS.entries()):
        return "folder"
    return suffix


def vector_format(address: Address) -> VectorFormat:
    """Return the format of an address.

    Raises:
        UnknownName: the suffix is none we know.
        InputError: a name after a colon in a format that has no names.
    """
    chosen: VectorFormat = FORMATS.load(format_name(address.path), f"({address.path})")
    if address.key is not None and not chosen.has_keys:
        raise InputError(f"{address.path} holds one array; leave out ':{address.key}'.")
    return chosen


def open_vectors(address: str | Path | Address) -> VectorReader:
    """Open vectors for reading; nothing but the header is read yet.

    Args:
        address: a path, or a path and the name of a dataset or column: ``bench.hdf5:test``.

    Raises:
        InputError: no such file, or a folder in its place.
        UnknownName: no format has that suffix, or no dataset that name.
        FormatError: the file is not what its format says.

    Example:
        >>> reader = open_vectors("base.fvecs")                             # doctest: +SKIP
        >>> reader.n, reader.dim, reader.read(0, 10).shape                  # doctest: +SKIP
        (1000000, 512, (10, 512))
    """
    where = parse_address(address)
    chosen = vector_format(where)
    if not where.path.exists():
        raise InputError(f"There is no file {where.path}.")
    try:
        return chosen.open(where)
    except IsADirectoryError:
        raise InputError(f"{where.path} is a folder; {chosen.name} is a file.") from None


def write_vectors(
    address: str | Path | Address,
    blocks: Iterable[NDArray[Any]],
    *,
    dim: int,
    dtype: DTypeLike,
    n: int | None = None,
    columns: Iterable[pa.Table] | None = None,
) -> int:
    """Write blocks of rows, in bounded memory, so that the file is there whole or not at all.

    Args:
        address: where to; what is there is replaced.
        blocks: ``(rows, dim)`` arrays of `dtype`, or of a type that fits into it without loss.
        dim: values a row.
        dtype: type of the values in the file.
        n: number of rows, if known: it is then checked, and HDF5 is written in one piece.
        columns: metadata in the same steps as `blocks`, for formats that carry them.

    Returns:
        The number of rows written.

    Raises:
        ArrayError: a block of another shape or dtype, or a number of rows that is not `n`.
        InputError: the format does not hold this dtype, these columns, or is only read.
        UnknownName: no format has that suffix.
    """
    where = parse_address(address)
    chosen = vector_format(where)
    shape = VectorShape(n, int(dim), parse_dtype(dtype))
    if shape.dim < 0 or shape.dim * shape.dtype.itemsize >= 2**31:
        raise InputError(f"A row of {dim} values cannot be written; it must be smaller than 2 GiB.")
    if chosen.write is None:
        raise InputError(f"{where.path}: goldpan reads {chosen.name} files and does not write them.")
    if shape.dtype.name not in chosen.dtypes:
        allowed = ", ".join(chosen.dtypes)
        raise InputError(f"{where.path}: {chosen.name} does not hold {shape.dtype}; allowed: {allowed}.")
    if columns is not None and not chosen.has_columns:
        raise InputError(f"{where.path}: {chosen.name} holds vectors only; metadata go into .parquet or a folder.")
    return chosen.write(where, shape, checked_blocks(blocks, shape), columns)


def checked_blocks(blocks: Iterable[NDArray[Any]], shape: VectorShape) -> Iterator[NDArray[Any]]:
    """Pass on the blocks, each in the right shape and dtype, and in the end the right number of rows."""
    done = 0
    for given in blocks:
        block = np.asarray(given)
        if block.ndim != 2 or block.shape[1] != shape.dim or shape.dim < 1:
            raise ArrayError(f"A block has shape {block.shape}, expected (rows, {max(1, shape.dim)}).")
        if not is_lossless(block.dtype, shape.dtype):
            raise ArrayError(f"A block has dtype {block.dtype}, which {shape.dtype} cannot hold without loss.")
        if shape.n is not None and done + len(block) > shape.n:
            raise ArrayError(f"{shape.n} rows were announced; more have come.")
        if len(block):
            yield cast_rows(block, shape.dtype, done)
        done += len(block)
    if shape.n is not None and done != shape.n:
        raise ArrayError(f"{shape.n} rows were announced; {done} have come.")
