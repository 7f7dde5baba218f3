"""One row of the table of candidates."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class Measured:
    """A candidate, and what it did.

    Attributes:
        spec: the index.
        parameters: search parameters it was measured with.
        stage: "estimate" (never built), "sample" (built on some rows) or "full".
        verdict: "chosen", "kept" (it does what was asked, another does it faster), or why it is out.
        rows: rows it was built on.
        bytes: what it holds in memory; on "estimate" and "sample" expected of all rows.
        build_s: seconds to build it.
        recall: mean on the queries that tell.
        recall_lower: bound that the true mean exceeds with the confidence asked for; only on "full".
        qps: queries a second, all at once, with all threads.
        mean_ms: mean of single queries.
        p50_ms: their median.
        p99_ms: their 99th percentile.
        tried: every setting tried: parameters, recall, queries a second.
    """

    spec: str
    parameters: dict[str, float] = field(default_factory=dict)
    stage: str = "estimate"
    verdict: str = ""
    rows: int = 0
    bytes: int = 0
    build_s: float | None = None
    recall: float | None = None
    recall_lower: float | None = None
    qps: float | None = None
    mean_ms: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    tried: list[dict[str, float]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)


def nearest(rows: list[Measured]) -> str:
    """Say that nothing fits, and which candidate comes nearest."""
    full = [row for row in rows if row.stage == "full"]
    seen = [row for row in rows if row.recall is not None]
    if full:
        row, ask = (
            max(full, key=lambda one: (one.recall_lower or one.recall or 0.0, -one.bytes)),
            "Ask for less, or allow",
        )
    elif seen:
        row, ask = max(seen, key=lambda one: one.recall or 0.0), "Ask for less, or allow"
    else:
        row, ask = min(rows, key=lambda one: one.bytes or float("inf")), "Allow"
    return f"No index keeps the budget. Nearest is {row.spec}: {row.verdict.rstrip('.')}. {ask} more."


def megabytes(size: int) -> str:
    """Return a size as people read it."""
    for unit, name in ((1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size} bytes"
