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
        ``score`` and ``score_strict`` (means over the searches), ``recall_first``, ``recall_last``, ``recall_min``,
        ``recall_newest`` (of the true neighbors that came with the last insert or replace before a search);
        ``qps`` (median of the searches), ``p50_ms``, ``p99_ms`` (median and largest); ``build_seconds``; for inserts,
        deletes and replaces points a second over all steps, and the largest p99 of a call; consolidations; memory;
        ``dead_answers``; ``visible_at_once`` (share of the points probed), ``visible_ms`` (longest until all of an
        update were found) and ``not_visible`` (updates of which some were not found within a tenth of a second);
        ``stream_seconds``, what all operations took together, each search once.
    """
    found = [row for row in rows if row["operation"] == "search" and "recall" in row]
    recalls = _known(found, "recall")
    whole = len(found) == searches
    pauses = _known([row for row in rows if row["operation"] == "consolidate"], "seconds")
    probed = [row for row in rows if "visible" in row]
    rebuilds = sum(_known(rows, "rebuild_seconds"))
    result: Row = {
        "searches": len(found),
        "score": stream_score(recalls) if whole else None,
        "score_strict": stream_score(_known(found, "recall_strict")) if whole else None,
        "recall_first": recalls[0] if recalls else None,
        "recall_last": recalls[-1] if recalls else None,
        "recall_min": min(recalls, default=None),
        "recall_newest": _mean(_known(found, "recall_newest")),
        "qps": _median(_known(found, "per_second")),
        "p50_ms": _median(_known(found, "p50_ms")),
        "p99_ms": max(_known(found, "p99_ms"), default=None),
        "during_p50_ms": _median(_known(rows, "during_p50_ms")),
        "during_p99_ms": max(_known(rows, "during_p99_ms"), default=None),
        "build_seconds": next((row["seconds"] for row in rows if row.get("built")), None),
        "rebuild_seconds": rebuilds,
        "consolidations": len(pauses),
        "pause_seconds": sum(pauses),
        "longest_pause_seconds": max(pauses, default=0.0),
        "visible_at_once": _mean(_known(probed, "visible")),
        "visible_ms": max(_known(probed, "visible_ms"), default=None),
        "not_visible": len(probed) - len(_known(probed, "visible_ms")),
        "dead_answers": sum(_known(found, "dead_answers")),
        "still_found": sum(_known(rows, "still_found")),
        "memory_mb": max(_known(rows, "memory_mb"), default=None),
        "added_mb": max(_known(rows, "added_mb"), default=None),
        "index_mb": rows[-1].get("index_mb") if rows else None,
        "stream_seconds": sum(_known(rows, "seconds")) + rebuilds if rows else None,
    }
    for name in ("insert", "delete", "replace"):
        updates = [row for row in rows if row["operation"] == name and not row.get("built") and row["calls"]]
        seconds = sum(_known(updates, "seconds"))
        result |= {
            f"{name}s_per_second": sum(_known(updates, "rows")) / seconds if seconds else None,
            f"{name}_p50_ms": _median(_known(updates, "p50_ms")),
            f"{name}_p99_ms": max(_known(updates, "p99_ms"), default=None),
        }
    return result


def _known(rows: Iterable[Row], name: str) -> list[Any]:
    """Return a value of the rows that have it."""
    return [row[name] for row in rows if row.get(name) is not None]


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _median(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None
