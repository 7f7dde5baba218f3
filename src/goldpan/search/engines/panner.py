"""goldpan's own index: lists of byte codes, scanned for many queries at once by the kernels of exact search.

An inverted file (Sivic and Zisserman, "Video Google", ICCV 2003): k-means centers, each row in the list of its nearest
one, held as the rotated and rounded difference to the center. A batch of queries is sorted by list, so that a list is
read once for all of them and its codes meet theirs in tiles of integer products; the best estimates are computed again
in float32. Rows come and go by copying a few codes, so there is nothing to rebuild.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError
from goldpan.core.records import Floats, Ids, Metric
from goldpan.search.bounds import Packed, Packing, Rotation
from goldpan.search.engines.adapter import Adapter
from goldpan.search.engines.protocol import Traits
from goldpan.search.engines.slots import Slots
from goldpan.search.engines.spec import EngineSpec
from goldpan.search.readers import VectorReader

Float32s = NDArray[np.float32]
_METRICS = frozenset({Metric.IP, Metric.COSINE, Metric.L2, Metric.SQEUCLIDEAN})
_LADDER = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_TRAINING_ROWS = 64  # a list
_BATCH, _FEWEST = 1024, 64  # queries a task
_BLOCK = 16384


class Codes(NamedTuple):
    """Rows as the lists take them: words of codes, and their scales."""

    words: NDArray[np.int32]
    scale: Float32s


class Panner(Adapter):
    """``panner@lists=0,nprobe=16,refine=2``; see `goldpan.search.engines.protocol.Index`.

    ``lists=0`` takes the square root of the rows; ``refine`` times k estimates are computed again in float32.
    """

    def __init__(self, spec: EngineSpec, dim: int, metric: Metric, threads: int | None, seed: int) -> None:
        super().__init__(spec, dim, metric, threads, seed, {"lists": 0, "nprobe": 16, "refine": 2})
        self.traits = Traits(_METRICS, adds=True, removes=True, consolidates=True, ladder={"nprobe": _LADDER})
        self._distance = metric in (Metric.L2, Metric.SQEUCLIDEAN)
        self._slots = Slots(dim)
        if not float(self.options["refine"]) >= 1 or not int(self.options["lists"]) >= 0:
            raise InputError(f"{spec}: refine must be 1 or more, and lists 0 or more.")

    def _start(self, reader: VectorReader) -> None:
        self._slots.reserve(reader.n)
        wanted = int(self.options["lists"]) or round(reader.n**0.5)
        count = max(1, min(wanted, reader.n))
        sample = self._sampled(reader, count * _TRAINING_ROWS)
        self._mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32) if self._distance else self._origin()
        self._centered(_centers(sample - self._mean, count, self.threads, self.seed))

    def _centered(self, centers: Float32s) -> None:
        """Make empty lists around centers, ``(lists, dim)``, given from the mean."""
        from goldpan._kernels import compiled_module
        from goldpan.search.native import native_kernels

        self._centers = centers
        self._half_squares = 0.5 * np.einsum("ij,ij->i", centers, centers)
        self._loops = native_kernels()
        self._narrow = self._loops.narrow is not None and self.dim < 1 << 16
        self._rotation = Rotation.of(self.dim) if self._narrow else None
        self._lists = compiled_module().Lists(self._loops.level, self._narrow, self._width // 4, len(centers))

    @property
    def _width(self) -> int:
        """Bytes of the codes of a row: whole words."""
        return self.dim + -self.dim % 4 if self._narrow else 2 * (self.dim + self.dim % 2)

    def _origin(self) -> Float32s:
        return np.zeros(self.dim, np.float32)

    def _put(self, labels: Ids, rows: NDArray[Any]) -> None:
        for start in range(0, len(rows), _BLOCK):
            part = rows[start : start + _BLOCK]
            self._list(self._slots.give(labels[start : start + _BLOCK], part), part)

    def _finish(self) -> None:
        self._lists.shrink()

    def _list(self, slots: NDArray[np.int32], rows: NDArray[Any]) -> None:
        """Put rows that have their slots into the lists of their nearest centers."""
        moved = rows - self._mean
        owners = (moved @ self._centers.T - self._half_squares).argmax(axis=1).astype(np.int32)
        codes = self._encoded(moved - self._centers[owners])
        offset = 0.5 * np.einsum("ij,ij->i", moved, moved) if self._distance else np.zeros(len(rows), np.float32)
        self._lists.add(owners, slots, codes.words, codes.scale, offset)

    def _encoded(self, rows: Float32s) -> Codes:
        n = len(rows)
        codes = np.empty((n, self._width), np.int8)
        typed = codes if self._narrow else codes.view(np.int16)
        packed = Packed(typed, np.empty(n), np.empty(n), np.empty(n))
        how = Packing(np.zeros(self.dim), unit=False, whole=False, panels=False, rotation=self._rotation)
        self._loops.pack(rows, packed, how)
        return Codes(codes.view(np.int32), packed.scale.astype(np.float32))

    def _drop(self, labels: Ids) -> None:
        self._lists.remove(self._slots.take(labels))

    def _find(self, rows: NDArray[Any], k: int, settings: dict[str, float]) -> tuple[NDArray[Any], NDArray[Any]]:
        nprobe = min(len(self._centers), int(settings["nprobe"]))
        pool = max(k + 16, int(k * float(self.options["refine"])))
        slots, keys = np.empty((len(rows), k), np.int32), np.empty((len(rows), k), np.float32)
        step = max(_FEWEST, min(_BATCH, -(-len(rows) // self.threads)))
        moved = rows - self._mean if self._distance else rows
        near = moved @ self._centers.T  # by all threads of the BLAS, before ours begin

        def search(start: int) -> None:
            part = slice(start, start + step)
            probes, codes = self._probes(near[part], nprobe), self._encoded(moved[part])
            arguments = codes.words, codes.scale, rows[part], *probes, self._slots.rows, self._distance, pool
            self._lists.search(*arguments, slots[part], keys[part])

        starts = range(0, len(rows), step)
        if len(starts) == 1:
            search(0)
        else:
            with ThreadPoolExecutor(self.threads) as threads:
                list(threads.map(search, starts))
        return self._slots.labels_of(slots), -keys if self._distance else keys

    def _probes(self, near: Float32s, nprobe: int) -> tuple[NDArray[np.int32], Float32s]:
        """Return for each query the lists to look into, the most promising first, and q·center of each."""
        promise = near - self._half_squares if self._distance else near
        lists = np.argpartition(-promise, nprobe - 1, axis=1)[:, :nprobe]
        best = np.take_along_axis(promise, lists, axis=1).argmax(axis=1)[:, None]
        first = np.take_along_axis(lists, best, axis=1)
        np.put_along_axis(lists, best, lists[:, :1].copy(), axis=1)
        lists[:, :1] = first
        return lists.astype(np.int32), np.ascontiguousarray(np.take_along_axis(near, lists, axis=1))

    def consolidate(self) -> None:
        """Learn the centers anew where rows have drifted away from them: a list has 8 times its share."""
        sizes = np.array(self._lists.sizes(len(self._centers))) if self.n else np.zeros(1)
        if sizes.max() <= max(64, 8 * sizes.mean()):
            return
        slots = self._slots.live()
        chosen = np.random.default_rng(self.seed).permutation(slots)[: len(self._centers) * _TRAINING_ROWS]
        sample = self._slots.rows[np.sort(chosen)] - self._mean
        self._centered(_centers(sample, min(len(self._centers), len(slots)), self.threads, self.seed))
        for start in range(0, len(slots), _BLOCK):
            part = slots[start : start + _BLOCK]
            self._list(part, self._slots.rows[part])

    def _scores(self, raw: NDArray[Any]) -> Floats:
        values = raw.astype(np.float64)
        return np.sqrt(np.maximum(values, 0.0)) if self.metric is Metric.L2 else values

    def _write(self, folder: Path) -> None:
        slots = self._slots.live()
        arrays = {"centers": self._centers, "mean": self._mean, "rows": self._slots.rows[slots]}
        for name, array in (arrays | {"labels": self._slots.labels_of(slots)}).items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)

    def _read(self, folder: Path) -> None:
        centers, self._mean, rows, labels = (
            np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("centers", "mean", "rows", "labels")
        )
        self._centered(centers)
        self._put(labels, rows)

    def _bytes(self) -> int:
        return int(self._lists.bytes()) + self._slots.nbytes + self._centers.nbytes


def _centers(sample: Float32s, count: int, threads: int, seed: int) -> Float32s:
    """Return k-means centers, ``(count, dim)`` float32."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        means = faiss.Kmeans(sample.shape[1], count, niter=8, seed=seed, min_points_per_centroid=1, verbose=False)
        means.train(np.ascontiguousarray(sample))
    finally:
        faiss.omp_set_num_threads(before)
    return np.asarray(means.centroids, np.float32)
