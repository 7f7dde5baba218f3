"""One line an engine: what its rows come to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from goldpan.stages.stream.score import stream_score

Row = dict[str, Any]


def summarize(rows: Sequence[Row], searches: int) -> Row:
    """Return the score, rates and times of an engine on a stream.

    Args:
        rows: its rows, searches scored.
        searches: how many searches the runbook has; a run that ended early has no score.

    Returns:
        ``score`` and ``score_strict`` (means over the searches), ``recall_first``, ``recall_last``, ``recall_min``;
        ``qps`` (median of the searches), ``p50_ms``, ``p99_ms`` (median and largest); ``build_seconds``; for inserts,
        deletes and replaces points a second over all steps, and the largest p99 of a call; consolidations; memory;
        ``dead_answers``; ``visible_at_once`` (share of the points probed), ``visible_ms`` (longest until all of an
        update were found) and ``not_visible`` (updates of which some were not found within a tenth of a second);
        ``stream_seconds``, what all operations took together, each search once.
    """
    found = [row for row in rows if row["operation"] == "search" and "recall" in row]
    recalls = [row["recall"] for row in found]
    whole = len(found) == searches
    pauses = [row["seconds"] for row in rows if row["operation"] == "consolidate"]
    probed = [row for row in rows if "visible" in row]
    result: Row = {
        "searches": len(found),
        "score": stream_score(recalls) if whole else None,
        "score_strict": stream_score([row["recall_strict"] for row in found]) if whole else None,
        "recall_first": recalls[0] if recalls else None,
        "recall_last": recalls[-1] if recalls else None,
        "recall_min": min(recalls, default=None),
        "qps": _median(row["per_second"] for row in found),
        "p50_ms": _median(row["p50_ms"] for row in found),
        "p99_ms": max((row["p99_ms"] for row in found), default=None),
        "during_p50_ms": _median(row["during_p50_ms"] for row in rows if "during_p50_ms" in row),
        "during_p99_ms": max((row["during_p99_ms"] for row in rows if "during_p99_ms" in row), default=None),
        "build_seconds": sum(row["seconds"] for row in rows if row.get("built")) if rows else None,
        "rebuild_seconds": sum(row.get("rebuild_seconds", 0.0) for row in rows),
        "consolidations": len(pauses),
        "pause_seconds": sum(pauses),
        "longest_pause_seconds": max(pauses, default=0.0),
        "visible_at_once": float(np.mean([row["visible"] for row in probed])) if probed else None,
        "visible_ms": max((row["visible_ms"] for row in probed if row["visible_ms"] is not None), default=None),
        "not_visible": sum(row["visible_ms"] is None for row in probed),
        "dead_answers": sum(row["dead_answers"] for row in found),
        "still_found": sum(row.get("still_found", 0) for row in rows),
        "memory_mb": max((row["memory_mb"] or 0.0 for row in rows), default=None),
        "added_mb": max((row["added_mb"] or 0.0 for row in rows), default=None),
        "index_mb": rows[-1]["index_mb"] if rows else None,
        "stream_seconds": sum(row["seconds"] + row.get("rebuild_seconds", 0.0) for row in rows),
    }
    for name in ("insert", "delete", "replace"):
        result |= _rates(
            name, [row for row in rows if row["operation"] == name and not row.get("built") and row["calls"]]
        )
    return result


def _rates(name: str, rows: Sequence[Row]) -> Row:
    seconds = sum(row["seconds"] for row in rows)
    return {
        f"{name}s_per_second": sum(row["rows"] for row in rows) / seconds if seconds else None,
        f"{name}_p50_ms": _median(row["p50_ms"] for row in rows),
        f"{name}_p99_ms": max((row["p99_ms"] for row in rows), default=None),
    }


def _median(values: Iterable[float]) -> float | None:
    known = list(values)
    return float(np.median(known)) if known else None
