"""A parquet, CSV or TSV file that lists local image files, one a row, with columns of metadata."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from goldpan.compute.executor import Executor
from goldpan.core.errors import FormatError, InputError, Reason
from goldpan.core.progress import Progress
from goldpan.core.records import Report
from goldpan.stages.acquire.config import TableConfig
from goldpan.stages.acquire.intake import Candidate, Member, absolute, admit, split_fields
from goldpan.stages.stage import Stage
from goldpan.store.failures import Failure
from goldpan.store.workspace import Workspace

PATH_COLUMNS = (
    "path",
    "file_path",
    "filepath",
    "file_name",
    "filename",
    "file",
    "image_path",
    "image",
    "uri",
)
_RENAMED = {"label_column": "label", "caption_column": "caption"}


def run(ws: Workspace, config: TableConfig, executor: Executor, progress: Progress) -> Report:
    """Take the files that a table lists; its other columns become columns of `images`, or JSON in `extra`."""
    if not config.table.is_file():
        raise InputError(f"{config.table} is not a file; name a .parquet, .csv or .tsv file.")
    batches = read_batches(config.table)
    first = next(batches, None)
    names = first.schema.names if first is not None else []
    path_column = _choose(config.path_column, PATH_COLUMNS, names, "path_column", config.table)
    for option in ("id_column", *_RENAMED):
        asked = getattr(config, option)
        if asked is not None:
            _choose(asked, (), names, option, config.table)
    root = config.root or config.table.parent

    def candidates() -> Iterator[Candidate]:
        row_number = 0
        for batch in _chain(first, batches):
            for row in batch.to_pylist():
                yield _candidate(row, row_number, path_column, root, config)
                row_number += 1

    return admit(ws, config, f"table:{absolute(config.table)}", candidates(), executor, progress)


def read_batches(path: Path, columns: dict[str, pa.DataType] | None = None) -> Iterator[pa.RecordBatch]:
    """Stream a .parquet, .csv or .tsv file as record batches.

    Args:
        path: the file; .csv.gz and the like are read too.
        columns: types to read CSV columns as, others are inferred; where None all are texts.

    Raises:
        FormatError: the bytes are not what the suffix says.
    """
    try:
        if path.suffix.lower() == ".parquet":
            import pyarrow.parquet as pq

            yield from pq.ParquetFile(path).iter_batches(batch_size=4096)
            return
        from pyarrow import csv

        tabs = ".tsv" in (suffix.lower() for suffix in path.suffixes)
        parsed = csv.ParseOptions(delimiter="\t" if tabs else ",", newlines_in_values=True)
        if columns is None:  # a guessed type would turn 01 into 1, and break where the guess does
            with csv.open_csv(path, parse_options=parsed) as peek:
                columns = dict.fromkeys(peek.schema.names, pa.string())
        converted = csv.ConvertOptions(column_types=columns, strings_can_be_null=True)
        with csv.open_csv(path, parse_options=parsed, convert_options=converted) as reader:
            yield from reader
    except pa.ArrowInvalid as error:
        raise FormatError(path, str(error).splitlines()[0]) from error


def _candidate(row: dict[str, Any], number: int, path_column: str, root: Path, config: TableConfig) -> Candidate:
    path, key = row[path_column], row[config.id_column or path_column]
    row = {name: value for name, value in row.items() if name not in (path_column, config.id_column)}
    for option, name in _RENAMED.items():
        column = getattr(config, option)
        if column is not None:
            row[name] = row.pop(column)
    fields, extra = split_fields({name: value for name, value in row.items() if name != "id"} | _id_extra(row, config))
    member_id = f"{config.id_prefix}{key}"
    if path in (None, "") or key in (None, ""):
        member_id = f"{config.id_prefix}row {number}"
        problem = Failure(member_id, Reason.BAD_ROW, f"row {number} has no path or no id")
        return Candidate("", (Member(member_id, problem=problem),))
    return Candidate(absolute(root / str(path)), (Member(member_id, fields, extra),))


def _id_extra(row: dict[str, Any], config: TableConfig) -> dict[str, Any]:
    """Keep an `id` column that was not chosen as the id."""
    return {"original_id": row["id"]} if "id" in row and config.id_column != "id" else {}


def _choose(asked: str | None, usual: Sequence[str], names: Sequence[str], option: str, table: Path) -> str:
    if asked is not None:
        if asked in names:
            return asked
        raise InputError(f"{table} has no column {asked!r}; it has: {', '.join(names)}.")
    found = next((name for name in names if name.lower() in usual), None)
    if found is None:
        flag = "--" + option.replace("_", "-")
        raise InputError(f"{table} has no column of file paths; give one of {', '.join(names) or 'none'} as {flag}.")
    return found


def _chain(first: pa.RecordBatch | None, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    if first is not None:
        yield first
    yield from rest


STAGE = Stage("acquire table", TableConfig, reads=(), writes=("images", "blobs", "failures"), run=run)
