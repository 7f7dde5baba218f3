"""What is asked of an index, and sizes of memory as people write them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from goldpan.core.errors import GoldpanError, InputError
from goldpan.search.tune.measured import Measured

DEFAULT_RECALL = 0.95
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


@dataclass(frozen=True, slots=True)
class Goal:
    """A budget; what is None does not bind.

    Attributes:
        k: neighbors a query.
        min_recall: what the mean recall must be at least, with the certainty of `confidence`.
        max_memory: bytes the index may hold in memory.
        max_latency_ms: what the 99th percentile of single queries may take.
        seconds: what tuning may take: no candidate is begun that is not expected to end in time.
        confidence: of the bound on recall.
    """

    k: int = 10
    min_recall: float | None = DEFAULT_RECALL
    max_memory: int | None = None
    max_latency_ms: float | None = None
    seconds: float | None = None
    confidence: float = 0.95

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.k < 1:
            raise InputError(f"k must be 1 or more, not {self.k}.")
        if self.min_recall is not None and not 0 < self.min_recall < 1:
            raise InputError(f"The recall to reach must lie between 0 and 1, not be {self.min_recall}.")
        if self.min_recall is None and self.max_latency_ms is None:
            raise InputError("Ask for a recall, a latency, or both: without either every index is as good.")


class NothingFits(GoldpanError):
    """No candidate keeps the budget.

    Attributes:
        measurements: all that was measured.
    """

    def __init__(self, message: str, measurements: list[Measured]) -> None:
        super().__init__(message)
        self.measurements = measurements


def parse_bytes(text: str | float) -> int:
    """Turn ``20MB``, ``1 GB``, ``512MiB``, ``1.5G`` or a number into bytes.

    KB, MB and GB count in thousands; KiB, MiB and GiB, and the bare letters as autofaiss has them, in 1024s.

    Raises:
        InputError: it is no size.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)(b?)\s*", str(text).lower())
    if match is None or float(match[1]) <= 0:
        raise InputError(f"{text!r} is no size of memory; write one such as 20MB, 1GB or 512MiB.")
    number, unit, binary, byte = match.groups()
    if unit and (binary or not byte):
        return int(float(number) * 1024 ** ("kmgt".index(unit) + 1))
    return int(float(number) * _UNITS[unit])
