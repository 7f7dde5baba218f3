"""The curves of a stream: recall, rates, latency and memory over its steps, several engines in one picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from goldpan.formats.atomic import replace_file

_MARKERS = "osD^vP*X"
_SIZE = (12, 9.6)
_QUIET = "#667085"

Row = dict[str, Any]


def draw_stream(path: Path, record: dict[str, Any]) -> None:
    """Draw six panels over the numbers of the steps: what is live and how far it drifted, and five of each engine.

    Dotted lines are consolidations. Same results, same bytes.

    Args:
        path: the .svg to write.
        record: what `goldpan.stages.stream.run` writes as stream.json.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "goldpan", "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=_SIZE, layout="constrained")
        FigureCanvasSVG(figure)
        panels = figure.subplots(3, 2, sharex=True)
        _draw_stream_itself(panels[0, 1], record["engines"])
        _draw_each(panels[0, 0], record, "recall (ties count)", lambda row: row.get("recall"))
        _draw_each(panels[1, 0], record, "queries a second, all at once", _of("search", "per_second"), log=True)
        _draw_each(
            panels[1, 1], record, "one query, ms: p99 (dashed: between updates)", _of("search", "p99_ms"), log=True
        )
        _draw_each(panels[1, 1], record, None, lambda row: row.get("during_p99_ms"), dashed=True)
        _draw_each(panels[2, 0], record, "points inserted, deleted or replaced a second", _updates, log=True)
        _draw_each(panels[2, 1], record, "memory of the process, MiB", lambda row: row["memory_mb"], marked=False)
        for axes in panels[2]:
            axes.set_xlabel("step of the runbook")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=4, frameon=False)
        with replace_file(path) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})


def label_of(entry: dict[str, Any]) -> str:
    """Return what an engine is called in tables and pictures."""
    rebuilt = " (rebuilt)" if entry.get("rebuilt") else ""
    return entry["engine"] + rebuilt + ("" if entry["status"] == "done" else f" ({entry['status']})")


def _draw_each(
    axes: Any,
    record: dict[str, Any],
    title: str | None,
    value: Callable[[Row], float | None],
    *,
    log: bool = False,
    dashed: bool = False,
    marked: bool = True,
) -> None:
    """Draw one value of every engine, and its consolidations."""
    drawn = False
    for number, entry in enumerate(record["engines"]):
        points = [(row["step"], value(row)) for row in entry["rows"]]
        points = [(step, found) for step, found in points if found is not None]
        sparse = marked and len(points) <= 80
        marker = _MARKERS[number % len(_MARKERS)] if sparse and not dashed else None
        style = "--" if dashed else "-"
        steps, values = zip(*points, strict=True) if points else ((), ())
        axes.plot(steps, values, style, marker=marker, ms=4, lw=1.3, color=f"C{number % 10}", label=label_of(entry))
        drawn = drawn or bool(points)
        if title:
            for row in entry["rows"]:
                if row["operation"] == "consolidate":
                    axes.axvline(row["step"] + 0.5, ls=":", lw=0.8, color=f"C{number % 10}", zorder=0)
    if log and drawn:
        axes.set_yscale("log")
    if title:
        axes.set_title(title, fontsize="medium", loc="left")
        axes.grid(axis="y", lw=0.5, color="#e4e7ec")


def _draw_stream_itself(axes: Any, engines: list[dict[str, Any]]) -> None:
    """Draw the live points as an area and the drift as a line, from the engine that came farthest."""
    rows = max((entry["rows"] for entry in engines), key=len, default=[])
    searches = [row for row in rows if row["operation"] == "search"]
    axes.fill_between([row["step"] for row in rows], [row["live"] for row in rows], step="post", color="#e4e7ec", lw=0)
    axes.set_ylim(bottom=0)
    axes.set_title("the stream: live points (area), drift of their mean (line, right)", fontsize="medium", loc="left")
    right = axes.twinx()
    drift = [row.get("drift_relative") for row in searches]
    right.plot([row["step"] for row in searches], drift, marker=".", lw=1.3, color=_QUIET)
    right.set_ylim(bottom=0)
    right.spines["right"].set_visible(True)


def _of(operation: str, name: str) -> Callable[[Row], float | None]:
    return lambda row: row.get(name) if row["operation"] == operation else None


def _updates(row: Row) -> float | None:
    return None if row["operation"] in ("search", "consolidate") or row.get("built") else row.get("per_second")
