"""Play a runbook through one engine and write down what it answers and how long everything takes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError
from goldpan.core.records import Ids, Metric
from goldpan.formats.runbook import Delete, Insert, Replace, Runbook, Search, Step
from goldpan.search.engines.loading import open_index
from goldpan.search.engines.protocol import Index, Traits
from goldpan.stages.stream.config import StreamConfig
from goldpan.stages.stream.data import Data
from goldpan.stages.stream.live import Change, Live
from goldpan.stages.stream.memory import MIB, held_mib

ROWS = "rows.jsonl"
_DURING = 4  # single queries between two calls of an update
_LOOKS, _LOOK_EVERY_S = 5, 0.02  # how often, and when, a point that is not found is looked for again
_EQUAL_NORMS = 1e-3

Row = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")


def lacks(traits: Traits, runbook: Runbook) -> str | None:
    """Return what a runbook needs and an engine cannot do: "remove", "add", or None."""
    if not traits.removes and any(isinstance(step, Delete | Replace) for step in runbook.steps):
        return "remove"
    later = any(isinstance(step, Insert | Replace) for step in runbook.steps[1:])
    return "add" if later and not traits.adds else None


class Player:
    """One engine on one stream.

    Every step appends a row to ``rows.jsonl``, a search also writes ``step<N>.npy``, ``(n_queries, k)`` int64 tags.
    Between two calls of an update some single queries are timed: the engine is asked in the midst of its updates, but
    never from two threads, which not every engine bears.

    Args:
        config: how to play.
        spec: the engine.
        runbook: the stream.
        data: its vectors.
        folder: where rows and answers go.
    """

    def __init__(self, config: StreamConfig, spec: str, runbook: Runbook, data: Data, folder: Path) -> None:
        self._config, self._spec, self._runbook, self._data, self._folder = config, spec, runbook, data, folder
        self._state = Live(runbook)
        self._held_before = held_mib()
        self._index: Index = self._open()
        self._rebuilds = lacks(self._index.traits, runbook) is not None
        self._built = False
        self._asked = 0
        self._removals = 0

    def play(self) -> None:
        """Take every step in order."""
        with (self._folder / ROWS).open("w", encoding="utf-8") as file:
            for number, step in enumerate(self._runbook.steps, 1):
                for row in self._take(number, step):
                    file.write(json.dumps({"step": number} | row | self._memory()) + "\n")
                    file.flush()

    def _memory(self) -> Row:
        """Return what the process holds, what of it came since the engine was opened, and what the engine counts."""
        held, before = held_mib(), self._held_before
        added = None if held is None or before is None else max(0.0, held - before)
        return {"memory_mb": held, "added_mb": added, "index_mb": self._index.memory_bytes() / MIB}

    def _take(self, number: int, step: Step) -> Iterator[Row]:
        if isinstance(step, Search):
            yield self._search(number)
            if 0 < self._config.consolidate_every <= self._removals:
                self._removals = 0
                if self._index.traits.consolidates and not self._rebuilds:
                    _, seconds = timed(self._index.consolidate)
                    yield {"operation": "consolidate", "rows": 0, "live": self._index.n, "seconds": seconds}
            return
        change = self._state.apply(step)
        self._removals += isinstance(step, Delete | Replace)
        if self._rebuilds:
            self._built = False
            yield self._row(step, change, [])
            return
        yield self._update(step, change) | (
            self._probe_removed(change) if isinstance(step, Delete) else self._probe_added(change)
        )

    def _update(self, step: Step, change: Change) -> Row:
        """Hand a change to the index, `batch` points a call; the first insert builds it."""
        if not self._built:
            self._built = True
            rows = self._data.base.take(change.rows)
            _, seconds = timed(self._index.build, rows, change.added)
            return self._row(step, change, [seconds]) | {"built": True}
        calls, during = [], []
        size = self._config.batch
        for start in range(0, max(len(change.removed), len(change.added)), size):
            part = slice(start, start + size)
            removed, added, rows = change.removed[part], change.added[part], self._data.base.take(change.rows[part])
            _, seconds = timed(self._hand_over, removed, added, rows)
            calls.append(seconds)
            during += self._ask_singly(_DURING)
        return self._row(step, change, calls) | _percentiles(during, "during_")

    def _hand_over(self, removed: Ids, added: Ids, rows: NDArray[Any]) -> None:
        if len(removed):
            self._index.remove(removed)
        if len(added):
            self._index.add(rows, added)

    def _row(self, step: Step, change: Change, calls: list[float]) -> Row:
        points = max(len(change.removed), len(change.added))
        seconds = float(np.sum(calls))
        live = int((self._state.row_of >= 0).sum())
        row = {"operation": step.operation, "rows": points, "live": live, "seconds": seconds, "calls": len(calls)}
        return row | _percentiles(calls, "") | ({"per_second": points / seconds} if seconds else {})

    def _search(self, number: int) -> Row:
        row: Row = {"operation": "search", "rows": len(self._data.queries), "live": len(self._state.tags)}
        if self._rebuilds and not self._built:
            _, row["rebuild_seconds"] = timed(self._rebuild)
        taken = []
        for repeat in range(self._config.repeats):
            found, seconds = timed(self._index.search, self._data.queries, self._config.k)
            taken.append(seconds)
            if not repeat:
                np.save(self._folder / f"step{number}.npy", found.ids, allow_pickle=False)
        single = _percentiles(self._ask_singly(min(self._config.latency_queries, len(self._data.queries))), "")
        median = float(np.median(taken))
        return row | {"seconds": median, "per_second": len(self._data.queries) / median} | single

    def _rebuild(self) -> None:
        """Build anew from what is live."""
        self._index, self._built = self._open(), True
        tags = self._state.tags
        if len(tags):
            self._index.build(self._data.base.take(self._state.row_of[tags]), tags)

    def _ask_singly(self, count: int) -> list[float]:
        taken = []
        for _ in range(count):
            query = self._data.queries[self._asked % len(self._data.queries)][None]
            self._asked += 1
            taken.append(timed(self._index.search, query, self._config.k)[1])
        return taken

    def _probe_added(self, change: Change) -> Row:
        """Search for points that just came: which share is found at once, and when all are."""
        tags = _spread(change.added, self._config.probes)
        vectors = self._data.base.take(self._state.row_of[tags])
        if not len(tags) or (self._data.metric is Metric.IP and not _equal_norms(vectors)):
            return {}  # under the inner product a longer vector beats the point itself
        started, shares = time.perf_counter(), []
        for look in range(_LOOKS):
            if look:
                time.sleep(_LOOK_EVERY_S)
            found = self._index.search(vectors, self._config.k).ids
            shares.append(float((found == tags[:, None]).any(axis=1).mean()))
            if shares[-1] == 1:
                return {"visible": shares[0], "visible_ms": 1e3 * (time.perf_counter() - started)}
        return {"visible": shares[0], "visible_ms": None}

    def _probe_removed(self, change: Change) -> Row:
        """Search for points that just went: how many answers still name one of them."""
        if not self._config.probes or not self._index.n:
            return {}
        vectors = self._data.base.take(_spread(change.gone, self._config.probes))
        return {"still_found": int(np.isin(self._index.search(vectors, self._config.k).ids, change.removed).sum())}

    def _open(self) -> Index:
        config, data = self._config, self._data
        return open_index(self._spec, dim=data.base.dim, metric=data.metric, threads=config.threads, seed=config.seed)


def timed(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T, float]:
    """Return what a call returns, and its seconds."""
    started = time.perf_counter()
    found = call(*args, **kwargs)
    return found, time.perf_counter() - started


def check_engine(config: StreamConfig, spec: str, runbook: Runbook, data: Data) -> bool:
    """Look whether an engine can play a stream; return True where it must be rebuilt for each search.

    Raises:
        InputError: it cannot be opened, or it cannot remove or add and rebuilding was not asked for.
    """
    index = open_index(spec, dim=data.base.dim, metric=data.metric, threads=config.threads, seed=config.seed)
    missing = lacks(index.traits, runbook)
    if missing and not config.rebuild:
        raise InputError(
            f"{spec} cannot {missing} points, which this runbook does; leave it out, or add --rebuild to build it anew "
            "for each search."
        )
    return missing is not None


def _percentiles(seconds: list[float], prefix: str) -> Row:
    if not seconds:
        return {}
    low, high = np.percentile(seconds, (50, 99)) * 1e3
    return {f"{prefix}p50_ms": float(low), f"{prefix}p99_ms": float(high)}


def _spread(tags: Ids, count: int) -> Ids:
    if not len(tags) or not count:
        return tags[:0]
    return tags[np.unique(np.linspace(0, len(tags) - 1, count).astype(np.int64))]


def _equal_norms(vectors: NDArray[Any]) -> bool:
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    return bool(norms.max() - norms.min() <= _EQUAL_NORMS * norms.max())
