"""The folder of results: lines of JSON that are added and never changed, and a file of answers a setting.

====================  =================================================================================
``datasets.jsonl``    one line a data set: sizes, metric, digest, where its truth comes from
``builds.jsonl``      one line an engine on a data set: time, sizes, peak memory; or why there is none
``rows.jsonl``        one line a (data set, engine, setting, k, mode, round)
``answers/``          ids, distances and times, in the layout of ann-benchmarks' results; recall a query as Parquet
``sisap/``            the same answers as the SISAP challenges take them, where a task is named
``experiments/``      what was asked for, and on which machine
``truth/``            truths that were computed, by digest
``indexes/``          built indexes, while an experiment still needs them
====================  =================================================================================
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from goldpan.core.errors import FormatError, InputError
from goldpan.core.locks import hold
from goldpan.stages.experiment.config import Setting

Record = dict[str, Any]


class Key(NamedTuple):
    """What makes a row: it is measured once."""

    dataset: str
    engine: str
    setting: str
    k: int
    mode: str
    threads: int
    round: int


def key_of(row: Record) -> Key:
    """Return the key of a row."""
    return Key(*(row[name] for name in Key._fields))


def setting_name(setting: Setting) -> str:
    """Return a setting as text, ``ef=32 nprobe=4``; "default" where nothing is set."""
    return " ".join(f"{key}={value:g}" for key, value in sorted(setting.items())) or "default"


class Results:
    """A folder of results.

    Args:
        folder: where; made by the first line written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def datasets(self) -> dict[str, Record]:
        """Return what is known of each data set, by name."""
        return {row["dataset"]: row for row in self._read("datasets")}

    def builds(self) -> dict[tuple[str, str, int], Record]:
        """Return the builds by (data set, engine, threads); what was said last counts, number by number."""
        found: dict[tuple[str, str, int], Record] = {}
        for row in self._read("builds"):
            found.setdefault((row["dataset"], row["engine"], row["threads"]), {}).update(row)
        return found

    def rows(self) -> dict[Key, Record]:
        """Return all rows by key; the last one counts."""
        return {key_of(row): row for row in self._read("rows")}

    def add(self, kind: str, record: Record) -> None:
        """Write a line that is on disk when this returns.

        Args:
            kind: datasets, builds or rows.
            record: plain JSON values.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        line = json.dumps(record, allow_nan=False) + "\n"
        with self._path(kind).open("ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only one who writes here, and take away half a line that a kill left.

        Raises:
            InputError: another process is at work in this folder.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        busy = InputError(f"Another experiment writes to {self.folder}; wait for it, or name another.")
        with hold(self.folder / ".lock", busy):
            for kind in ("datasets", "builds", "rows"):
                _drop_half_line(self._path(kind))
            yield

    def _path(self, kind: str) -> Path:
        return self.folder / f"{kind}.jsonl"

    def _read(self, kind: str) -> Iterator[Record]:
        """Yield the lines; half a last line, which a kill left, is none."""
        path = self._path(kind)
        lines = path.read_bytes().split(b"\n")[:-1] if path.is_file() else []
        for number, line in enumerate(lines):
            try:
                yield dict(json.loads(line))
            except (ValueError, TypeError) as error:
                raise FormatError(path, f"line {number + 1} is no JSON record ({error}).") from None


def open_results(folder: Path) -> Results:
    """Open results for reading.

    Raises:
        InputError: there are none.
    """
    results = Results(folder)
    if not any((folder / f"{kind}.jsonl").is_file() for kind in ("rows", "builds")):
        raise InputError(f"{folder} holds no results; make some with: goldpan bench run EXPERIMENT.toml -o {folder}")
    return results


def _drop_half_line(path: Path) -> None:
    if path.is_file():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)
