"""Search parameters: the least that reach a recall, found by measuring."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.records import Floats, Ids
from goldpan.metrics.recall import strict_recall
from goldpan.search.engines.protocol import Index

REFINE = "k_factor_rf"
_REFINES = (2, 3, 4, 6, 8, 12, 16, 24, 32)
_STILL_TO_GAIN = 4  # gains shrink from rung to rung; where so many of the last would not do, climbing stops
_SINGLES = 200
_WARM = 20
_LEAST_S, _LEAST_TIMES = 0.15, 3
_FINER = 1.15

Parameters = dict[str, float]


class Questions(NamedTuple):
    """Queries and their true neighbors, ``(m, dim)`` and ``(m, k)``."""

    rows: NDArray[Any]
    truth: Ids

    @property
    def k(self) -> int:
        """How many neighbors count."""
        return int(self.truth.shape[1])


class Trial(NamedTuple):
    """What one setting did."""

    parameters: Parameters
    recall: float
    qps: float

    def as_dict(self) -> dict[str, float]:
        """Return it as one flat row."""
        return self.parameters | {"recall": round(self.recall, 5), "qps": round(self.qps, 1)}


class Latency(NamedTuple):
    """Single queries, in milliseconds."""

    mean: float
    p50: float
    p99: float


def recalls(index: Index, asked: Questions, parameters: Parameters) -> Floats:
    """Return the recall of every query."""
    return strict_recall(index.search(asked.rows, asked.k, **parameters).ids, asked.truth, asked.k)


def attempt(index: Index, asked: Questions, parameters: Parameters) -> Trial:
    """Answer all queries at once, several times where it is over fast; keep the fastest."""
    best, spent, times = np.inf, 0.0, 0
    while not times or (spent < _LEAST_S and times < _LEAST_TIMES):
        started = time.perf_counter()
        found = index.search(asked.rows, asked.k, **parameters).ids
        took = time.perf_counter() - started
        best, spent, times = min(best, took), spent + took, times + 1
    recall = float(strict_recall(found, asked.truth, asked.k).mean())
    return Trial(parameters, recall, len(asked.rows) / best)


def latency(index: Index, asked: Questions, parameters: Parameters, singles: int = _SINGLES) -> Latency:
    """Ask one query at a time, after a few to warm up."""
    times = []
    for i in range(-_WARM, singles):
        row = asked.rows[i % len(asked.rows)][None]
        started = time.perf_counter()
        index.search(row, asked.k, **parameters)
        times.append(1000 * (time.perf_counter() - started))
    kept = np.array(times[_WARM:])
    return Latency(float(kept.mean()), float(np.median(kept)), float(np.quantile(kept, 0.99)))


def fastest(index: Index, asked: Questions, target: float) -> tuple[Trial | None, list[Trial]]:
    """Find the fastest setting whose mean recall reaches `target`.

    Each parameter makes answers better as it grows. Where rows are compared again, the number of those is raised step
    by step for as long as that pays, and the other parameter climbs its ladder from where it last sufficed.

    Returns:
        The setting, None where none reaches it; and all that were tried.
    """
    tried: list[Trial] = []
    best: Trial | None = None
    rung = 0
    for fixed in _refines(index):
        found, rung = _climb(index, asked, target, fixed, rung, tried)
        if found is None:
            continue
        if best is not None and found.qps <= best.qps:
            break
        best = found
    return best, tried


def rungs(index: Index) -> tuple[str, tuple[float, ...]]:
    """Return the parameter that decides most and its values; ``("", (0,))`` where there is none."""
    names = [name for name in index.traits.ladder if name != REFINE]
    return (names[0], index.traits.ladder[names[0]]) if names else ("", (0,))


def above(index: Index, parameters: Parameters) -> Iterator[Parameters]:
    """Yield settings more thorough than these, step by step, to the end of the ladder."""
    name, values = rungs(index)
    value = parameters.get(name, 0.0)
    while name and value < values[-1]:
        value = float(min(values[-1], math.ceil(value * _FINER)))
        yield parameters | {name: value}


def _refines(index: Index) -> list[Parameters]:
    return [{REFINE: float(value)} for value in _REFINES] if REFINE in index.traits.ladder else [{}]


def _climb(
    index: Index, asked: Questions, target: float, fixed: Parameters, start: int, tried: list[Trial]
) -> tuple[Trial | None, int]:
    """Find the lowest rung that suffices, from `start` down or up; return it and where it was."""
    name, values = rungs(index)

    def at(value: float) -> Trial:
        trial = attempt(index, asked, (fixed | {name: float(value)}) if name else dict(fixed))
        tried.append(trial)
        return trial

    first = at(values[start])
    good, rung = _down(at, values, target, start, first) if first.recall >= target else _up(at, values, target, start)
    if good is None:
        return None, start
    if rung > 0:
        middle = round((values[rung - 1] * values[rung]) ** 0.5)
        between = at(middle) if values[rung - 1] < middle < values[rung] else good
        good = between if between.recall >= target else good
    return good, rung


def _down(
    at: Callable[[float], Trial], values: tuple[float, ...], target: float, start: int, good: Trial
) -> tuple[Trial, int]:
    for rung in range(start - 1, -1, -1):
        lower = at(values[rung])
        if lower.recall < target:
            return good, rung + 1
        good = lower
    return good, 0


def _up(at: Callable[[float], Trial], values: tuple[float, ...], target: float, start: int) -> tuple[Trial | None, int]:
    before: float | None = None
    for rung in range(start + 1, len(values)):
        higher = at(values[rung])
        if higher.recall >= target:
            return higher, rung
        if before is not None and higher.recall + _STILL_TO_GAIN * (higher.recall - before) < target:
            break
        before = higher.recall
    return None, start
