"""Compare: two truths of the same queries, query by query."""

from __future__ import annotations

import time
from typing import Any

from pydantic import Field

from goldpan.core.config import Config
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Report
from goldpan.formats.truth import read_truth
from goldpan.search.compare import Comparison, compare_truths

SHOWN = 20


class CompareConfig(Config):
    """Which two."""

    first: str = Field(description="A truth; its distances, where it has them, tell what is a tie.")
    second: str = Field(description="Another truth of the same queries; lists are compared as far as both go.")


def run_compare(config: CompareConfig, progress: Progress | None = None) -> Report:
    """Say which queries two truths answer differently, and whether a tie explains it.

    Raises:
        InputError: a file is missing.
        ArrayError: they have other numbers of queries.
        FormatError: a file holds no ground truth.
    """
    started = time.perf_counter()
    progress = progress or Silent()
    progress.start("compare")
    first, second = read_truth(config.first), read_truth(config.second)
    if first.distances is None and second.distances is not None:
        first, second = second, first
    compared = compare_truths(first.ids, second.ids, first.distances)
    progress.finish()
    return Report(
        "truth compare",
        rows_in=compared.queries,
        rows_out=compared.queries,
        seconds=time.perf_counter() - started,
        details={"comparison": comparison_record(compared)},
    )


def comparison_record(compared: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON values."""
    return {
        "agrees": compared.agrees,
        "queries": compared.queries,
        "same_order": compared.same_order,
        "same_sets": compared.same_sets,
        "compared_depth": {"min": compared.shallowest, "max": compared.deepest},
        "differences": [difference._asdict() | {"kind": str(difference.kind)} for difference in compared.differences],
    }


def comparison_lines(record: dict[str, Any]) -> list[str]:
    """Return what `comparison_record` holds as the lines a person reads."""
    total, depth = record["queries"], record["compared_depth"]
    lines = [
        f"{record['same_order']:,} of {total:,} queries in the same order, {record['same_sets']:,} as sets, "
        f"{depth['min']} to {depth['max']} neighbors each"
    ]
    lines += [f"query {item['query']}: {item['why']}" for item in record["differences"][:SHOWN]]
    left = len(record["differences"]) - SHOWN
    return lines + ([f"and {left:,} more; --json has them all"] if left > 0 else [])
