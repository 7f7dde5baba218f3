"""The folders of LAION, clip-retrieval and embedding-reader: numbered .npy parts, metadata in Parquet parts.

::

    folder/img_emb/img_emb_0.npy  img_emb_1.npy ...     (n_i, d), float16 as a rule
    folder/text_emb/text_emb_0.npy ...                  the same for the texts
    folder/metadata/metadata_0.parquet ...              a row a vector

Parts follow by number, not by name (2 before 10, with or without leading zeros). An address names `img_emb` or
`text_emb` after a colon; without one it is `img_emb` where that is there.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goldpan.core.errors import FormatError, InputError, UnknownName
from goldpan.core.records import Metric
from goldpan.formats.atomic import replace_folder
from goldpan.formats.mapped import ArrayReader, MappedReader
from goldpan.formats.npy import DTYPES as NPY_DTYPES
from goldpan.formats.npy import open_npy, write_npy
from goldpan.formats.parquet import TableFile, beside_vectors, open_parquet
from goldpan.formats.protocol import (
    Address,
    Blocks,
    Columns,
    VectorFormat,
    VectorShape,
    check_ids,
    check_span,
    rows_per_block,
    spans,
)

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

Part = ArrayReader | MappedReader
KEYS = ("img_emb", "text_emb")
PART_ROWS = 1_000_000  # what clip-retrieval writes
_METADATA_GROUP_ROWS = 1 << 16


class LaionReader:
    """A `VectorReader` over the parts of one folder.

    Raises:
        FormatError: no parts, parts of different width or dtype, or metadata that do not match their part.
    """

    metric: Metric | None = None

    def __init__(self, address: Address) -> None:
        self.path = address.path
        key = _key(address)
        self._parts = _open_parts(address.path / key, key)
        self._starts = np.cumsum([0, *(part.n for part in self._parts.values())])
        self._metadata = self._open_metadata()
        first = next(iter(self._parts.values()))
        self.n = int(self._starts[-1])
        self.dim = first.dim
        self.dtype = first.dtype
        names = [file.schema_arrow.names for file in self._metadata]
        self.columns: tuple[str, ...] = tuple(names[0]) if names else ()

    def _open_metadata(self) -> list[pq.ParquetFile]:
        """Open the Parquet part of every .npy part; none at all is fine."""
        paths = _numbered(self.path / "metadata", "metadata", ".parquet")
        files = []
        for number, part in self._parts.items() if paths else ():
            if number not in paths:
                raise FormatError(self.path, f"metadata_{number}.parquet is missing; {part.path.name} is there.")
            file = open_parquet(paths[number])
            if file.metadata.num_rows != part.n:
                problem = f"{file.metadata.num_rows} rows; {part.path.name} has {part.n}."
                raise FormatError(paths[number], problem)
            files.append(file)
        return files

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows start to stop: a view within one part, a copy across parts."""
        check_span(self, start, stop)
        return self._join([part.read(first, last) for part, first, last in self._within(start, stop)])

    def _within(self, start: int, stop: int) -> Iterator[tuple[Part, int, int]]:
        """Yield the parts that hold any of rows start to stop, each with the span of its own rows."""
        for part, first in zip(self._parts.values(), self._starts.tolist(), strict=False):
            if first < stop and start < first + part.n:
                yield part, max(0, start - first), min(part.n, stop - first)

    def _join(self, pieces: list[NDArray[Any]]) -> NDArray[Any]:
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate(pieces) if pieces else np.empty((0, self.dim), self.dtype)

    def take(self, ids: ArrayLike) -> NDArray[Any]:
        """Return a copy of the rows numbered `ids`."""
        wanted = check_ids(self, ids)
        found = np.empty((len(wanted), self.dim), self.dtype)
        for part, first in zip(self._parts.values(), self._starts.tolist(), strict=False):
            here = np.flatnonzero((wanted >= first) & (wanted < first + part.n))
            found[here] = part.take(wanted[here] - first)
        return found

    def blocks(self, rows: int | None = None) -> Iterator[NDArray[Any]]:
        """Pass over all rows, across parts."""
        for start, stop in spans(self.n, rows_per_block(self, rows)):
            yield self._join([part.load(first, last) for part, first, last in self._within(start, stop)])

    def metadata(self, rows: int | None = None) -> Iterator[pa.Table]:
        """Pass over the metadata in the same steps as `blocks`."""
        import pyarrow as pa

        step = rows_per_block(self, rows)
        held: list[pa.Table] = []
        held_rows = 0
        for file in self._metadata:
            for batch in file.iter_batches(step):
                held.append(pa.Table.from_batches([batch]))
                held_rows += len(batch)
                if held_rows >= step:
                    table = pa.concat_tables(held)
                    yield table.slice(0, step)
                    held, held_rows = [table.slice(step)], held_rows - step
        if held_rows:
            yield pa.concat_tables(held)


def _key(address: Address) -> str:
    there = [key for key in KEYS if (address.path / key).is_dir()]
    if address.key is not None and address.key not in there:
        raise UnknownName("folder of embeddings", address.key, there)
    if not there:
        raise FormatError(address.path, "a folder of vectors holds img_emb/ or text_emb/; this one holds neither.")
    return address.key or there[0]


def _numbered(folder: Path, stem: str, suffix: str) -> dict[int, Path]:
    """Return the parts ``<stem>_<number><suffix>`` of a folder by number."""
    pattern = re.compile(rf"{stem}_(\d+){re.escape(suffix)}")
    matches = [(found, path) for path in folder.glob(f"{stem}_*{suffix}") if (found := pattern.fullmatch(path.name))]
    return dict(sorted((int(found[1]), path) for found, path in matches))


def _open_parts(folder: Path, stem: str) -> dict[int, Part]:
    parts = {number: open_npy(Address(path)) for number, path in _numbered(folder, stem, ".npy").items()}
    if not parts:
        raise FormatError(folder, f"it holds no part {stem}_0.npy.")
    first = next(iter(parts.values()))
    for part in parts.values():
        if (part.dim, part.dtype) != (first.dim, first.dtype):
            problem = f"{part.dim} values of {part.dtype} a row; {first.path.name} has {first.dim} of {first.dtype}."
            raise FormatError(part.path, problem)
    return parts


class _Piece(NamedTuple):
    part: int
    vectors: NDArray[Any]
    metadata: pa.Table


def _write(address: Address, shape: VectorShape, blocks: Blocks, columns: Columns | None) -> int:
    key = address.key or KEYS[0]
    if key not in KEYS:
        raise InputError(f"A folder of vectors has {' and '.join(KEYS)}, not {key!r}.")
    if address.path.is_file():
        raise InputError(f"{address.path} is a file; vectors go into a folder there, or into a file with a suffix.")
    metadata_folder = address.path / "metadata"
    done = 0
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(replace_folder(address.path / key))
        metadata: Path | None = None
        if columns is not None or not metadata_folder.is_dir():  # texts beside images share their metadata
            metadata = stack.enter_context(replace_folder(metadata_folder))
        pieces = _cut(beside_vectors(blocks, columns))
        for part, of_part in groupby(pieces, key=lambda piece: piece.part):
            rows = _write_part(folder, metadata, key, part, shape, of_part)
            if metadata is None:
                _check_beside(metadata_folder / f"metadata_{part}.parquet", rows)
            done += rows
        if done == 0:
            import pyarrow as pa

            nothing = _Piece(0, np.empty((0, shape.dim), shape.dtype), pa.table({"id": pa.array([], pa.int64())}))
            _write_part(folder, metadata, key, 0, shape, iter([nothing]))
    return done


def _check_beside(metadata: Path, rows: int) -> None:
    """Raise InputError unless metadata that stay have as many rows as the part written beside them."""
    import pyarrow.parquet as pq

    there = pq.read_metadata(metadata).num_rows if metadata.is_file() else 0
    if there != rows:
        raise InputError(f"{metadata} has {there} rows, the vectors for it {rows}; write them into another folder.")


def _cut(pairs: Iterator[tuple[NDArray[Any], pa.Table]]) -> Iterator[_Piece]:
    """Cut blocks where a part is full."""
    done = 0
    for block, table in pairs:
        start = 0
        while start < len(block):
            rows = min(PART_ROWS - done % PART_ROWS, len(block) - start)
            yield _Piece(done // PART_ROWS, block[start : start + rows], table.slice(start, rows))
            start += rows
            done += rows


def _write_part(
    folder: Path, metadata: Path | None, key: str, part: int, shape: VectorShape, pieces: Iterator[_Piece]
) -> int:
    table = TableFile(metadata / f"metadata_{part}.parquet", _METADATA_GROUP_ROWS) if metadata else None

    def vectors() -> Iterator[NDArray[Any]]:
        for piece in pieces:
            if table:
                table.append(piece.metadata)
            yield piece.vectors

    done = write_npy(Address(folder / f"{key}_{part}.npy"), shape._replace(n=None), vectors())
    if table:
        table.close()
    return done


LAION = VectorFormat("folder", NPY_DTYPES, LaionReader, _write, has_keys=True, has_columns=True)
