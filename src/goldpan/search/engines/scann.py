"""ScaNN: a tree of lists, anisotropic codes, and the best scored again."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import MissingExtra
from goldpan.core.records import Floats, Ids, Metric
from goldpan.search.engines.adapter import Adapter
from goldpan.search.engines.protocol import Traits
from goldpan.search.engines.spec import EngineSpec, Option
from goldpan.search.readers import VectorReader

_PLACES = "places.npy"
_LEARNS_FROM = 250_000
_ANISOTROPY = 0.2  # the threshold that ScaNN's own examples take for inner products
_BATCH = 128


class Scann(Adapter):
    """``scann@leaves=0,dims_per_block=2,leaves_to_search=10,reorder=100``; 0 leaves are the square root of the rows.

    `reorder` is how many candidates are scored in float32. See `goldpan.search.engines.protocol.Index`.
    """

    named = False

    def __init__(self, spec: EngineSpec, dim: int, metric: Metric, threads: int | None, seed: int) -> None:
        try:
            from scann.scann_ops.py import scann_ops_pybind
        except ImportError as error:
            raise MissingExtra("scann", "ann") from error
        defaults: dict[str, Option] = {"leaves": 0, "dims_per_block": 2, "leaves_to_search": 10, "reorder": 100}
        super().__init__(spec, dim, metric, threads, seed, defaults)
        self.traits = Traits(
            frozenset(Metric) - {Metric.HAMMING},
            adds=True,
            removes=True,
            ladder={
                "leaves_to_search": (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
                "reorder": (20, 50, 100, 200, 400, 800),
            },
        )
        self._scann: Any = scann_ops_pybind
        self._index: Any = None
        self._waiting: NDArray[Any] | None = None
        # ScaNN puts its last row where one was removed: which label is at each place, and where each label is.
        self._labels_at: Ids = np.empty(0, np.int64)
        self._place_of: dict[int, int] = {}

    def _start(self, reader: VectorReader) -> None:
        self._waiting = np.empty((reader.n, self.dim), np.float32)

    def _put(self, labels: Ids, rows: NDArray[Any]) -> None:
        if self._waiting is not None:  # the tree is made over all rows at once
            self._waiting[labels] = rows
            return
        self._know_places()
        first = len(self._labels_at)
        self._index.searcher.upsert([None] * len(rows), rows, _BATCH)
        self._labels_at = np.concatenate([self._labels_at, labels])
        self._place_of.update(zip(labels.tolist(), range(first, first + len(labels)), strict=True))

    def _finish(self) -> None:
        rows, self._waiting = self._waiting, None
        assert rows is not None  # noqa: S101  `_start` made it
        leaves = min(int(self.options["leaves"]) or math.isqrt(len(rows)), len(rows))
        similar = self.metric.is_similarity
        builder = self._scann.builder(rows, 10, "dot_product" if similar else "squared_l2")
        builder = builder.set_n_training_threads(self.threads).tree(
            num_leaves=max(1, leaves), num_leaves_to_search=10, training_sample_size=min(len(rows), _LEARNS_FROM)
        )
        threshold = _ANISOTROPY if similar else math.nan
        builder = builder.score_ah(
            int(self.options["dims_per_block"]), anisotropic_quantization_threshold=threshold
        ).reorder(100)
        self._index = builder.build()
        self._labels_at = np.arange(len(rows))

    def _drop(self, labels: Ids) -> None:
        self._know_places()
        places = []
        for label in labels.tolist():
            place, last = self._place_of.pop(label), len(self._labels_at) - 1
            places.append(place)
            if place != last:
                moved = int(self._labels_at[last])
                self._labels_at[place] = moved
                self._place_of[moved] = place
            self._labels_at = self._labels_at[:last]
        self._index.searcher.delete(places)

    def _know_places(self) -> None:
        if not self._place_of:
            self._place_of = {label: place for place, label in enumerate(self._labels_at.tolist())}

    def _find(self, rows: NDArray[Any], k: int, settings: dict[str, float]) -> tuple[NDArray[Any], NDArray[Any]]:
        searched = self._index.search_batched
        if self.threads > 1:
            self._index.set_num_threads(self.threads)
            searched = self._index.search_batched_parallel
        places, raw = searched(
            rows,
            final_num_neighbors=k,
            pre_reorder_num_neighbors=max(k, int(settings["reorder"])),
            leaves_to_search=int(settings["leaves_to_search"]),
        )
        return np.where(np.isnan(raw), -1, self._labels_at[places]), raw

    def _scores(self, raw: NDArray[Any]) -> Floats:
        values = raw.astype(np.float64)
        return np.sqrt(np.maximum(values, 0.0)) if self.metric is Metric.L2 else values

    def _write(self, folder: Path) -> None:
        (folder / "scann").mkdir()
        self._index.serialize(str(folder / "scann"), relative_path=True)
        np.save(folder / _PLACES, self._labels_at, allow_pickle=False)

    def _read(self, folder: Path) -> None:
        self._index = self._scann.load_searcher(str(folder / "scann"))
        self._labels_at, self._place_of = np.load(folder / _PLACES, allow_pickle=False), {}

    def _bytes(self) -> int:
        """Return rows, codes of four bits and tokens of lists: ScaNN does not count."""
        codes = -(-self.dim // int(self.options["dims_per_block"])) // 2
        return len(self._labels_at) * (4 * self.dim + codes + 4)
