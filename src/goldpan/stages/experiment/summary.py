"""Results, read and grouped by where engines can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from goldpan.core.errors import UnknownName
from goldpan.core.records import Floats
from goldpan.stages.experiment.answers import read_recalls
from goldpan.stages.experiment.statistics import Series, series_of
from goldpan.stages.experiment.store import Results


class Place(NamedTuple):
    """Where engines can be compared: on the same data, k and threads."""

    dataset: str
    k: int
    threads: int

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'' if self.threads == 1 else 's'}"
        return f"{self.dataset}, k = {self.k}, {threads}"


class Summary:
    """Results, read and grouped.

    Args:
        results: a folder of them.
        recalls: the recalls at which engines are compared.
        reference: the engine that the others are compared with; the first one where "".

    Raises:
        UnknownName: there are no results of the reference.
    """

    def __init__(self, results: Results, recalls: Sequence[float] = (0.9, 0.95, 0.99), reference: str = "") -> None:
        self.folder, self.recalls = results.folder, tuple(recalls)
        self.datasets, self.builds = results.datasets(), results.builds()
        self.rows = list(results.rows().values())
        self.series = series_of(self.rows)
        self.engines = list(
            dict.fromkeys([engine for _, engine, _ in self.builds] + [row["engine"] for row in self.rows])
        )
        if reference and reference not in self.engines:
            raise UnknownName("engine", reference, self.engines)
        self.reference = reference or (self.engines[0] if self.engines else "")
        self._recalls: dict[str, Floats] = {}

    def places(self) -> list[Place]:
        """Return the data sets, ks and threads that were measured."""
        return list(dict.fromkeys(Place(one.key.dataset, one.key.k, one.key.threads) for one in self.series))

    def at(self, place: Place, mode: str, engine: str | None = None) -> list[Series]:
        """Return the series of a place, of one engine or all."""
        return [
            one
            for one in self.series
            if (one.key.dataset, one.key.k, one.key.threads, one.key.mode) == (*place, mode)
            and engine in (None, one.key.engine)
        ]

    def recalls_of(self, series: Series) -> Floats:
        """Return the recall of each query, as written when the series was measured first."""
        if series.answers not in self._recalls:
            self._recalls[series.answers] = read_recalls(self.folder, series.answers)
        return self._recalls[series.answers]

    def mode(self, place: Place) -> str:
        """Return how speed is compared there: batches where there are some."""
        return "batch" if self.at(place, "batch") else "single"

    def best_recalls(self, place: Place) -> dict[str, Floats]:
        """Return the recall of each query at the most accurate setting of each engine that misses something."""
        mode = self.mode(place)
        found = {}
        for engine in self.engines:
            best = max(self.at(place, mode, engine), key=lambda one: one.recall, default=None)
            if best is not None and best.recall < 1:
                found[engine] = self.recalls_of(best)
        return found
