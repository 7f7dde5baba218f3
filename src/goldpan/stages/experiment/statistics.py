"""What the rounds say together: series, paired ratios with intervals, fronts, the best setting at a recall."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from goldpan.core.records import Floats
from goldpan.stages.experiment.store import Key, Record, key_of

_RESAMPLES = 2000


class Ratio(NamedTuple):
    """How many times as fast one is as another.

    Attributes:
        value: median of the ratios of the rounds.
        low: lower end of its 95 % bootstrap interval; nan with a single round.
        high: upper end.
        cpu: median ratio of queries per processor second.
        rounds: how many pairs.
    """

    value: float
    low: float
    high: float
    cpu: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Series:
    """The rounds of one measurement.

    Attributes:
        key: what was measured; its round says nothing.
        rows: the good rows by round.
    """

    key: Key
    rows: dict[int, Record]

    def median(self, name: str) -> float:
        """Return the median of a number over the rounds, nan where there is none."""
        values = [row[name] for row in self.rows.values() if row.get(name) is not None]
        return float(np.median(values)) if values else float("nan")

    @property
    def recall(self) -> float:
        """The lowest mean recall of any round: what can be counted on."""
        return float(min(row["recall"] for row in self.rows.values()))

    @property
    def cpu_qps(self) -> float:
        """Queries per processor second."""
        return float(np.median([_per_cpu(row) for row in self.rows.values()]))

    @property
    def answers(self) -> str:
        """The file of answers."""
        return str(next(iter(self.rows.values()))["answers"])


def series_of(rows: Iterable[Record]) -> list[Series]:
    """Group the good rows into series, in the order in which they first appear."""
    found: dict[Key, Series] = {}
    for row in rows:
        if row["status"] == "ok":
            key = key_of(row)._replace(round=0)
            found.setdefault(key, Series(key, {})).rows[row["round"]] = row
    return list(found.values())


def paired_ratio(one: Series, other: Series, seed: int = 0) -> Ratio | None:
    """Compare two series round by round; None where they have no round in common."""
    ratios = round_ratios(one, other)
    if not ratios:
        return None
    pairs = [(one.rows[number], other.rows[number]) for number in one.rows.keys() & other.rows.keys()]
    cpu = float(np.median([_per_cpu(left) / _per_cpu(right) for left, right in pairs]))
    low, high = median_interval(ratios, seed)
    return Ratio(float(np.median(ratios)), low, high, cpu, len(ratios))


def round_ratios(one: Series, other: Series) -> list[float]:
    """Return how many times as fast one was as the other in each round that both have."""
    rounds = sorted(one.rows.keys() & other.rows.keys())
    return [one.rows[number]["qps"] / other.rows[number]["qps"] for number in rounds]


def median_interval(values: ArrayLike, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of a median; nan with fewer than two values."""
    sample: Floats = np.asarray(values, np.float64)
    if len(sample) < 2:
        return float("nan"), float("nan")
    drawn = np.random.default_rng(seed).integers(0, len(sample), (_RESAMPLES, len(sample)))
    low, high = np.quantile(np.median(sample[drawn], axis=1), [0.025, 0.975])
    return float(low), float(high)


def best_at(series: Iterable[Series], recall: float) -> Series | None:
    """Return the fastest of those that reach a recall in every round; nothing is interpolated."""
    good = [one for one in series if one.recall >= recall]
    return max(good, key=lambda one: one.median("qps"), default=None)


def front(series: Sequence[Series]) -> list[Series]:
    """Return those that no other beats in both recall and speed, from fast to accurate."""
    kept: list[Series] = []
    for one in sorted(series, key=lambda one: (-one.median("qps"), -one.recall)):
        if not kept or one.recall > kept[-1].recall:
            kept.append(one)
    return kept


def _per_cpu(row: Record) -> float:
    return float(row["queries"] / max(row["cpu_s"], 1e-9))
