"""Scalable Vector Search: Vamana graphs, built once or changing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError, MissingExtra
from goldpan.core.records import Floats, Ids, Metric
from goldpan.search.engines.adapter import Adapter
from goldpan.search.engines.protocol import Traits
from goldpan.search.engines.spec import EngineSpec, Option
from goldpan.search.readers import VectorReader

_PARTS = ("config", "graph", "data")
_FLOATS = frozenset(Metric) - {Metric.HAMMING}
_DTYPES = {"f32": np.float32, "f16": np.float16}


class Svs(Adapter):
    """``svs@dtype=f32,graph_max_degree=64,window_size=128,search_window_size=10``; ``svs:dynamic`` adds and removes.

    Rows are held in f32 or, where nothing changes, f16. Its compressed rows (LVQ, LeanVec) end the process on
    processors that are not Intel's, and are not offered. See `goldpan.search.engines.protocol.Index`.
    """

    def __init__(self, spec: EngineSpec, dim: int, metric: Metric, threads: int | None, seed: int) -> None:
        try:
            import svs
        except ImportError as error:
            raise MissingExtra("scalable-vs", "ann") from error
        defaults: dict[str, Option] = {
            "dtype": "f32",
            "graph_max_degree": 64,
            "window_size": 128,
            "search_window_size": 10,
        }
        super().__init__(spec, dim, metric, threads, seed, defaults)
        if spec.name not in ("", "dynamic"):
            raise InputError(f"{spec}: name svs or svs:dynamic.")
        self._svs: Any = svs
        self._dynamic = spec.name == "dynamic"
        dtype = str(self.options["dtype"])
        if dtype not in _DTYPES or (self._dynamic and dtype != "f32"):
            raise InputError(f"{spec}: dtype must be f32{'' if self._dynamic else ' or f16'}, not {dtype}.")
        self.traits = Traits(
            _FLOATS,
            adds=self._dynamic,
            removes=self._dynamic,
            consolidates=self._dynamic,
            ladder={"search_window_size": (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512)},
        )
        self._index: Any = None
        self._waiting: NDArray[Any] | None = None
        self._held = 0

    @property
    def _distance(self) -> Any:
        """Their inner product, which for cosine meets rows of unit length, or their squared distance."""
        return self._svs.DistanceType.MIP if self.metric.is_similarity else self._svs.DistanceType.L2

    def _start(self, reader: VectorReader) -> None:
        self._waiting = np.empty((reader.n, self.dim), _DTYPES[str(self.options["dtype"])])

    def _put(self, labels: Ids, rows: NDArray[Any]) -> None:
        if self._waiting is not None:  # a graph is built over all rows at once
            self._waiting[labels] = rows
        else:
            self._index.num_threads = self.threads
            self._index.add(rows, labels.astype(np.uint64))
        self._held += len(rows)

    def _finish(self) -> None:
        rows, self._waiting = self._waiting, None
        how = self._svs.VamanaBuildParameters(
            alpha=0.95 if self.metric.is_similarity else 1.2,
            graph_max_degree=self.options["graph_max_degree"],
            window_size=self.options["window_size"],
        )
        if self._dynamic:
            ids = np.arange(self._held, dtype=np.uint64)
            self._index = self._svs.DynamicVamana.build(how, rows, ids, self._distance, self.threads)
        else:
            self._index = self._svs.Vamana.build(how, rows, self._distance, num_threads=self.threads)

    def _drop(self, labels: Ids) -> None:
        self._index.delete(labels.astype(np.uint64))

    def consolidate(self) -> None:
        """Patch the graph around removed rows, and give their memory back."""
        if self._dynamic and self.n and self._held > self.n:
            self._index.num_threads = self.threads
            self._index.consolidate()
            self._index.compact(1000)
            self._held = self.n

    def _find(self, rows: NDArray[Any], k: int, settings: dict[str, float]) -> tuple[NDArray[Any], NDArray[Any]]:
        self._index.num_threads = self.threads
        self._index.search_window_size = max(k, int(settings["search_window_size"]))
        labels, raw = self._index.search(rows, k)
        labels = labels.astype(np.int64)
        # Where it found fewer, one label fills the rest of the row.
        unfilled = np.logical_and.accumulate((labels == labels[:, -1:])[:, ::-1], axis=1)[:, ::-1]
        unfilled[unfilled.sum(axis=1) < 2] = False
        return np.where(unfilled, -1, labels), raw

    def _scores(self, raw: NDArray[Any]) -> Floats:
        values = raw.astype(np.float64)
        return np.sqrt(np.maximum(values, 0.0)) if self.metric is Metric.L2 else values

    def _write(self, folder: Path) -> None:
        self._index.save(*(str(folder / part) for part in _PARTS))

    def _read(self, folder: Path) -> None:
        config, graph, data = (str(folder / part) for part in _PARTS)
        dtype = self._svs.DataType.float16 if self.options["dtype"] == "f16" else self._svs.DataType.float32
        self._index = (self._svs.DynamicVamana if self._dynamic else self._svs.Vamana)(
            config,
            self._svs.GraphLoader(graph),
            self._svs.VectorDataLoader(data, dtype),
            self._distance,
            query_type=self._svs.DataType.float32,
            num_threads=self.threads,
        )
        self._held = self.n

    def _bytes(self) -> int:
        """Return rows and graph: svs does not count."""
        row = self.dim * np.dtype(_DTYPES[str(self.options["dtype"])]).itemsize
        return self._held * (row + 4 * (int(self.options["graph_max_degree"]) + 1))
