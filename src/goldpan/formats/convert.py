"""Convert vectors to any format of vectors, and ground truth to any layout of it, in bounded memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from goldpan.core.errors import InputError
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Metric, parse_metric
from goldpan.formats import hdf5
from goldpan.formats.casts import cast_rows, fitting_dtype, parse_dtype
from goldpan.formats.hdf5_file import dataset_names, reading_hdf5
from goldpan.formats.protocol import Address, VectorFormat, VectorReader, rows_per_block
from goldpan.formats.sparse import is_sparse, open_sparse, write_sparse
from goldpan.formats.truth import check_meaning, copy_truth, open_truth
from goldpan.formats.truth_layouts import HDF5_PAIRS, hdf5_ids_key
from goldpan.formats.vectors import format_name, open_vectors, parse_address, vector_format, write_vectors

_TRUTH_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was converted.

    Attributes:
        source: the address read.
        target: the address written.
        kind: "vectors", "truth" or "sparse".
        n: rows, or queries.
        dim: values a row, or neighbors a query.
        dtype: type of the values, or of the ids, in the target.
        bytes: size of the target.
        seconds: wall time.
        dropped: what the source holds beside and the target's format does not carry.
    """

    source: str
    target: str
    kind: str
    n: int
    dim: int
    dtype: str
    bytes: int
    seconds: float
    dropped: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {"seconds": round(self.seconds, 3), "dropped": list(self.dropped)}


class _Copied(NamedTuple):
    kind: str
    n: int
    dim: int
    dtype: str
    dropped: tuple[str, ...]


def convert(
    source: str | Path | Address,
    target: str | Path | Address,
    *,
    dtype: DTypeLike | None = None,
    key: str | None = None,
    metric: str | Metric | None = None,
    block_rows: int | None = None,
    progress: Progress | None = None,
) -> Conversion:
    """Convert a file; both formats are told by the addresses (see `goldpan.formats.vectors`).

    A file of ids (.ivecs, .ibin, .gt100, HDF5 with `knns` or `neighbors`, .npy of 32- or 64-bit whole numbers,
    Parquet with `neighbors_id`) is ground truth, one of sparse rows (`goldpan.formats.sparse`) stays sparse, and any
    other is vectors. Values keep their type, or get the first
    wider one the target holds; a narrower one only where `dtype` asks for it.

    Args:
        source: what to read.
        target: what to write; replaced as a whole, and there only when all of it is written. With a dataset named
            (``all.h5:test``) the other datasets of a present HDF5 file stay.
        dtype: type of the values in the target.
        key: dataset or column of the source, as after a colon in its address.
        metric: for ground truth with distances: the metric, so that they get the target's convention (squared,
            one minus the similarity ...); needed where that is another one than the source's.
        block_rows: rows held in memory; where None about 2 MiB of them.
        progress: told of the rows done.

    Returns:
        What was converted, how large it is, and what the target has no place for.

    Raises:
        InputError: there is no such file, its values do not fit the target without loss, or a metric is needed.
        FormatError: the source is damaged; row and byte are named where the format lets them be known.
    """
    start = time.perf_counter()
    progress = progress or Silent()
    where, to = parse_address(source), parse_address(target)
    if key is not None:
        where = Address(where.path, key)
    if is_sparse(where):
        if dtype is not None or metric is not None:
            raise InputError(f"{where} holds sparse rows, which keep their type; leave out --dtype and --metric.")
        copied = _convert_sparse(where, to, block_rows, progress)
    elif is_truth(where):
        if dtype is not None:
            raise InputError(f"{where} is ground truth, whose layouts fix their types; leave out --dtype {dtype}.")
        copied = _convert_truth(where, to, metric, block_rows, progress)
    else:
        if metric is not None:
            raise InputError(f"{where} holds vectors, which no metric changes; leave out --metric {metric}.")
        copied = _convert_vectors(where, to, dtype, block_rows, progress)
    seconds = time.perf_counter() - start
    return Conversion(str(where), str(to), **copied._asdict(), bytes=_size(to.path), seconds=seconds)


def _convert_vectors(
    where: Address, to: Address, dtype: DTypeLike | None, block_rows: int | None, progress: Progress
) -> _Copied:
    reader = open_vectors(where)
    chosen = vector_format(to)
    final = _target_dtype(reader, to, chosen, dtype)
    rows = rows_per_block(reader, block_rows)
    carried = reader.metadata(rows) if reader.columns and chosen.has_columns else None
    progress.start(f"{where} -> {to}", reader.n)
    write_vectors(to, _cast(reader, final, rows, progress), dim=reader.dim, dtype=final, n=reader.n, columns=carried)
    progress.finish()
    return _Copied("vectors", reader.n, reader.dim, final.name, () if chosen.has_columns else reader.columns)


def _target_dtype(reader: VectorReader, to: Address, chosen: VectorFormat, asked: DTypeLike | None) -> np.dtype[Any]:
    """Return the type of the values in the target.

    Raises:
        InputError: the target's format holds no type that takes all values of the source's.
    """
    if asked is not None:
        return parse_dtype(asked)
    fitting = fitting_dtype(reader.dtype, chosen.dtypes)
    if fitting is None:
        raise InputError(
            f"{reader.path} holds {reader.dtype}, {chosen.name} holds {', '.join(chosen.dtypes)}: values would be "
            f"lost in {to}. Choose another format, or accept it with --dtype {chosen.dtypes[0]}."
        )
    return fitting


def _cast(reader: VectorReader, dtype: np.dtype[Any], rows: int, progress: Progress) -> Iterator[NDArray[Any]]:
    done = 0
    for block in reader.blocks(rows):
        yield cast_rows(block, dtype, done)
        done += len(block)
        progress.advance(len(block))


def _convert_truth(
    where: Address, to: Address, metric: str | Metric | None, block_rows: int | None, progress: Progress
) -> _Copied:
    reader = open_truth(where)
    known = None if metric is None else parse_metric(metric)
    if known is None:
        check_meaning(reader, to)
    progress.start(f"{where} -> {to}", reader.n)
    layout = copy_truth(reader, to, known, block_rows or _TRUTH_ROWS)
    progress.advance(reader.n)
    progress.finish()
    dropped = ("distances",) if reader.has_distances and layout.distance_dtype is None else ()
    return _Copied("truth", reader.n, reader.k, layout.id_dtype, dropped)


def _convert_sparse(where: Address, to: Address, block_rows: int | None, progress: Progress) -> _Copied:
    reader = open_sparse(where)
    progress.start(f"{where} -> {to}", reader.n)

    def counted() -> Iterator[Any]:
        for block in reader.blocks(block_rows):
            yield block
            progress.advance(block.shape[0])

    write_sparse(to, counted(), dim=reader.dim, n=reader.n)
    progress.finish()
    return _Copied("sparse", reader.n, reader.dim, open_sparse(to).dtype.name, ())


def is_truth(address: str | Path | Address) -> bool:
    """Return whether a file holds ids of neighbors rather than vectors: by its suffix, else by what is in it."""
    where = parse_address(address)
    name = format_name(where.path)
    if name in ("ivecs", "ibin", "bin") or name.startswith("gt"):
        return True
    if not where.path.is_file():
        return False
    if name in ("h5", "hdf5"):
        return _hdf5_is_truth(where)
    if name == "npy":
        dtype = open_vectors(where).dtype
        return dtype.kind in "iu" and dtype.itemsize >= 4
    if name == "parquet":
        import pyarrow.parquet as pq

        return where.key in (None, "neighbors_id") and "neighbors_id" in pq.read_schema(where.path).names
    return False


def _hdf5_is_truth(where: Address) -> bool:
    """Return True for a dataset of ids, a group that holds one, or a file with ids and no vectors."""
    with reading_hdf5(where.path) as file:
        names = dataset_names(file)
    if where.key in names:
        return where.key.rpartition("/")[2] in HDF5_PAIRS
    if where.key is None and any(key in names for key in hdf5.USUAL_KEYS):
        return False
    return hdf5_ids_key(where.key, names) is not None


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size
