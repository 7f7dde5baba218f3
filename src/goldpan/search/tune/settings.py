"""Search parameters: the least that reach a recall, found by measuring."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.records import Ids
from goldpan.metrics.recall import lower_confidence_bound, strict_recall
from goldpan.search.engines.protocol import Index

REFINE = "k_factor_rf"
_REFINES = (2, 3, 4, 6, 8, 12, 16, 24, 32)
_STILL_TO_GAIN = 4  # once gains shrink from rung to rung, climbing stops where so many of the last would not do
_SINGLES = 200
_WARM = 20
_LEAST_S, _LEAST_TIMES = 0.2, 4
_FINER = 1.15

Parameters = dict[str, float]


class Questions(NamedTuple):
    """Queries and their true neighbors, ``(m, dim)`` and ``(m, k)``, and how sure a recall on them is to be."""

    rows: NDArray[Any]
    truth: Ids
    confidence: float

    @property
    def k(self) -> int:
        """How many neighbors count."""
        return int(self.truth.shape[1])


class Trial(NamedTuple):
    """What one setting did.

    Attributes:
        parameters: the setting.
        recall: mean over the queries.
        sure: what the true mean exceeds with the confidence asked for.
        qps: queries a second, at best.
        cpu: seconds of the processors a query took, at best: what other work disturbs less, to compare settings by.
    """

    parameters: Parameters
    recall: float
    sure: float
    qps: float
    cpu: float

    def as_dict(self) -> dict[str, float]:
        """Return it as one flat row."""
        return self.parameters | {"recall": round(self.recall, 5), "qps": round(self.qps, 1)}


class Latency(NamedTuple):
    """Single queries, in milliseconds."""

    mean: float
    p50: float
    p99: float


def attempt(index: Index, asked: Questions, parameters: Parameters) -> Trial:
    """Answer all queries at once, several times where it is over fast."""
    walls: list[float] = []
    processors: list[float] = []
    while not walls or (sum(walls) < _LEAST_S and len(walls) < _LEAST_TIMES):
        wall, processor = time.perf_counter(), time.process_time()
        found = index.search(asked.rows, asked.k, **parameters).ids
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    values = strict_recall(found, asked.truth, asked.k)
    sure = 1.0 if index.traits.exact else lower_confidence_bound(values, asked.confidence)
    n = len(asked.rows)
    return Trial(parameters, float(values.mean()), sure, n / min(walls), min(processors) / n)


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
    """Find the cheapest setting whose recall reaches `target` for sure.

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
        if best is not None and found.cpu >= best.cpu:
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
    good, rung = _down(at, values, target, start, first) if first.sure >= target else _up(at, values, target, start)
    if good is None:
        return None, start
    if rung > 0:
        middle = round((values[rung - 1] * values[rung]) ** 0.5)
        between = at(middle) if values[rung - 1] < middle < values[rung] else good
        good = between if between.sure >= target else good
    return good, rung


def _down(
    at: Callable[[float], Trial], values: tuple[float, ...], target: float, start: int, good: Trial
) -> tuple[Trial, int]:
    for rung in range(start - 1, -1, -1):
        lower = at(values[rung])
        if lower.sure < target:
            return good, rung + 1
        good = lower
    return good, 0


def _up(at: Callable[[float], Trial], values: tuple[float, ...], target: float, start: int) -> tuple[Trial | None, int]:
    sure: list[float] = []
    for rung in range(start + 1, len(values)):
        higher = at(values[rung])
        if higher.sure >= target:
            return higher, rung
        sure.append(higher.sure)
        if len(sure) > 2:  # two gains: where recall is low they grow at first
            before, gain = sure[-2] - sure[-3], sure[-1] - sure[-2]
            if gain <= before and higher.sure + _STILL_TO_GAIN * gain < target:
                break
    return None, start
