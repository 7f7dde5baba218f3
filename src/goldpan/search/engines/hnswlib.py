"""hnswlib: the reference implementation of HNSW; removes by marking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import MissingExtra
from goldpan.core.records import Ids, Metric
from goldpan.search.engines.adapter import Adapter
from goldpan.search.engines.protocol import Traits
from goldpan.search.engines.spec import EngineSpec
from goldpan.search.readers import VectorReader

_FILE = "index.hnsw"
_SPACES = {Metric.IP: "ip", Metric.COSINE: "ip", Metric.L2: "l2", Metric.SQEUCLIDEAN: "l2"}
_TOO_FEW = "Cannot return the results in a contiguous 2D array"


class Hnswlib(Adapter):
    """``hnswlib@M=16,ef_construction=200,ef=10,replace_deleted=0``; see `goldpan.search.engines.protocol.Index`.

    Removed rows stay in the graph, unseen; with ``replace_deleted=1`` rows that are added take their places.
    """

    named = False

    def __init__(self, spec: EngineSpec, dim: int, metric: Metric, threads: int | None, seed: int) -> None:
        try:
            import hnswlib
        except ImportError as error:
            raise MissingExtra("hnswlib", "ann") from error
        defaults = {"M": 16, "ef_construction": 200, "ef": 10, "replace_deleted": 0}
        super().__init__(spec, dim, metric, threads, seed, defaults)
        self.traits = Traits(
            frozenset(_SPACES), adds=True, removes=True, ladder={"ef": (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512)}
        )
        if metric in _SPACES:  # what it cannot is refused by `open_index`
            self._index = hnswlib.Index(space=_SPACES[metric], dim=dim)

    def _start(self, reader: VectorReader) -> None:
        self._index.init_index(
            max_elements=reader.n,
            M=self.options["M"],
            ef_construction=self.options["ef_construction"],
            random_seed=self.seed,
            allow_replace_deleted=bool(self.options["replace_deleted"]),
        )

    def _put(self, labels: Ids, rows: NDArray[Any]) -> None:
        replace = bool(self.options["replace_deleted"])
        held = self._index.get_current_count()
        needed = max(held, self.n) if replace else held + len(rows)
        if needed > self._index.get_max_elements():
            self._index.resize_index(max(needed, 3 * self._index.get_max_elements() // 2))
        self._index.add_items(rows, labels, num_threads=self.threads, replace_deleted=replace)

    def _drop(self, labels: Ids) -> None:
        for label in labels.tolist():
            self._index.mark_deleted(label)

    def _find(self, rows: NDArray[Any], k: int, settings: dict[str, float]) -> tuple[NDArray[Any], NDArray[Any]]:
        self._index.set_ef(int(settings["ef"]))
        try:
            found: tuple[NDArray[Any], NDArray[Any]] = self._index.knn_query(rows, k, num_threads=self.threads)
        except RuntimeError as error:
            if _TOO_FEW not in str(error):
                raise
            return self._find_fewer(rows, k)
        return found[0].astype(np.int64), found[1]

    def _find_fewer(self, rows: NDArray[Any], k: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Ask query by query for as many as there are: hnswlib refuses all where one query finds fewer (#321)."""
        labels, raw = np.full((len(rows), k), -1), np.full((len(rows), k), np.nan, np.float32)
        for i, row in enumerate(rows):
            low, high = 0, k  # the largest count that is answered
            while low < high:
                middle = (low + high + 1) // 2
                try:
                    labels[i, :middle], raw[i, :middle] = self._index.knn_query(row, middle, num_threads=1)
                    low = middle
                except RuntimeError as error:
                    if _TOO_FEW not in str(error):
                        raise
                    high = middle - 1
        return labels, raw

    def _write(self, folder: Path) -> None:
        self._index.save_index(str(folder / _FILE))

    def _read(self, folder: Path) -> None:
        self._index.load_index(str(folder / _FILE), allow_replace_deleted=bool(self.options["replace_deleted"]))

    def _bytes(self) -> int:
        return int(self._index.index_file_size())
