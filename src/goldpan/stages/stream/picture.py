"""The curves of a stream: recall, rates, latency and memory over its steps, several engines in one picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from goldpan.formats.atomic import replace_file

_MARKERS = "osD^vPX*"
_SIZE = (12, 12.4)
_QUIET, _FAINT = "#667085", "#e4e7ec"
_MARKED = 30  # points of a line beyond which markers hide it
_SHORT = 200  # an axis of logarithms that spans less has numbers between the powers of ten

Row = dict[str, Any]


def draw_stream(path: Path, record: dict[str, Any]) -> None:
    """Draw eight panels over the numbers of the steps: what is live and how far it drifted, and seven of each engine.

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
        panels = figure.subplots(4, 2, sharex=True)
        draw = _Drawer(record["engines"])
        draw(panels[0, 0], "recall, ties count (dotted: a consolidation)", lambda row: row.get("recall"), named=True)
        draw.stream(panels[0, 1])
        draw(panels[1, 0], "queries a second, all at once", _of("search", "per_second"), log=True)
        wide = _spread(record["engines"], "added_mb") > _SHORT / 4
        draw(panels[1, 1], "memory added by the engine, MiB", lambda row: row.get("added_mb"), log=wide, marked=False)
        draw(panels[2, 0], "one query alone, p99 in ms", _of("search", "p99_ms"), log=True)
        draw(panels[2, 1], "one query amid updates, p99 in ms", lambda row: row.get("during_p99_ms"), log=True)
        draw(panels[3, 0], "inserts a second (dashed: replaces)", _of("insert", "per_second"), log=True)
        draw(panels[3, 0], None, _of("replace", "per_second"), style="--")
        draw(panels[3, 1], "deletes a second", _of("delete", "per_second"), log=True)
        if not wide:
            panels[1, 1].set_ylim(bottom=0)
        for axes in panels[3]:
            axes.set_xlabel("step of the runbook")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        legend = figure.legend(handles, labels, loc="outside upper left", ncols=4, frameon=False)
        for text in legend.get_texts():
            text.set_parse_math(False)  # a dollar in a name is a dollar
        with replace_file(path) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})


def label_of(entry: dict[str, Any]) -> str:
    """Return what an engine is called in tables and pictures."""
    rebuilt = " (rebuilt)" if entry.get("rebuilt") else ""
    status = "" if entry["status"] == "done" else f" ({entry['status']})"
    return f"{entry.get('name', entry['engine'])}{rebuilt}{status}"


class _Drawer:
    """Draws one value of every engine into a panel, each engine in its color."""

    def __init__(self, engines: list[dict[str, Any]]) -> None:
        self._engines = engines

    def __call__(
        self,
        axes: Any,
        title: str | None,
        value: Callable[[Row], float | None],
        *,
        log: bool = False,
        style: str = "-",
        marked: bool = True,
        named: bool = False,
    ) -> None:
        most = 0
        for number, entry in enumerate(self._engines):
            points = [(row["step"], value(row)) for row in entry["rows"] if value(row) is not None]
            most = max(most, len(points))
            marker = _MARKERS[number % len(_MARKERS)] if marked and len(points) <= _MARKED else None
            steps, values = zip(*points, strict=True) if points else ((), ())
            color = f"C{number % 10}"
            label = label_of(entry) if named else None
            axes.plot(steps, values, style, marker=marker, ms=4, lw=1.3, color=color, label=label)
            for row in entry["rows"] if named else ():
                if row["operation"] == "consolidate":
                    axes.axvline(row["step"] + 0.5, ls=":", lw=0.8, color=color, zorder=0)
        if log and most:
            axes.set_yscale("log")
        if title:
            axes.set_title(title, fontsize="medium", loc="left")
            axes.grid(axis="y", lw=0.5, color=_FAINT)
            _plain_numbers(axes)

    def stream(self, axes: Any) -> None:
        """Draw the live points as an area and the drift as a line, from the engine that came farthest."""
        none: list[Row] = []
        rows = max((entry["rows"] for entry in self._engines), key=len, default=none)
        searches = [row for row in rows if row["operation"] == "search"]
        axes.fill_between([row["step"] for row in rows], [row["live"] for row in rows], step="post", color=_FAINT, lw=0)
        axes.set_ylim(bottom=0)
        axes.set_title("live points (area), drift of their mean (line, right)", fontsize="medium", loc="left")
        _plain_numbers(axes)
        right = axes.twinx()
        drift = [row.get("drift_relative") for row in searches]
        right.plot([row["step"] for row in searches], drift, marker=".", lw=1.3, color=_QUIET)
        right.set_ylim(bottom=0)
        right.spines["right"].set_visible(True)


def _spread(engines: list[dict[str, Any]], name: str) -> float:
    """Return how many times the engines' highest values differ; 1 where none is known."""
    highest = [max((row.get(name) or 0.0 for row in entry["rows"]), default=0.0) for entry in engines]
    known = [value for value in highest if value > 0]
    return max(known) / min(known) if known else 1.0


def _plain_numbers(axes: Any) -> None:
    """Write 20,000 rather than 2 x 10^4; between powers of ten only 2 and 5, where the axis is short."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    plain = FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 100 else f"{value:g}")
    axes.yaxis.set_major_formatter(plain)
    if axes.get_yscale() == "log":
        short = axes.get_ylim()[1] < _SHORT * axes.get_ylim()[0]
        axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        axes.yaxis.set_minor_formatter(plain if short else NullFormatter())


def _of(operation: str, name: str) -> Callable[[Row], float | None]:
    """Return what reads a value of the rows of one operation; a build is no insert among others."""
    return lambda row: row.get(name) if row["operation"] == operation and not row.get("built") else None
