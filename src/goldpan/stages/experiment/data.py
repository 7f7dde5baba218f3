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
from goldpan.core.records import Metric, Neighbors, parse_metric
from goldpan.formats.benchmark_open import open_benchmark
from goldpan.formats.truth import Truth, read_truth
from goldpan.formats.vectors import open_vectors, parse_address
from goldpan.search.readers import VectorReader, as_reader
from goldpan.stages.experiment.config import EXACT, DatasetConfig
from goldpan.stages.experiment.gold import checked, computed, take_rows, without_own

_BLOCK_BYTES = 8 << 20


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
        self_join: query i is row i of the base, and no answer to itself.
    """

    name: str
    base: VectorReader
    queries: NDArray[Any]
    metric: Metric
    truth: Neighbors
    origin: str
    digest: str
    queries_in_base: int
    self_join: bool = False

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
    own = int(config.self_join)
    if k + own > parts.base.n:
        raise InputError(f"k = {k} is too many for the {parts.base.n} rows of {config.label}; lower k.")
    if own and not np.array_equal(queries, parts.base.read(0, min(count, parts.base.n))):
        raise InputError(f"self_join: the queries of {config.label} are not the first rows of its base.")
    digest = digest_of(parts.base, queries, f"{parts.metric}{' self join' if own else ''}")
    origin = config.truth or config.source or ""
    given = None if config.truth == EXACT else parts.truth
    if given is not None and given.ids.shape[1] >= k + own and len(given.ids) >= count:
        ids = given.ids[:count]
        if own:
            ids = without_own(Neighbors(ids, np.empty(ids.shape)), np.arange(count)).ids
        found = checked(
            parts.base, queries, ids, parts.metric, f"{config.label} ({origin})", self_join=config.self_join
        )
    else:
        path, origin = cache / f"{digest}.npz", "exact search"
        found = computed(parts.base, queries, k + own, parts.metric, path, progress)
        found = without_own(found, np.arange(count)) if own else found
    nearest = take_rows(parts.base, found.ids[:, 0])
    in_base = int((nearest == queries).all(axis=1).sum())
    return Data(config.label, parts.base, queries, parts.metric, found, origin, digest, in_base, config.self_join)


def _parts(config: DatasetConfig, seed: int) -> _Parts:
    metric = None if config.metric is None else parse_metric(config.metric)
    if config.source is None:
        assert config.base is not None  # noqa: S101  the configuration sees to it
        base, queries = open_vectors(config.base), open_vectors(config.queries or config.base)
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


def digest_of(base: VectorReader, queries: NDArray[Any], rule: str) -> str:
    """Return a short hash of the values, shapes and the rule of what is near."""
    seen = hashlib.sha256(f"{base.n} {base.dim} {np.dtype(base.dtype)} {queries.dtype} {rule}".encode())
    seen.update(np.ascontiguousarray(queries).data)
    step = max(1, _BLOCK_BYTES // (base.dim * np.dtype(base.dtype).itemsize))
    for start in range(0, base.n, step):
        seen.update(np.ascontiguousarray(base.read(start, min(base.n, start + step))).data)
    return seen.hexdigest()[:16]
