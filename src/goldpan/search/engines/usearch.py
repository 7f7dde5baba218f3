"""usearch: HNSW over rows that are stored in fewer bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError, MissingExtra
from goldpan.core.records import Ids, Metric
from goldpan.search.engines.adapter import Adapter
from goldpan.search.engines.protocol import Traits
from goldpan.search.engines.spec import EngineSpec, Option
from goldpan.search.readers import VectorReader

_FILE = "index.usearch"
_NAMES = {Metric.IP: "ip", Metric.COSINE: "cos", Metric.L2: "l2sq", Metric.SQEUCLIDEAN: "l2sq"}
_FLOATS = frozenset(_NAMES)
# Its int8 rows are scaled to one length, so their inner products and distances are not those of the rows.
_METRICS = {"bf16": _FLOATS, "f16": _FLOATS, "f32": _FLOATS, "i8": frozenset({Metric.COSINE})}


class Usearch(Adapter):
    """``usearch@dtype=bf16,connectivity=16,expansion_add=128,expansion_search=64``, dtype bf16, f16, f32 or i8.

    Hamming is searched in packed bits, whatever the dtype. See `goldpan.search.engines.protocol.Index`.
    """

    named = False

    def __init__(self, spec: EngineSpec, dim: int, metric: Metric, threads: int | None, seed: int) -> None:
        try:
            import usearch.index
        except ImportError as error:
            raise MissingExtra("usearch", "ann") from error
        defaults: dict[str, Option] = {
            "dtype": "bf16",
            "connectivity": 16,
            "expansion_add": 128,
            "expansion_search": 64,
        }
        super().__init__(spec, dim, metric, threads, seed, defaults)
        dtype = str(self.options["dtype"])
        if dtype not in _METRICS:
            raise InputError(f"{spec}: dtype must be one of {', '.join(_METRICS)}, not {dtype}.")
        self.traits = Traits(
            _METRICS[dtype] | {Metric.HAMMING},
            adds=True,
            removes=True,
            ladder={"expansion_search": (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512)},
        )
        bits = metric is Metric.HAMMING
        self._index = usearch.index.Index(
            ndim=8 * dim if bits else dim,
            metric="hamming" if bits else _NAMES[metric],
            dtype="b1" if bits else dtype,
            connectivity=self.options["connectivity"],
            expansion_add=self.options["expansion_add"],
            expansion_search=self.options["expansion_search"],
        )

    def _start(self, reader: VectorReader) -> None:
        """Nothing is learned, and room is made as rows come."""

    def _put(self, labels: Ids, rows: NDArray[Any]) -> None:
        self._index.add(labels.astype(np.uint64), rows, threads=self.threads)

    def _drop(self, labels: Ids) -> None:
        self._index.remove(labels.astype(np.uint64), threads=self.threads)

    def _find(self, rows: NDArray[Any], k: int, settings: dict[str, float]) -> tuple[NDArray[Any], NDArray[Any]]:
        self._index.expansion_search = int(settings["expansion_search"])
        found = self._index.search(rows, k, threads=self.threads)
        if len(rows) == 1:  # one query has answers of its own kind, cut to what was found
            labels, raw = np.full((1, k), -1), np.full((1, k), np.nan, np.float32)
            count = len(np.atleast_2d(found.keys)[0])
            labels[0, :count], raw[0, :count] = np.atleast_2d(found.keys)[0], np.atleast_2d(found.distances)[0]
            return labels, raw
        there = np.arange(k) < np.asarray(found.counts)[:, None]  # beyond the counts lies whatever was in memory
        return np.where(there, found.keys, 0).astype(np.int64) - ~there, found.distances

    def _write(self, folder: Path) -> None:
        self._index.save(str(folder / _FILE))

    def _read(self, folder: Path) -> None:
        self._index.load(str(folder / _FILE))

    def _bytes(self) -> int:
        return int(self._index.memory_usage)
