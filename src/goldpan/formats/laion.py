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
from numpy.typing import NDArray

from goldpan.core.errors import FormatError, InputError, UnknownName
from goldpan.formats.atomic import replace_folder
from goldpan.formats.joined import JoinedReader
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
)

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

Part = ArrayReader | MappedReader
KEYS = ("img_emb", "text_emb")
PART_ROWS = 1_000_000  # what clip-retrieval writes
_METADATA_GROUP_ROWS = 1 << 16


class LaionReader(JoinedReader):
    """A `VectorReader` over the parts of one folder.

    Raises:
        FormatError: no parts, parts of different width or dtype, or metadata that do not match their part.
    """

    def __init__(self, address: Address) -> None:
        key = _key(address)
        parts = _open_parts(address.path / key, key)
        super().__init__(address.path, list(parts.values()))
        self._metadata = _open_metadata(address.path, parts)
        self._schema = _common_schema(address.path, self._metadata)
        self.columns = tuple(self._schema.names)

    def metadata_tables(self, rows: int) -> Iterator[pa.Table]:
        """Pass over the Parquet parts, at most `rows` rows at a time, all with the columns of all parts."""
        import pyarrow as pa

        none = self._schema.empty_table()
        for file in self._metadata:
            for batch in file.iter_batches(rows):
                yield pa.concat_tables([none, pa.Table.from_batches([batch])], promote_options="permissive")


def _open_metadata(folder: Path, parts: dict[int, Part]) -> list[pq.ParquetFile]:
    """Open the Parquet part of every .npy part; none at all is fine."""
    paths = _numbered(folder / "metadata", "metadata", ".parquet")
    files = []
    for number, part in parts.items() if paths else ():
        if number not in paths:
            raise FormatError(folder, f"metadata_{number}.parquet is missing; {part.path.name} is there.")
        file = open_parquet(paths[number])
        if file.metadata.num_rows != part.n:
            problem = f"{file.metadata.num_rows} rows; {part.path.name} has {part.n}."
            raise FormatError(paths[number], problem)
        files.append(file)
    return files


def _common_schema(folder: Path, files: list[pq.ParquetFile]) -> pa.Schema:
    """Return the columns of all parts.

    Raises:
        FormatError: a column has types that do not go together.
    """
    import pyarrow as pa

    schemas = [file.schema_arrow.remove_metadata() for file in files] or [pa.schema([])]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise FormatError(folder / "metadata", f"the parts differ in a column: {error}") from error


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
