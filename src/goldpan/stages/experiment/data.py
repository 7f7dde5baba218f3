"""Data sets of an experiment: base, queries and a truth that is looked at before anything is measured with it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.arrays import check_vectors
from goldpan.core.errors import InputError
from goldpan.core.progress import Progress
from goldpan.core.records import Floats, Ids, Metric, Neighbors, parse_metric
from goldpan.formats.atomic import replace_file
from goldpan.formats.benchmark_open import open_benchmark
from goldpan.formats.truth import Truth, read_truth
from goldpan.formats.vectors import open_vectors, parse_address
from goldpan.search.exact import exact_search
from goldpan.search.readers import VectorReader, as_reader
from goldpan.stages.experiment.config import EXACT, DatasetConfig

_BLOCK_BYTES = 8 << 20
_CHECKED_QUERIES = 16
_SLACK = 1e-4  # of the largest score: a truth in float32 passes, a wrong one does not


@dataclass(frozen=True, slots=True)
class Data:
    """A data set, open.

    Attributes:
        name: what it is called in the results.
        base: the rows to search.
        queries: ``(n_queries, d)``.
        metric: how near is measured.
        truth: ids and float64 scores of the nearest rows, at least as deep as the largest k.
        origin: where the truth comes from: an address, or "exact search".
        digest: of base, queries and metric; the same wherever the files lie.
        queries_in_base: how many queries are their own nearest row: rows of the base.
    """

    name: str
    base: VectorReader
    queries: NDArray[Any]
    metric: Metric
    truth: Neighbors
    origin: str
    digest: str
    queries_in_base: int

    def as_dict(self) -> dict[str, Any]:
        """Return what the results say of it."""
        return {
            "dataset": self.name,
            "n": self.base.n,
            "dim": self.base.dim,
            "dtype": np.dtype(self.base.dtype).name,
            "metric": str(self.metric),
            "queries": len(self.queries),
            "queries_in_base": self.queries_in_base,
            "truth": self.origin,
            "truth_k": self.truth.ids.shape[1],
            "digest": self.digest,
        }


class _Parts(NamedTuple):
    base: VectorReader
    queries: VectorReader
    truth: Truth | None
    metric: Metric | None


def open_data(config: DatasetConfig, k: int, seed: int, cache: Path, progress: Progress) -> Data:
    """Open a data set; compute its truth where it brings none that is deep enough.

    Args:
        config: which.
        k: how deep the truth must be.
        seed: of synthetic data.
        cache: folder where computed truths are kept.
        progress: told in base rows while a truth is computed.

    Raises:
        InputError: a file is missing, no metric is known, k exceeds the base, or the truth is wrong.
        ArrayError: base and queries do not go together.
        FormatError: a file is damaged.
    """
    parts = _parts(config, seed)
    if parts.metric is None:
        raise InputError(f'{config.label} does not name a metric; add metric = "ip", "cosine", "l2" or "hamming".')
    count = min(parts.queries.n, config.n_queries or parts.queries.n)
    queries = check_vectors(np.array(parts.queries.read(0, count)), name="queries", dim=parts.base.dim)
    if k > parts.base.n:
        raise InputError(f"k = {k} is more than the {parts.base.n} rows of {config.label}; lower k.")
    digest = digest_of(parts.base, queries, parts.metric)
    origin = config.truth or config.source or ""
    given = None if config.truth == EXACT else parts.truth
    if given is not None and given.ids.shape[1] >= k and len(given.ids) >= count:
        found = _checked(parts.base, queries, given.ids[:count], parts.metric, f"{config.label} ({origin})")
    else:
        found, origin = _computed(parts, queries, k, cache / f"{digest}.npz", progress), "exact search"
    nearest = _take(parts.base, found.ids[:, 0])
    in_base = int((nearest == queries).all(axis=1).sum())
    return Data(config.label, parts.base, queries, parts.metric, found, origin, digest, in_base)


def _parts(config: DatasetConfig, seed: int) -> _Parts:
    metric = None if config.metric is None else parse_metric(config.metric)
    if config.source is None:
        assert config.base is not None and config.queries is not None  # noqa: S101  the configuration sees to it
        base, queries = open_vectors(config.base), open_vectors(config.queries)
        known = metric or base.metric or queries.metric
        given = read_truth(config.truth) if config.truth not in (None, EXACT) else None
        return _Parts(base, queries, given, known)
    if parse_address(config.source).path.exists():
        files = open_benchmark(config.source, metric)
        return _Parts(files.base, files.queries, files.truth, files.metric)
    return _synthetic(config, metric, seed)


def _synthetic(config: DatasetConfig, metric: Metric | None, seed: int) -> _Parts:
    from goldpan.search.synthetic import RANDOM_XS, SPARSE, open_dataset

    name = str(config.source)
    if name == SPARSE:
        raise InputError(f"Data set {SPARSE} is sparse; engines search dense rows. Choose another one.")
    fixed = name.lower() == RANDOM_XS  # its queries are cut afterwards
    made = open_dataset(name, n=config.n, dim=config.dim, n_queries=None if fixed else config.n_queries, seed=seed)
    return _Parts(as_reader(made.base, "base"), as_reader(made.queries, "queries"), None, metric or made.metric)


def digest_of(base: VectorReader, queries: NDArray[Any], metric: Metric) -> str:
    """Return a short hash of the values, shapes and metric."""
    seen = hashlib.sha256(f"{base.n} {base.dim} {np.dtype(base.dtype)} {queries.dtype} {metric}".encode())
    seen.update(np.ascontiguousarray(queries).data)
    step = max(1, _BLOCK_BYTES // (base.dim * np.dtype(base.dtype).itemsize))
    for start in range(0, base.n, step):
        seen.update(np.ascontiguousarray(base.read(start, min(base.n, start + step))).data)
    return seen.hexdigest()[:16]


def _computed(parts: _Parts, queries: NDArray[Any], k: int, path: Path, progress: Progress) -> Neighbors:
    """Return the exact truth, from the cache where it was computed before; deeper than k, to show ties past it."""
    assert parts.metric is not None  # noqa: S101  the caller looked
    if path.is_file():
        with np.load(path, allow_pickle=False) as kept:
            found = Neighbors(kept["ids"], kept["scores"])
        if found.ids.shape[1] >= k:
            return found
    depth = min(parts.base.n, max(2 * k, 100))
    found = exact_search(parts.base, queries, depth, parts.metric, progress=progress).neighbors
    with replace_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, ids=found.ids, scores=found.scores)
    return found


def _checked(base: VectorReader, queries: NDArray[Any], ids: Ids, metric: Metric, name: str) -> Neighbors:
    """Score a given truth in float64, and compare some of it with an exact search.

    Raises:
        InputError: it is not the truth of these vectors.
    """
    if ids.max() >= base.n:
        raise InputError(
            f"The truth of {name} names row {ids.max()}; the base has rows 0 to {base.n - 1}. "
            'It may count from 1, or belong to a larger base; write truth = "exact" to have it computed.'
        )
    some = np.unique(np.linspace(0, len(queries) - 1, _CHECKED_QUERIES).astype(np.int64))
    exact = exact_search(base, queries[some], ids.shape[1], metric).neighbors.scores
    given = scores_of(base, queries[some], ids[some], metric)
    wrong = np.abs(np.nan_to_num(given, nan=np.inf) - exact).max(axis=1) > _SLACK * max(1e-30, np.abs(exact).max())
    if wrong.any():
        raise InputError(
            f"The truth of {name} is wrong for query {some[wrong][0]} (and {int(wrong.sum()) - 1} of "
            f"{len(some) - 1} others looked at) under {metric}: another metric, ids that count from 1, or another "
            'base; write truth = "exact" to have it computed.'
        )
    return Neighbors(ids, scores_of(base, queries, ids, metric))


def scores_of(base: VectorReader, queries: NDArray[Any], ids: Ids, metric: Metric) -> Floats:
    """Return the values of the metric between each query and the rows listed for it, float64, nan for id -1.

    Args:
        base: ``n`` rows.
        queries: ``(n_queries, d)``.
        ids: ``(n_queries, k)`` rows of the base, or -1.
        metric: how rows are compared.
    """
    scores = np.empty(ids.shape)
    step = max(1, _BLOCK_BYTES // (8 * base.dim * ids.shape[1]))
    for start in range(0, len(queries), step):
        part = ids[start : start + step]
        rows = _take(base, np.maximum(part, 0).ravel()).reshape(*part.shape, base.dim)
        scores[start : start + step] = _compare(queries[start : start + step, None], rows, metric)
    return np.where(ids < 0, np.nan, scores)


def _take(base: VectorReader, rows: Ids) -> NDArray[Any]:
    """Return rows by number; the readers of `goldpan.formats` and arrays each have their own way."""
    taken: NDArray[Any] = base.take(rows) if hasattr(base, "take") else base.read(0, base.n)[rows]
    return taken


def _compare(left: NDArray[Any], right: NDArray[Any], metric: Metric) -> Floats:
    if metric is Metric.HAMMING:
        bits: Floats = np.bitwise_count(left ^ right).sum(axis=-1, dtype=np.float64)
        return bits
    left, right = left.astype(np.float64), right.astype(np.float64)
    if metric.is_similarity:
        products: Floats = (left * right).sum(axis=-1)
        if metric is Metric.IP:
            return products
        lengths = np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1)
        cosines: Floats = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
        return cosines
    squares: Floats = ((left - right) ** 2).sum(axis=-1)
    return squares if metric is Metric.SQEUCLIDEAN else np.sqrt(squares)
