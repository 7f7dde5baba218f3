"""One measurement: search, score the answers against the truth, look for faults, and make a row of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.records import Floats, Ids
from goldpan.metrics.audit import Fault, audit_answers
from goldpan.metrics.recall import strict_recall, tie_aware_recall
from goldpan.stages.experiment.config import Experiment, Setting
from goldpan.stages.experiment.data import Data
from goldpan.stages.experiment.gold import without_own
from goldpan.stages.experiment.peer import Peer, Timed
from goldpan.stages.experiment.quiet import load
from goldpan.stages.experiment.store import Key, Record

_SAME = 0.9  # of the ids
_FASTER = 3.0  # times; cold caches alone make less of a difference
_NOTICEABLE_S = 0.02  # what is below may be the machine
_WARM_SINGLES = 100
_QUANTILES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}


class Scored(NamedTuple):
    """A row, with what is too large for one.

    Attributes:
        row: what `rows.jsonl` gets.
        timed: the answers and their times.
        strict: recall of each query.
        ties: recall of each query where ties count.
    """

    row: Record
    timed: Timed
    strict: Floats
    ties: Floats


def measure(peer: Peer, data: Data, experiment: Experiment, key: Key, setting: Setting, *, warm: bool) -> Scored:
    """Search once and score it.

    Args:
        peer: a built engine.
        data: what it was built on.
        experiment: how to measure.
        key: what is measured.
        setting: its search parameters.
        warm: it was searched with this setting before; else warm-up passes come first and are thrown away.

    Raises:
        PeerFailure: the engine failed.
    """
    queries, single = data.queries, key.mode == "single"
    if single:
        queries = queries[: experiment.single_queries]
    rows = np.arange(min(len(queries), _WARM_SINGLES) if single else len(queries))[::-1]
    depth = key.k + int(data.self_join)
    said = [peer.search(queries[rows], depth, setting) for _ in range(0 if warm else experiment.warmup)]
    before, started = load(), time.perf_counter()
    if single:
        timed = peer.search_singly(queries, depth, setting)
    else:
        timed = peer.search(queries, depth, setting, at_least_s=experiment.min_seconds)
    outside, after = time.perf_counter() - started, load()
    faults = []
    for first in said[:1]:
        faults += replayed(_countable(timed.neighbors.ids), _countable(first.neighbors.ids), rows)
        if first.seconds / len(rows) > _FASTER * timed.seconds / len(queries):
            faults += memoized([peer.search(nudged(queries, by), depth, setting) for by in (1, 2)], timed)
    if data.self_join:
        timed = timed._replace(neighbors=without_own(timed.neighbors, np.arange(len(queries))))
    scored = _score(timed, data, key.k, faults)
    about: Record = {**key._asdict(), "parameters": setting}
    cost: Record = {
        "queries": len(queries),
        "seconds": timed.seconds,
        "cpu_s": timed.cpu_s,
        "qps": len(queries) / timed.seconds,
        **_latencies(timed.each if single else None),
        "passes": 1 if single else len(timed.each),
        "overhead": outside / timed.each.sum() - 1,
        "peak_bytes": timed.peak_bytes,
        "load_before": before,
        "load_after": after,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return scored._replace(row=about | scored.row | cost)


def _score(timed: Timed, data: Data, k: int, faults: list[Fault]) -> Scored:
    """Hold answers against the truth, and look for what is wrong with them beside the faults already found."""
    found, n_queries = timed.neighbors, len(timed.neighbors.ids)
    true_ids, true_scores = data.truth.ids[:n_queries], data.truth.scores[:n_queries]
    own = np.arange(n_queries) if data.self_join else None
    base, metric = data.base, data.metric
    faults = faults + audit_answers(
        found.ids, base.n, scores=found.scores, metric=metric, truth=true_ids, query_ids=own
    )
    ids = _countable(found.ids)
    strict = strict_recall(ids, true_ids, k)
    ties = tie_aware_recall(ids, true_ids, true_scores, k)
    row: Record = {
        "status": "faulty" if any(fault.kind != "order" for fault in faults) else "ok",
        "reason": "; ".join(fault.detail for fault in faults),
        "faults": [fault.kind for fault in faults],
        "recall": float(strict.mean()),
        "recall_ties": float(ties.mean()),
        "recall_sd": float(strict.std()),
        "missed": int((strict == 0).sum()),
    }
    return Scored(row, timed, strict, ties)


def replayed(found: Ids, said: Ids, rows: Ids) -> list[Fault]:
    """Tell answers that are remembered instead of searched.

    The warm-up asks in another order than the measurement. An engine, or a harness, that repeats what it said
    first gives row i of the measurement the answer to what was row i of the warm-up.

    Args:
        found: ``(n_queries, k)`` answers measured.
        said: ``(m, k)`` answers of the warm-up.
        rows: ``(m,)`` the queries that the warm-up asked.
    """
    k = found.shape[1]
    as_asked = strict_recall(found[rows], said, k).mean()
    as_before = strict_recall(found[: len(rows)], said, k).mean()
    if as_before < _SAME or as_asked >= as_before:
        return []
    detail = f"{len(rows)} queries get the answers that others got before: they are remembered, not searched"
    return [Fault("replayed_answers", len(rows), 0, detail)]


def memoized(fresh: list[Timed], timed: Timed) -> list[Fault]:
    """Tell speed that comes from having answered the very same queries before.

    Args:
        fresh: passes over queries that were never asked, but hardly differ; the fastest counts.
        timed: the measured pass, whose queries the warm-up had asked.
    """
    new = min(one.seconds for one in fresh)
    if new < _FASTER * timed.seconds or new - timed.seconds < _NOTICEABLE_S:
        return []
    detail = f"queries that were asked before are answered {new / timed.seconds:.0f} times as fast as new ones"
    return [Fault("memoized_answers", len(timed.neighbors.ids), 0, detail)]


def nudged(queries: NDArray[Any], by: int) -> NDArray[Any]:
    """Return queries that differ from these by next to nothing, but in every row, and otherwise for another `by`."""
    if queries.dtype.kind == "f":
        return (queries * (1 + by * 2.0**-9)).astype(queries.dtype)
    other = queries.copy()
    other[:, 0] ^= by
    return other


def _countable(ids: Any) -> Ids:
    """Return ids that can be counted as hits; those that are no whole numbers become -1."""
    array = np.asarray(ids)
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    whole = np.isfinite(array) & (array == np.rint(array))
    return np.where(whole, array, -1).astype(np.int64)


def _latencies(each: Floats | None) -> Record:
    if each is None:
        return dict.fromkeys(_QUANTILES)
    return {name: float(np.quantile(each, q)) * 1e3 for name, q in _QUANTILES.items()}
