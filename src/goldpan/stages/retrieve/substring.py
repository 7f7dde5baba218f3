"""Retrieve by caption: all classes in one pass over the text, resumed file by file."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from goldpan.compute.executor import LocalExecutor
from goldpan.core.errors import Reason
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Report
from goldpan.formats.alone import alone_in
from goldpan.formats.caption_column import captions_of
from goldpan.formats.chunks import QUERY, chunk_names
from goldpan.formats.class_lists import ClassList
from goldpan.formats.metadata import Batch, metadata_files
from goldpan.search.captions.matches import Matcher
from goldpan.search.captions.modes import class_matcher
from goldpan.stages.retrieve.candidates import Source, open_source
from goldpan.stages.retrieve.config import SubstringConfig
from goldpan.stages.retrieve.found import FoundRows, Looked, forget_others
from goldpan.stages.retrieve.predicates import Rules
from goldpan.stages.retrieve.results import write_results
from goldpan.stages.stage import make_config

_PARTS = ".parts"
_NOTHING = pa.RecordBatch.from_pydict({QUERY: pa.array([], pa.string())})


def run(config: SubstringConfig, progress: Progress | None = None) -> Report:
    """Find the captions that speak of classes; rows of all columns, as chunk_0.json and so on.

    One row may serve several classes. The same command again looks only through files that are new or changed.

    Raises:
        InputError: a file is missing, a class, a condition or a column is not understood.
        FormatError: a file is not what its name says.
    """
    classes = config.listed()
    search = _Search(config, classes)
    files = metadata_files(config.metadata)
    with alone_in(config.output):
        return _run(config, classes, files, search, progress or Silent())


def retrieve_substring(**fields: Any) -> Report:
    """Find captions; the fields are those of `SubstringConfig`.

    Example:
        ``goldpan.retrieve_substring(metadata=["laion.parquet"], classes="classes.json", output="found")``
    """
    return run(make_config(SubstringConfig, fields))


def _run(config: SubstringConfig, classes: ClassList, files: list[Path], search: _Search, progress: Progress) -> Report:
    started = time.perf_counter()
    settings = [config.deciding(but=("metadata", "classes", "names", "output", "layout")), classes]
    parts = [FoundRows.of(config.output / _PARTS, settings, path) for path in files]
    known = [part.looked for part in parts]
    needed = search.look_through_all(files, parts, progress)
    looked = [part.looked or Looked(0, 0) for part in needed]
    readable, unreadable = sum(each.rows for each in looked), sum(each.unreadable for each in looked)
    forget_others(config.output / _PARTS, needed)
    cap = Cap(config.per_class, classes.names)
    rows = (row for part in needed for batch in part.read() for row in cap.kept(batch).to_pylist())
    about = {
        "mode": config.mode,
        "captions": readable,
        "unreadable": unreadable,
        "files": len(files),
        "files_looked_through": len(needed),
        **({"indexes": search.indexes} if search.indexes else {}),
    }
    outputs, details = write_results(config.output, rows, config.layout, classes, cap.counts, about)
    return Report(
        "retrieve substring",
        rows_in=readable + unreadable,
        rows_out=readable,
        already_done=sum(each.rows for each in known[: len(needed)] if each is not None),
        failures={Reason.BAD_ROW.value: unreadable} if unreadable else {},
        seconds=time.perf_counter() - started,
        outputs=outputs,
        details=details,
        next_steps=[f"goldpan retrieve fetch WORKSPACE {config.output}"],
    )


class Cap:
    """Lets the first rows of each class through, and counts them.

    Args:
        most: rows a class; all where None.
        names: of the classes.
    """

    def __init__(self, most: int | None, names: list[str]) -> None:
        self._most = most
        self.counts = Counter(dict.fromkeys(names, 0))

    @property
    def full(self) -> bool:
        """Whether no class takes more."""
        return self._most is not None and min(self.counts.values()) >= self._most

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
    """Looks through files.

    Attributes:
        indexes: what came of the index of each file that has one.
    """

    def __init__(self, config: SubstringConfig, classes: ClassList) -> None:
        self.indexes: dict[str, str] = {}
        self._config, self._classes, self._names = config, classes, classes.names
        self._matcher: Matcher = class_matcher(classes.names, config.mode, classes.class_map)
        self._rules = Rules.parse(config.where, keep_nsfw=config.keep_nsfw)
        self._executor = LocalExecutor(config.workers)

    def look_through_all(self, files: list[Path], parts: list[FoundRows], progress: Progress) -> list[FoundRows]:
        """Look through files until no class wants more rows; return the parts of those that were needed."""
        total = Cap(self._config.per_class, self._names)
        needed: list[FoundRows] = []
        progress.start("captions")
        for path, part in zip(files, parts, strict=True):
            if total.full:
                break
            if part.looked is None:
                part.write(self._look_through(path, progress))
            for batch in part.read() if self._config.per_class is not None else ():
                total.kept(batch)
            needed.append(part)
        progress.finish()
        return needed

    def _look_through(self, path: Path, progress: Progress) -> Iterator[tuple[Looked, pa.RecordBatch]]:
        """Yield how many rows each batch of a file has, and those found among them, in order."""
        cap = Cap(self._config.per_class, self._names)
        source = open_source(path, self._classes, self._config)
        if source.of_index:
            self.indexes[str(path)] = source.of_index
        for looked, found in self._executor.map(self._look, ((source, batch) for batch in source.batches)):
            progress.advance(looked.rows + looked.unreadable, looked.unreadable)
            yield looked, cap.kept(found)
            if cap.full:
                return
        progress.advance(source.passed_over)
        yield Looked(source.passed_over, 0), _NOTHING

    def _look(self, task: tuple[Source, Batch]) -> tuple[Looked, pa.RecordBatch]:
        source, (batch, problems) = task
        looked = Looked(batch.num_rows, len(problems))
        if not batch.num_rows:
            return looked, _NOTHING
        texts = captions_of(batch, source.column, source.path)
        matches = self._matcher.match(texts)
        found = batch.take(pa.array(matches.rows))
        fits = self._rules.fit(found)
        names = pa.array(self._names).take(pa.array(matches.queries)).filter(fits)
        called = chunk_names(batch.schema.names, captions=source.column)
        kept = {new: found.column(name).filter(fits) for name, new in called.items() if new != QUERY}
        return looked, pa.RecordBatch.from_arrays([*kept.values(), names], [*kept, QUERY])
