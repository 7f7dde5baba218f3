"""The picture of a benchmark: its base on the first two principal components, class by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CLASSES = 10


def draw_classes(path: Path, vectors: NDArray[Any], labels: Sequence[str | None], title: str) -> None:
    """Draw vectors on their two first principal components, the ten largest classes in colors, the rest in gray.

    Args:
        path: the .png to write.
        vectors: ``(n, d)``, n >= 2; uint8 rows are packed bits.
        labels: a class a row, None where unknown.
        title: above the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    points, share = principal_plane(vectors)
    names = np.array(["" if label is None else label for label in labels])
    largest = [name for name, _ in Counter(name for name in names.tolist() if name).most_common(_CLASSES)]
    figure = Figure(figsize=(8, 6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    rest = ~np.isin(names, largest)
    size = float(np.clip(20_000 / max(1, len(points)), 3, 28))
    if rest.any():
        label = "other classes" if largest else None
        axes.scatter(points[rest, 0], points[rest, 1], s=size, c="#c3c7cf", label=label, linewidths=0)
    for i, name in enumerate(sorted(largest)):
        chosen = names == name
        axes.scatter(
            points[chosen, 0], points[chosen, 1], s=1.5 * size, color=f"C{i}", label=name, alpha=0.85, linewidths=0
        )
    axes.set(xlabel=f"component 1 ({share[0]:.0%} of variance)", ylabel=f"component 2 ({share[1]:.0%})", title=title)
    if largest:
        axes.legend(fontsize="small", markerscale=1.5, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    # No software version in the file: same vectors, same bytes.
    figure.savefig(path, dpi=120, metadata={"Software": None})


def principal_plane(vectors: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ``(n, 2)`` float64 coordinates on the two largest principal components, and their shares of variance.

    The sign of each component is chosen so that its largest loading is positive.
    """
    wide = (np.unpackbits(vectors, axis=1) if vectors.dtype == np.uint8 else vectors).astype(np.float64)
    centered = wide - wide.mean(axis=0)
    values, axes = np.linalg.eigh(centered.T @ centered)
    plane = np.zeros((wide.shape[1], 2))
    largest = axes[:, ::-1][:, :2]
    plane[:, : largest.shape[1]] = largest
    plane *= np.where(plane[np.abs(plane).argmax(axis=0), [0, 1]] < 0, -1, 1)
    shares = np.zeros(2)
    shares[: min(2, len(values))] = values[::-1][:2] / max(values.sum(), np.finfo(float).tiny)
    return centered @ plane, shares
