"""A spec to a projection, chains of them, and a model folder back to one.

pca:96   binperms:1024   diffenc:1024   hyperplane:1024   entropy:1024   signrp:1024   signpca:256   itq:1024
thermo:1024   cast:float16   cast:bfloat16   cast:int8   rotate   rotate+cast:int8   pca:96+cast:float16
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.catalog import Catalog
from goldpan.core.errors import FormatError, InputError
from goldpan.core.progress import Progress
from goldpan.core.records import Metric, parse_metric
from goldpan.search.projections.protocol import Projection, State
from goldpan.search.readers import VectorReader

CATALOG = Catalog(
    "projection",
    {
        "pca": "goldpan.search.projections.linear:Pca",
        "rotate": "goldpan.search.projections.linear:Rotation",
        "cast": "goldpan.search.projections.linear:Cast",
        "binperms": "goldpan.search.projections.permutations:BinPerms",
        "diffenc": "goldpan.search.projections.sketches:DiffEnc",
        "hyperplane": "goldpan.search.projections.sketches:HyperplanePairs",
        "entropy": "goldpan.search.projections.sketches:HighEntropy",
        "signrp": "goldpan.search.projections.sketches:SignRandom",
        "signpca": "goldpan.search.projections.sketches:SignPca",
        "itq": "goldpan.search.projections.sketches:Itq",
        "thermo": "goldpan.search.projections.sketches:Thermometer",
    },
    group="goldpan.projections",
)
RECORD, ARRAYS = "goldpan.json", "arrays.npz"


def open_projection(spec: str, *, dim: int, metric: str | Metric, seed: int = 0) -> Projection:
    """Return a projection that has learned nothing yet.

    Args:
        spec: ``kind[:size]``, or several joined by ``+``, applied from left to right; an entry point of the group
            ``goldpan.projections`` may add kinds: a callable ``(spec, size, dim, metric, seed) -> Projection``.
        dim: values a row that comes in.
        metric: how near is measured among those rows.
        seed: of whatever is random in it.

    Raises:
        UnknownName: no projection of that kind.
        InputError: the size is out of range, or rows are bits already.
    """
    source = parse_metric(metric)
    steps: list[Projection] = []
    for part in spec.split("+"):
        kind, _, size = part.strip().partition(":")
        if source is Metric.HAMMING:
            raise InputError(f"{spec}: {kind} takes floats, and rows compared by hamming are bits.")
        made: Projection = CATALOG.load(kind)(part.strip(), size, dim, source, seed)
        steps.append(made)
        dim, source = made.dim, made.metric
    return steps[0] if len(steps) == 1 else Chain(spec, steps)


class Chain:
    """Projections one after another; see `goldpan.search.projections.protocol.Projection`."""

    def __init__(self, spec: str, steps: list[Projection]) -> None:
        self.spec = spec
        self.dim_in, self.source_metric = steps[0].dim_in, steps[0].source_metric
        self.dim, self.dtype, self.metric = steps[-1].dim, steps[-1].dtype, steps[-1].metric
        self._steps = steps

    def fit(self, reader: VectorReader, progress: Progress) -> None:
        """Fit each on what the ones before it make."""
        for step in self._steps:
            step.fit(reader, progress)
            reader = ProjectedReader(step, reader)

    def apply(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Apply one after another."""
        for step in self._steps:
            rows = step.apply(rows)
        return rows

    def state(self) -> State:
        """Return the states of all, numbered."""
        return {
            f"{number}.{name}": value for number, step in enumerate(self._steps) for name, value in step.state().items()
        }

    def restore(self, state: State) -> None:
        """Take the states of all."""
        for number, step in enumerate(self._steps):
            mark = f"{number}."
            step.restore({name.removeprefix(mark): state[name] for name in state if name.startswith(mark)})


class ProjectedReader:
    """A table seen through a fitted projection; a `goldpan.search.readers.VectorReader`."""

    def __init__(self, projection: Projection, reader: VectorReader) -> None:
        self.n, self.dim, self.dtype = reader.n, projection.dim, projection.dtype
        self._projection, self._reader = projection, reader

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Project rows `start` to `stop`."""
        return self._projection.apply(self._reader.read(start, stop))


def save_projection(projection: Projection, folder: Path) -> None:
    """Write a fitted projection into an existing empty folder."""
    record = {"projection": projection.spec, "dim": projection.dim_in, "metric": str(projection.source_metric)}
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    np.savez(folder / ARRAYS, allow_pickle=False, **projection.state())


def load_projection(folder: Path) -> Projection:
    """Return the projection that `save_projection` wrote.

    Raises:
        FormatError: the folder holds none.
    """
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        projection = open_projection(record["projection"], dim=record["dim"], metric=record["metric"])
        with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
            projection.restore(dict(arrays))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(folder, f"it is no model of a projection ({error}).") from error
    return projection
