"""``chunk_N.json``: what unmet-promise retrieves, 500,000 rows a file, as pandas writes ``orient="records"``.

Columns: SAMPLE_ID (a whole number), URL, TEXT, HEIGHT, WIDTH, LICENSE, NSFW, similarity, QUERY (the class), and
whatever else a row has behind them. Parquet files with the same columns and names are written and read too.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

from goldpan.core.errors import InputError
from goldpan.formats.atomic import replace_file
from goldpan.formats.metadata import Row, metadata_files, open_metadata
from goldpan.formats.record_batches import batch_of

CHUNK_ROWS = 500_000
QUERY = "QUERY"
COLUMNS = ("SAMPLE_ID", "URL", "TEXT", "HEIGHT", "WIDTH", "LICENSE", "NSFW", "similarity", QUERY)
Layout = Literal["json", "parquet"]
_OTHER_NAMES = {
    "caption": "TEXT",
    "text": "TEXT",
    "url": "URL",
    "sample_id": "SAMPLE_ID",
    "height": "HEIGHT",
    "width": "WIDTH",
    "original_height": "HEIGHT",
    "original_width": "WIDTH",
    "license": "LICENSE",
    "nsfw": "NSFW",
    "query": QUERY,
}
_NUMBERS = ("SAMPLE_ID", "HEIGHT", "WIDTH")
_CHUNK = re.compile(r"chunk_(\d+)\.(?:json|parquet)")
_BATCH_ROWS = 4096


def chunk_names(names: Iterable[str], captions: str | None = None) -> dict[str, str]:
    """Return column -> its name in a chunk; a name that is taken stays what it was.

    Args:
        names: of columns.
        captions: the column that is TEXT where none is called so, in place of the first usual one.
    """
    names = list(names)
    taken = set(names)
    renamed = {}
    for name in sorted(names, key=lambda name: name != captions):
        usual = "TEXT" if name == captions else _OTHER_NAMES.get(name.lower(), name)
        renamed[name] = usual if usual not in taken else name
        taken.add(renamed[name])
    return {name: renamed[name] for name in names}


def chunk_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row, already with the names of a chunk, in the order and with the types of one."""
    return {name: _whole(row[name]) if name in _NUMBERS else _plain(row[name]) for name in _ordered(tuple(row))}


@lru_cache(maxsize=1024)
def _ordered(names: tuple[str, ...]) -> tuple[str, ...]:
    return (*(name for name in COLUMNS if name in names), *(name for name in names if name not in COLUMNS))


def write_chunks(
    folder: Path, rows: Iterable[dict[str, Any]], layout: Layout = "json", rows_a_file: int = CHUNK_ROWS
) -> list[Path]:
    """Write rows to ``chunk_0.json`` ... in a folder that exists; each file appears whole. Chunks of before go.

    Returns:
        The files; an empty one where there is no row.

    Raises:
        InputError: a column cannot be one of Parquet.
    """
    source = map(chunk_row, rows)
    written: list[Path] = []
    first = list(islice(source, 1))
    while first or not written:
        path = folder / f"chunk_{len(written)}.{layout}"
        with replace_file(path) as temporary:
            _WRITERS[layout](temporary, chain(first, islice(source, rows_a_file - 1)))
        written.append(path)
        first = list(islice(source, 1))
    for old in set(_chunks_in(folder)) - set(written):
        old.unlink()
    return written


def chunk_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files that paths name: themselves; of a folder its chunks by number, else all lists in it.

    Raises:
        InputError: there is nothing that can be read.
    """
    chunks = ((_chunks_in(path) if path.is_dir() else []) or metadata_files([path]) for path in paths)
    return [file for files in chunks for file in files]


def read_chunk(path: Path) -> Iterator[Row]:
    """Yield the rows of a chunk, of a file ``{class: [row, ...]}``, or of any list, under the names of a chunk.

    Raises:
        InputError: it cannot be read.
        FormatError: the bytes are not what the name says.
    """
    known: dict[tuple[str, ...], dict[str, str]] = {}
    for row in open_metadata(path).rows:
        names = tuple(row.columns)
        if names not in known:  # where every row has its own names (JSON), many have the same
            known[names] = chunk_names(names)
        called = known[names]
        yield row._replace(columns={called[name]: value for name, value in row.columns.items()})


def _chunks_in(folder: Path) -> list[Path]:
    numbered = ((_CHUNK.fullmatch(path.name), path) for path in folder.iterdir())
    return [path for _, path in sorted((int(match[1]), path) for match, path in numbered if match)]


def _write_json(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    encode = json.JSONEncoder(default=_spelled, allow_nan=False, separators=(",", ":")).encode
    rows, comma = iter(rows), ""
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        while some := list(islice(rows, _BATCH_ROWS)):
            file.write(comma + encode(some)[1:-1])
            comma = ","
        file.write("]\n")


def _spelled(value: Any) -> str:
    """Return what JSON has no value for as a text; many an old Parquet file says of its texts no more than bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _write_parquet(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = iter(rows)
    tables = []
    while some := list(islice(rows, _BATCH_ROWS)):
        tables.append(pa.Table.from_batches([batch_of(some)]))
    try:
        table = pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"The files differ in the kind of a column ({error}); write JSON: --layout json.") from error
    pq.write_table(table, path)


_WRITERS: dict[Layout, Callable[[Path, Iterable[dict[str, Any]]], None]] = {
    "json": _write_json,
    "parquet": _write_parquet,
}


def _whole(value: Any) -> Any:
    """Return the whole number that a value stands for, such as "12.0"; the value where it is none."""
    if type(value) is int:
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return value
    return int(number) if math.isfinite(number) and number == int(number) else _plain(value)


def _plain(value: Any) -> Any:
    """Return a value that JSON has: not a number is null, as pandas writes it."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
