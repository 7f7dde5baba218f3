"""Pictures of results, as SVG that can stand in a page."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from goldpan.stages.experiment.statistics import Series, front
from goldpan.stages.experiment.summary import Place, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = "osD^vP*X<>"
_BARS = 20
_END = 1.003  # where the axis of recall would be infinitely long
_TICKS = (0, 0.2, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1)
_MIB = 1 << 20
_STYLE = {"svg.fonttype": "none", "font.family": "sans-serif", "axes.spines.top": False, "axes.spines.right": False}


class Figure(NamedTuple):
    """A picture.

    Attributes:
        name: of its file, without suffix.
        title: what it shows.
        svg: the picture; its bytes are the same for the same results.
    """

    name: str
    title: str
    svg: str


def figures(summary: Summary) -> dict[Place, list[Figure]]:
    """Return the pictures of each place: speed and latency over recall, and the recalls of single queries."""
    return {place: list(_of_place(summary, place, number)) for number, place in enumerate(summary.places())}


def _of_place(summary: Summary, place: Place, number: int) -> Iterator[Figure]:
    if summary.at(place, "batch"):
        yield _draw(
            f"recall_qps_{number}",
            f"Queries a second over recall: {place}",
            lambda axes: _curves(axes, summary, place, "batch", "qps", "queries a second (batch)"),
        )
    if summary.at(place, "single"):
        yield _draw(
            f"recall_latency_{number}",
            f"Latency over recall: {place}",
            lambda axes: _curves(axes, summary, place, "single", "p95_ms", "p95 of single queries, ms"),
        )
    if place.k > 1 and summary.best_recalls(place):
        yield _draw(
            f"query_recall_{number}",
            f"Recall of single queries: {place}",
            lambda axes: _histogram(axes, summary, place),
        )


def builds_figure(summary: Summary) -> Figure | None:
    """Return the picture of what indexes cost; None where none was built."""
    built = [(key, row) for key, row in summary.builds.items() if row.get("seconds") is not None]
    if not built:
        return None

    def bars(axes: Axes) -> None:
        for (dataset, engine, _), row in built:
            size = row["memory_bytes"] / _MIB
            axes.plot(size, row["seconds"], **_look(summary, engine), linestyle="")
            if len(summary.datasets) > 1:
                axes.annotate(f" {_plain(dataset)}", (size, row["seconds"]), fontsize="x-small", va="center")
        axes.set(xlabel="index in memory, MiB", ylabel="build, s", xscale="log", yscale="log")

    return _draw("builds", "What an index costs", bars)


def _curves(axes: Axes, summary: Summary, place: Place, mode: str, name: str, label: str) -> None:
    """Draw a number of every setting over its recall, the best of each engine joined."""
    for engine in summary.engines:
        series = summary.at(place, mode, engine)
        if not series:
            continue
        look = _look(summary, engine)
        best = front(series)
        axes.plot([one.recall for one in best], [one.median(name) for one in best], **look)
        rest = [one for one in series if one not in best]
        axes.plot(
            [one.recall for one in rest],
            [one.median(name) for one in rest],
            **{**look, "linestyle": "", "alpha": 0.35, "label": "_"},
        )
        axes.errorbar(
            [one.recall for one in series],
            [one.median(name) for one in series],
            yerr=np.array([_spread(one, name) for one in series]).T,
            fmt="none",
            ecolor=look["color"],
            alpha=0.5,
        )
    axes.set(xlabel=f"recall at {place.k}", ylabel=label, yscale="log")
    lowest = min(one.recall for one in summary.at(place, mode))
    axes.set_xscale("function", functions=(_stretched, _pressed))
    axes.set_xlim(max(0.0, lowest - 0.1 * (_END - lowest)), 1.0005)
    axes.set_xticks([tick for tick in _TICKS if tick >= axes.get_xlim()[0]], minor=False)
    axes.xaxis.set_major_formatter("{x:g}")


def _stretched(recall: Any) -> Any:
    """Give the recalls near 1, where engines differ, their room."""
    return -np.log10(np.maximum(_END - np.asarray(recall), 1e-9))


def _pressed(place: Any) -> Any:
    return _END - 10.0 ** -np.asarray(place)


def _spread(one: Series, name: str) -> tuple[float, float]:
    """Return how far the lowest and the highest round lie from the median."""
    values = [row[name] for row in one.rows.values()]
    return one.median(name) - min(values), max(values) - one.median(name)


def _histogram(axes: Axes, summary: Summary, place: Place) -> None:
    """Draw how many queries have which recall, each engine at its most accurate setting."""
    bars = min(place.k, _BARS)
    edges = (np.arange(bars + 2) - 0.5) / bars  # a bar around each of 0, 1 / bars ... 1
    for engine, recalls in summary.best_recalls(place).items():
        look = _look(summary, engine)
        shares = np.histogram(recalls, edges)[0] / len(recalls)
        axes.stairs(shares, edges, color=look["color"], label=look["label"], linewidth=1.8)
    axes.set(xlabel=f"recall at {place.k} of a query", ylabel="share of the queries")
    axes.set_yscale("symlog", linthresh=1e-3)
    axes.set_ylim(0, 1.2)


def _look(summary: Summary, engine: str) -> dict[str, Any]:
    """Return color and marker of an engine, the same in every picture."""
    place = summary.engines.index(engine)
    return {
        "color": f"C{place % 10}",
        "marker": _MARKERS[place % len(_MARKERS)],
        "label": _plain(engine),
        "markersize": 5,
    }


def _plain(name: str) -> str:
    """Return a name that is drawn as it is: no formula between dollars, and not left out for a leading underscore."""
    return name.replace("$", r"\$").lstrip("_") or name


def _draw(name: str, title: str, paint: Callable[[Axes], None]) -> Figure:
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Canvas

    style: Any = {**_STYLE, "svg.hashsalt": name}
    with mpl.rc_context(style):
        canvas = Canvas(figsize=(6, 4.2), layout="constrained")
        FigureCanvasSVG(canvas)
        axes = canvas.subplots()
        paint(axes)
        axes.grid(alpha=0.3)
        labels = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        if labels:
            canvas.legend(
                labels.values(), labels.keys(), loc="outside lower center", ncols=2, frameon=False, fontsize="small"
            )
        file = io.StringIO()
        # No date in the file: same results, same bytes.
        canvas.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    return Figure(name, title, text[text.index("<svg") :])
