"""Small records that cross rooms, and the metrics they speak of."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import Reason, UnknownName

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]


class Metric(StrEnum):
    """How two vectors are compared.

    ``ip`` and ``cosine`` are similarities (higher is nearer); ``l2``, ``sqeuclidean`` and ``hamming``
    are distances (lower is nearer). Hamming counts differing bits of packed uint8 rows.
    """

    IP = "ip"
    COSINE = "cosine"
    L2 = "l2"
    SQEUCLIDEAN = "sqeuclidean"
    HAMMING = "hamming"

    @property
    def is_similarity(self) -> bool:
        """True where a higher value is nearer."""
        return self in (Metric.IP, Metric.COSINE)


METRIC_ALIASES = {
    "dot": Metric.IP,
    "inner_product": Metric.IP,
    "angular": Metric.COSINE,
    "euclidean": Metric.L2,
    "l2sq": Metric.SQEUCLIDEAN,
    "sql2": Metric.SQEUCLIDEAN,
    "squared_l2": Metric.SQEUCLIDEAN,
}


def parse_metric(name: str | Metric) -> Metric:
    """Turn a metric's name, or a common alias of it, into a `Metric`.

    Raises:
        UnknownName: no metric has that name.
    """
    key = str(name).lower().replace("-", "_")
    if key in METRIC_ALIASES:
        return METRIC_ALIASES[key]
    try:
        return Metric(key)
    except ValueError:
        raise UnknownName("metric", str(name), [*Metric, *METRIC_ALIASES]) from None


class Neighbors(NamedTuple):
    """The k nearest rows of each query, best first, ties by lower id.

    Attributes:
        ids: ``(n_queries, k)`` int64 row numbers of the base, -1 where there are fewer than k.
        scores: ``(n_queries, k)`` float64 values of the metric.
    """

    ids: Ids
    scores: Floats


@dataclass(slots=True)
class Report:
    """What one run of a stage did: printed as lines, or as JSON.

    `rows_in` always equals `rows_out` plus the sum of `failures`; `already_done` of the rows out were there before.
    """

    stage: str
    rows_in: int = 0
    rows_out: int = 0
    already_done: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    outputs: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    next_steps: list[str] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Number of items that did not make it."""
        return sum(self.failures.values())

    @property
    def mishaps(self) -> int:
        """Number of items that did not make it for another reason than a rule that was asked for."""
        return sum(count for reason, count in self.failures.items() if not Reason(reason).by_rule)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            "stage": self.stage,
            "rows_in": self.rows_in,
            "rows_out": self.rows_out,
            "already_done": self.already_done,
            "failed": self.failed,
            "failures": dict(sorted(self.failures.items())),
            "seconds": round(self.seconds, 3),
            "outputs": self.outputs,
            **self.details,
        }
