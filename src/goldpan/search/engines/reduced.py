"""A faiss index over the main directions of the rows, and the whole rows beside it for the last comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError
from goldpan.core.records import Floats, Ids, Metric
from goldpan.search.engines.faiss import Faiss, _faiss
from goldpan.search.engines.spec import EngineSpec, Option, read_options
from goldpan.search.readers import VectorReader

_OWN: dict[str, Option] = {"dims": 128, "keep": "f16", "weigh": 0}
_KEPT = {"f32": "Flat", "f16": "SQfp16", "i8": "SQ8"}
_LEAST_TRAINED, _TRAINED_A_LIST = 16_384, 48
_CODEBOOK_ROUNDS, _ROWS_A_CODE = 8, 48  # the rest of faiss's 25 rounds over 256 rows a code gains nothing measurable


class Reduced(Faiss):
    """``reduced:FACTORY@dims=128,keep=f16,weigh=0`` and the options of `Faiss`; metrics of floats.

    Rows and queries are turned onto the `dims` directions that hold most of what the metric sees: principal axes of
    the second moment for similarities, where a shift of the rows would change their order, and of the covariance for
    distances. FACTORY indexes what is left; `keep` says in which type the whole rows stay beside it, to compare the
    best ``k * k_factor_rf`` again: f32, f16, i8 or none.

    ``weigh=1`` (similarities only) stretches each direction of the rows by how much queries use it and shrinks the
    queries alike, which leaves the products as they are but makes a code spend its bits where an error would count.
    Before product quantization the directions are dealt out so that all parts carry equally much (the allocation of
    Ge, He, Ke and Sun, "Optimized Product Quantization", 2013), which needs none of OPQ's training.

    The file is one of faiss: it answers queries as they are.
    """

    def __init__(self, spec: EngineSpec, dim: int, metric: Metric, threads: int | None, seed: int) -> None:
        own = EngineSpec(spec.kind, spec.name, {key: v for key, v in spec.options.items() if key in _OWN})
        chosen = read_options(own, _OWN)
        self._dims, self._keep, self._weigh = int(chosen["dims"]), str(chosen["keep"]), bool(chosen["weigh"])
        if self._dims > dim:
            raise InputError(f"{spec}: dims must be 1 to {dim}, the dimension of the rows, not {self._dims}.")
        if self._keep not in (*_KEPT, "none"):
            raise InputError(f"{spec}: keep must be one of {', '.join(_KEPT)} and none, not {self._keep}.")
        if self._weigh and not metric.is_similarity:
            raise InputError(f"{spec}: weigh is for ip and cosine, not for {metric}.")
        rest = {key: value for key, value in spec.options.items() if key not in _OWN}
        super().__init__(EngineSpec(spec.kind, spec.name, rest), dim, metric, threads, seed)
        self.spec = str(spec)

    def _made(self, spec: EngineSpec, dim: int, metric: Metric) -> tuple[Any, Any]:
        faiss = _faiss()
        inner, lists = super()._made(spec, self._dims, metric)
        self._turn = faiss.LinearTransform(dim, self._dims, False)
        index = faiss.IndexPreTransform(self._turn, inner)
        if self._keep != "none":
            kind = faiss.METRIC_INNER_PRODUCT if metric.is_similarity else faiss.METRIC_L2
            index = faiss.IndexRefine(index, faiss.index_factory(dim, _KEPT[self._keep], kind))
        self._parts(index)
        return index, lists

    def _parts(self, index: Any) -> None:
        """Find the parts of an index that was made or read."""
        faiss = _faiss()
        self._refine = faiss.downcast_index(index.refine_index) if self._keep != "none" else None
        self._turned = faiss.downcast_index(index.base_index) if self._keep != "none" else index
        self._inner = faiss.downcast_index(self._turned.index)

    def _start(self, reader: VectorReader) -> None:
        lists = 0 if self._lists is None else self._lists.nlist
        sample = self._sampled(reader, int(self.options["train"]) or max(_LEAST_TRAINED, _TRAINED_A_LIST * lists))
        axes, values = _main_axes(sample[:_LEAST_TRAINED], self._dims, center=not self.metric.is_similarity)
        quantizer = getattr(self._inner, "pq", None)
        centers = residuals = None
        if quantizer is not None:
            quantizer.cp.niter, quantizer.cp.max_points_per_centroid = _CODEBOOK_ROUNDS, _ROWS_A_CODE
            quantizer.cp.min_points_per_centroid = 1  # it would warn on stderr
            plain = np.ascontiguousarray(sample @ axes.T, np.float32)
            if self._routes:
                centers = _centers(plain, lists, self.seed)
                residuals = plain - centers[_nearest(plain, centers)]
            spread = (plain if residuals is None else residuals).var(axis=0, dtype=np.float64) + 1e-30
            order = dealt_out(spread * values if self._weigh else spread, quantizer.M)
            axes, values = axes[order], values[order]
            if centers is not None and residuals is not None:
                centers, residuals = centers[:, order], residuals[:, order]
        weights = (
            np.sqrt(values * len(values) / values.sum()).astype(np.float32) if self._weigh else np.ones_like(values)
        )
        self._turn_by(np.ascontiguousarray(axes / weights[:, None], np.float32))
        if centers is not None and residuals is not None:
            self._route(centers, residuals)
        elif not self._inner.is_trained:
            self._on(self._inner, "train", self._reduced(sample))
        if self._refine is not None and not self._refine.is_trained:
            self._on(self._refine, "train", sample)
        self._turned.is_trained = self._index.is_trained = True

    @property
    def _routes(self) -> bool:
        """True where we, and not faiss, choose the lists: its centers of stretched rows would be poor ones."""
        return self._weigh and isinstance(self._lists, _faiss().IndexIVFPQ)

    def _turn_by(self, turn: NDArray[np.float32]) -> None:
        _faiss().copy_array_to_vector(turn.ravel(), self._turn.A)
        self._turn.is_trained, self._turn.is_orthonormal = True, not self._weigh
        self._axes = _of_rows(turn)
        self._stretch = 1 / np.linalg.norm(turn, axis=1).astype(np.float32)

    def _route(self, centers: NDArray[np.float32], residuals: NDArray[np.float32]) -> None:
        """Train lists and codes: centers are means of rows as they are, codes are of what is left, stretched."""
        self._centers = centers
        self._on(self._lists.quantizer, "add", np.ascontiguousarray(centers * self._stretch))
        _faiss().omp_set_num_threads(self.threads)
        self._lists.pq.train(np.ascontiguousarray(residuals * self._stretch))
        self._lists.is_trained = self._inner.is_trained = True

    def _put(self, labels: Ids, rows: NDArray[Any]) -> None:
        reduced = self._reduced(rows)
        if self._routes:
            swig = _faiss().swig_ptr
            nearest, numbers = _nearest(reduced / self._stretch, self._centers), np.ascontiguousarray(labels)
            if not self._by_ids:
                numbers = np.arange(self._lists.ntotal, self._lists.ntotal + len(rows))
            self._lists.add_core(len(rows), swig(reduced), swig(numbers), swig(nearest))
        elif self._by_ids:
            self._on(self._inner, "add_with_ids", reduced, labels)
        else:
            self._on(self._inner, "add", reduced)
        if self._refine is not None:
            self._on(self._refine, "add", rows)
        self._turned.ntotal = self._index.ntotal = self._inner.ntotal

    def _reduced(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        return np.ascontiguousarray(rows @ self._axes.T, np.float32)

    def _on(self, index: Any, method: str, *args: Any) -> None:
        """Call a part of the index as `_call` calls the whole."""
        whole, self._index = self._index, index
        try:
            self._call(method, *args)
        finally:
            self._index = whole

    def _read(self, folder: Path) -> None:
        super()._read(folder)
        faiss = _faiss()
        self._parts(self._index)
        self._turn = faiss.downcast_VectorTransform(self._turned.chain.at(0))
        self._turn_by(faiss.vector_to_array(self._turn.A).reshape(self._dims, self.dim))
        if self._routes:
            self._centers = self._lists.quantizer.reconstruct_n(0, self._lists.nlist) / self._stretch


def _of_rows(turn: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what turns rows where `turn` turns queries: products of the two are those of the plain axes."""
    rows: NDArray[np.float32] = turn / (turn.astype(np.float64) ** 2).sum(axis=1, keepdims=True).astype(np.float32)
    return rows


def _main_axes(sample: NDArray[Any], count: int, *, center: bool) -> tuple[NDArray[np.float32], Floats]:
    """Return the principal axes, ``(count, dim)``, most first, and the mean square of the rows along each."""
    rows = sample - sample.mean(axis=0) if center else sample
    values, axes = np.linalg.eigh((rows.T @ rows).astype(np.float64) / len(rows))
    most = slice(None, -count - 1, -1)
    return axes[:, most].T.astype(np.float32), np.maximum(values[most], 1e-12 * max(values[-1], 1e-30))


def _centers(rows: NDArray[np.float32], count: int, seed: int) -> NDArray[np.float32]:
    """Return the centers of k-means."""
    faiss = _faiss()
    settings = faiss.ClusteringParameters()
    settings.niter, settings.seed, settings.min_points_per_centroid = _CODEBOOK_ROUNDS, seed, 1
    found = faiss.Clustering(rows.shape[1], count, settings)
    found.train(rows, faiss.IndexFlatL2(rows.shape[1]))
    centers: NDArray[np.float32] = faiss.vector_to_array(found.centroids).reshape(count, rows.shape[1])
    return centers


def _nearest(rows: NDArray[np.float32], centers: NDArray[np.float32]) -> Ids:
    """Return the number of the nearest center of each row, ``(m,)`` int64."""
    found: Ids = _faiss().knn(rows, np.ascontiguousarray(centers), 1)[1][:, 0]
    return np.ascontiguousarray(found, np.int64)


def dealt_out(values: Floats, parts: int) -> Ids:
    """Return an order of directions in which each of `parts` runs of equal length carries about equally much.

    Args:
        values: ``(n,)`` mean squares above 0, n a multiple of `parts`.
        parts: how many runs.
    """
    size = len(values) // parts
    runs: list[list[int]] = [[] for _ in range(parts)]
    carried = np.zeros(parts)
    logs = np.log(values) - np.log(values.min())
    for direction in np.argsort(-values, kind="stable"):
        run = int(np.argmin(carried))
        runs[run].append(int(direction))
        carried[run] = np.inf if len(runs[run]) == size else carried[run] + logs[direction]
    return np.concatenate([np.array(run, np.int64) for run in runs])
