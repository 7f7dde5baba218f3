"""Retrieve by caption: all classes in one pass over the text, resumed file by file."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from goldpan.compute.executor import LocalExecutor
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Report
from goldpan.formats.atomic import replace_file
from goldpan.formats.caption_column import caption_column
from goldpan.formats.chunks import CHUNK_ROWS, chunk_names, write_chunks
from goldpan.formats.class_lists import ClassList, read_classes
from goldpan.formats.metadata import metadata_files, open_metadata
from goldpan.search.captions.matches import Matcher
from goldpan.search.captions.modes import class_matcher
from goldpan.stages.retrieve.config import SubstringConfig
from goldpan.stages.retrieve.found import FoundRows
from goldpan.stages.retrieve.predicates import Condition, fitting, parse_conditions
from goldpan.stages.stage import make_config

_QUERY = "QUERY"
_PARTS = ".parts"


def run(config: SubstringConfig, progress: Progress | None = None) -> Report:
    """Find the captions that speak of classes; rows of all columns, as chunk_0.json and so on.

    One row may serve several classes. The same command again looks only through files that are new or changed.

    Raises:
        InputError: a file is missing, a class, a condition or a column is not understood.
        FormatError: a file is not what its name says.
    """
    started = time.perf_counter()
    classes = read_classes(config.classes)
    files = metadata_files(config.metadata)
    search = _Search(config, classes)
    config.output.mkdir(parents=True, exist_ok=True)
    settings = [config.deciding(but=("metadata", "output", "layout")), classes]
    parts = [FoundRows.of(config.output / _PARTS, settings, path) for path in files]
    known = sum(part.scanned or 0 for part in parts)
    needed = search.look_through_all(files, parts, progress or Silent())
    scanned = sum(part.scanned or 0 for part in needed)
    cap = Cap(config.per_class, classes.names)
    chunks = _write(config, (cap.kept(batch) for part in needed for batch in part.read()))
    summary = _summary(config, classes, cap.counts, scanned) | {
        "files": len(files),
        "files_looked_through": len(needed),
    }
    with replace_file(config.output / "summary.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    return Report(
        "retrieve substring",
        rows_in=scanned,
        rows_out=scanned,
        already_done=min(known, scanned),
        seconds=time.perf_counter() - started,
        outputs={str(config.output): f"{cap.counts.total():,} rows in {len(chunks)} chunk(s), summary.json"},
        details={key: value for key, value in summary.items() if key != "per_class"},
        next_steps=[f"goldpan retrieve fetch WORKSPACE {config.output}"],
    )


def retrieve_substring(**fields: Any) -> Report:
    """Find captions; the fields are those of `SubstringConfig`.

    Example:
        ``goldpan.retrieve_substring(metadata=["laion.parquet"], classes="classes.json", output="found")``
    """
    return run(make_config(SubstringConfig, fields))


class Cap:
    """Lets the first rows of each class through, and counts them.

    Args:
        most: rows a class; all where None.
        names: of the classes.
    """

    def __init__(self, most: int | None, names: list[str]) -> None:
        self._most, self._names = most, names
        self.counts = Counter[str]()

    @property
    def full(self) -> bool:
        """Whether no class takes more."""
        return self._most is not None and all(self.counts[name] >= self._most for name in self._names)

    def kept(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return those rows of a batch, with their class in the last column, that are let through."""
        names = batch.column(batch.num_columns - 1).to_pylist()
        if self._most is None:
            self.counts.update(names)
            return batch
        kept = np.zeros(len(names), bool)
        for row, name in enumerate(names):
            kept[row] = self.counts[name] < self._most
            self.counts[name] += bool(kept[row])
        return batch.filter(pa.array(kept))


class _Search:
    """Looks through files."""

    def __init__(self, config: SubstringConfig, classes: ClassList) -> None:
        self._config, self._names = config, classes.names
        self._matcher: Matcher = class_matcher(classes.names, config.mode, classes.class_map)
        self._conditions = parse_conditions(config.where)
        self._executor = LocalExecutor(config.workers)

    def look_through_all(self, files: list[Path], parts: list[FoundRows], progress: Progress) -> list[FoundRows]:
        """Look through files until no class wants more rows; return the parts of those that were needed."""
        total = Cap(self._config.per_class, self._names)
        progress.start("captions")
        for number, (path, part) in enumerate(zip(files, parts, strict=True)):
            if total.full:
                return parts[:number]
            if part.scanned is None:
                part.write(self._look_through(path, progress))
            for batch in part.read() if self._config.per_class is not None else ():
                total.kept(batch)
        progress.finish()
        return parts

    def _look_through(self, path: Path, progress: Progress) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield how many rows each batch of a file has, and those found among them, in order."""
        cap = Cap(self._config.per_class, self._names)
        for scanned, found in self._executor.map(self._look, self._batches(path)):
            progress.advance(scanned)
            yield scanned, cap.kept(found)
            if cap.full:
                return

    def _batches(self, path: Path) -> Iterator[tuple[pa.RecordBatch, int, Path]]:
        for batch in open_metadata(path).batches:
            yield batch, caption_column(batch.schema, self._config.column, path), path

    def _look(self, task: tuple[pa.RecordBatch, int, Path]) -> tuple[int, pa.RecordBatch]:
        batch, column, _ = task
        texts = batch.column(column)
        matches = self._matcher.match(texts if pa.types.is_large_string(texts.type) else texts.cast(pa.string()))
        found = batch.take(pa.array(matches.rows))
        names = pa.array(self._names).take(pa.array(matches.queries))
        renamed = chunk_names(name for name in batch.schema.names if name != _QUERY)
        kept = [found.column(name) for name in renamed]
        found = pa.RecordBatch.from_arrays([*kept, names], [*renamed.values(), _QUERY])
        return batch.num_rows, fitting(found, self._rules(found.schema))

    def _rules(self, schema: pa.Schema) -> list[Condition]:
        safe = [] if self._config.keep_nsfw or "NSFW" not in schema.names else [Condition("NSFW", "!=", "NSFW")]
        return safe + self._conditions


def _write(config: SubstringConfig, batches: Iterator[pa.RecordBatch]) -> list[Path]:
    if config.layout == "json":
        return write_chunks(config.output, (row for batch in batches for row in batch.to_pylist()))
    return _write_parquet(config.output, batches)


def _write_parquet(folder: Path, batches: Iterator[pa.RecordBatch]) -> list[Path]:
    import pyarrow.parquet as pq

    written: list[Path] = []
    waiting: list[pa.RecordBatch] = []

    def flush() -> None:
        path = folder / f"chunk_{len(written)}.parquet"
        table = pa.concat_tables([pa.Table.from_batches([batch]) for batch in waiting], promote_options="permissive")
        with replace_file(path) as temporary:
            pq.write_table(table, temporary)
        written.append(path)
        waiting.clear()

    for batch in batches:
        waiting.append(batch)
        if sum(len(each) for each in waiting) >= CHUNK_ROWS:
            flush()
    if waiting:
        flush()
    for old in set(folder.glob("chunk_*.parquet")) - set(written):
        old.unlink()
    return written


def _summary(config: SubstringConfig, classes: ClassList, counts: Counter[str], scanned: int) -> dict[str, Any]:
    per_class = {name: counts[name] for name in classes.names}
    return {
        "mode": config.mode,
        "captions": scanned,
        "rows": counts.total(),
        "classes": len(classes.names),
        "classes_without_rows": [name for name, count in per_class.items() if not count][:100],
        "repeated_names": classes.repeated,
        "per_class": per_class,
    }
