"""What results say, as tables: speed at a recall, every setting, builds, failures, hard queries, another set."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from goldpan.core.errors import InputError
from goldpan.metrics.recall import bootstrap_interval
from goldpan.stages.experiment.statistics import (
    Ratio,
    Series,
    best_at,
    front,
    median_interval,
    paired_ratio,
    round_ratios,
)
from goldpan.stages.experiment.store import Record
from goldpan.stages.experiment.summary import Place, Summary
from goldpan.stages.experiment.tables import Cell, Table

_MIB = 1 << 20
_HARDEST = 10
_NAN = float("nan")
_NO_RATIO = Ratio(_NAN, _NAN, _NAN, _NAN, 0)
_ALIKE = ("dataset", "engine", "threads", "status", "reason")
_SIZES = ("memory_bytes", "disk_bytes", "peak_bytes")


def all_tables(summary: Summary) -> list[Table]:
    """Return all tables that have rows, the most telling first."""
    tables = [view(summary) for view in (overview, speed, settings, built, difficulty, sets, failures)]
    return [table for table in tables if table.rows]


def overview(summary: Summary) -> Table:
    """Return one line an engine: its speed at each recall, and what its index cost."""
    speeds = [f"QPS at {recall:g}" for recall in summary.recalls]
    columns: tuple[str, ...] = ("data", "k", "threads", "engine", *speeds, "best recall", "build s", "index MiB")
    note = "Queries a second of the fastest setting that reaches the recall in every round; nothing is interpolated."
    table = Table("overview", "Overview", columns, note=note)
    for place in summary.places():
        for engine in summary.engines:
            found = summary.at(place, summary.mode(place), engine)
            if found:
                best = [best_at(found, recall) for recall in summary.recalls]
                build = summary.builds.get((place.dataset, engine, place.threads), {})
                costs = build.get("seconds"), build["memory_bytes"] / _MIB if "memory_bytes" in build else None
                qps = [one.median("qps") if one else None for one in best]
                table.rows.append((*place, engine, *qps, max(one.recall for one in found), *costs))
    return table


def speed(summary: Summary) -> Table:
    """Return the best setting of each engine at each recall, compared with the reference."""
    columns = _columns(
        "data, k, threads, recall ≥, engine, setting, recall, QPS, "
        "QPS per core, ratio, ratio low, ratio high, CPU ratio, p50 ms, p95 ms, p99 ms"
    )
    note = (
        f"The fastest setting that reaches the recall in every round; nothing is interpolated. Ratios to "
        f"{summary.reference}: median of the rounds' paired ratios with its 95 % bootstrap interval."
    )
    table = Table("speed_at_recall", "Speed at a recall", columns, note=note)
    for place in summary.places():
        for recall in summary.recalls:
            table.rows.extend(_speed_rows(summary, place, recall))
    return table


def _speed_rows(summary: Summary, place: Place, recall: float) -> Iterator[tuple[Cell, ...]]:
    mode = summary.mode(place)
    best = {engine: best_at(summary.at(place, mode, engine), recall) for engine in summary.engines}
    first = best.get(summary.reference)
    for engine, one in best.items():
        if one is None:
            if summary.at(place, mode, engine):
                top = max(series.recall for series in summary.at(place, mode, engine))
                yield (*place, recall, engine, "not reached", top, *[None] * 9)
            continue
        ratio = paired_ratio(one, first) if first is not None else None
        single = next((s for s in summary.at(place, "single", engine) if s.key.setting == one.key.setting), None)
        late = [single.median(name) if single else None for name in ("p50_ms", "p95_ms", "p99_ms")]
        speeds = (one.recall, one.median("qps"), one.cpu_qps, *(ratio or _NO_RATIO)[:4])
        yield (*place, recall, engine, one.key.setting, *speeds, *late)


def settings(summary: Summary) -> Table:
    """Return every series."""
    columns = _columns(
        "data, k, threads, mode, engine, setting, recall, low, high, with ties, "
        "QPS, low QPS, high QPS, QPS per core, p50 ms, p95 ms, p99 ms, peak MiB, rounds, front"
    )
    note = (
        "Recall with its 95 % interval over the queries, strict and with ties; QPS is the median of the rounds, "
        "low and high their extremes; front marks what no other setting beats in both recall and speed."
    )
    table = Table("settings", "Every setting", columns, note=note)
    for place in summary.places():
        for mode in ("batch", "single"):
            best = front(summary.at(place, mode))
            table.rows.extend(_setting_row(summary, place, one, one in best) for one in summary.at(place, mode))
    return table


def _setting_row(summary: Summary, place: Place, one: Series, on_front: bool) -> tuple[Cell, ...]:
    low, high = bootstrap_interval(summary.recalls_of(one))
    speeds = [row["qps"] for row in one.rows.values()]
    late = [one.median(name) for name in ("p50_ms", "p95_ms", "p99_ms")]
    peak = one.median("peak_bytes") / _MIB
    recalls = (one.recall, low, high, one.median("recall_ties"))
    numbers = (*recalls, one.median("qps"), min(speeds), max(speeds), one.cpu_qps, *late, peak, len(speeds))
    return (*place, one.key.mode, one.key.engine, one.key.setting, *numbers, "yes" if on_front else "")


def built(summary: Summary) -> Table:
    """Return what each index cost."""
    columns = _columns("data, threads, engine, build s, CPU s, index MiB, on disk MiB, peak MiB, note")
    note = "Index size as the engine counts it; the peak is that of its process while it built."
    table = Table("builds", "Builds", columns, note=note)
    for (dataset, engine, threads), row in summary.builds.items():
        sizes = [None if row.get(name) is None else row[name] / _MIB for name in _SIZES]
        table.rows.append((dataset, threads, engine, row.get("seconds"), row.get("cpu_s"), *sizes, _why(row)))
    return table


def difficulty(summary: Summary) -> Table:
    """Return how hard the queries are for engines that do not find everything, each at its best recall."""
    columns = _columns("data, k, threads, engines, queries, whole for all, missed by all, hardest queries")
    note = (
        "Engines at their most accurate setting, but for those that find everything. Whole: every engine found "
        "all k; missed: no engine found any; then the queries with the lowest mean recall."
    )
    table = Table("difficulty", "Hard queries", columns, note=note)
    for place in summary.places():
        found = summary.best_recalls(place)
        if not found:
            continue
        length = min(map(len, found.values()))  # another experiment may have asked fewer queries one by one
        every = np.stack([recalls[:length] for recalls in found.values()])
        means = every.mean(axis=0)
        hard = np.argsort(means, kind="stable")[:_HARDEST]
        listed = ", ".join(f"{row} ({means[row]:.2f})" for row in hard if means[row] < 1)
        counts = (
            len(found),
            every.shape[1],
            int((every == 1).all(axis=0).sum()),
            int((every == 0).all(axis=0).sum()),
        )
        table.rows.append((*place, *counts, listed))
    return table


def sets(summary: Summary) -> Table:
    """Return the data sets."""
    columns = _columns("data, n, dim, type, metric, queries, queries in base, truth, truth k, digest")
    names = _columns("dataset, n, dim, dtype, metric, queries, queries_in_base, truth, truth_k, digest")
    rows = [tuple(row[name] for name in names) for row in summary.datasets.values()]
    note = "Queries in base are rows of the base themselves: their first neighbor says nothing about an index."
    return Table("data", "Data", columns, rows, note)


def failures(summary: Summary) -> Table:
    """Return what could not be measured, or cannot be trusted, and why."""
    columns = _columns("data, engine, threads, status, reason, times, where, last words")
    table = Table("failures", "Failures", columns)
    for (dataset, engine, threads), row in summary.builds.items():
        if row["status"] != "ok":
            reason = (row["status"], row["reason"], 1, "build", row.get("stderr", ""))
            table.rows.append((dataset, engine, threads, *reason))
    alike: dict[tuple[Cell, ...], list[Record]] = {}
    for row in summary.rows:
        if row["status"] != "ok":
            alike.setdefault(tuple(row[name] for name in _ALIKE), []).append(row)
    for what, rows in alike.items():
        first = rows[0]
        where = f"{first['setting']}, k = {first['k']}, {first['mode']}, round {first['round']}"
        where += f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        table.rows.append((*what, len(rows), where, first.get("stderr", "")))
    return table


def compare(one: Summary, other: Summary) -> list[Table]:
    """Return the ratios of what both sets of results measured, engine by engine and series by series.

    Raises:
        InputError: they have nothing in common.
    """
    pairs = [(mine, there) for mine in one.series for there in _same(mine, one, other)]
    if not pairs:
        raise InputError(
            f"{one.folder} and {other.folder} have nothing in common: no engine was measured with the same setting on "
            "the same data in both."
        )
    note = (
        f"These results over those of {other.folder}: median of the paired ratios of the rounds with its 95 % "
        "bootstrap interval. The two sets were not measured in turns; what else the machines did is in the ratio."
    )
    names = "data, k, threads, mode, engine, settings, ratio, ratio low, ratio high, rounds"
    engines = Table("against", "Against other results", _columns(names), note=note)
    names = (
        "data, k, threads, mode, engine, setting, recall, recall there, QPS, QPS there, ratio, ratio low, ratio high"
    )
    each = Table("against_settings", "Against other results, every setting", _columns(f"{names}, CPU ratio, rounds"))
    alike: dict[tuple[Cell, ...], list[list[float]]] = {}
    for mine, there in pairs:
        key = mine.key
        what = (key.dataset, key.k, key.threads, key.mode, key.engine)
        alike.setdefault(what, []).append(round_ratios(mine, there))
        speeds = (mine.recall, there.recall, mine.median("qps"), there.median("qps"))
        each.rows.append((*what, key.setting, *speeds, *(paired_ratio(mine, there) or _NO_RATIO)))
    for engine, ratios in alike.items():
        every = [ratio for rounds in ratios for ratio in rounds]
        engines.rows.append((*engine, len(ratios), float(np.median(every)), *median_interval(every), len(every)))
    return [engines, each]


def _same(mine: Series, one: Summary, other: Summary) -> list[Series]:
    """Return the series of the other results that measured the same, with a round in common: one or none."""
    digests = [some.datasets.get(mine.key.dataset, {}).get("digest") for some in (one, other)]
    found = [there for there in other.series if there.key == mine.key] if digests[0] == digests[1] else []
    return [there for there in found if mine.rows.keys() & there.rows.keys()]


def _why(row: Record) -> str:
    return row["reason"] if row["status"] == "ok" else f"{row['status']}: {row['reason']}"


def _columns(names: str) -> tuple[str, ...]:
    return tuple(names.split(", "))
