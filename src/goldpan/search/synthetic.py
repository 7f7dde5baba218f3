"""Seeded datasets to measure with, made anywhere without a download; same seed, same bytes.

===========  ======================================================================  ======  =========
name         what                                                                    dim     metric
===========  ======================================================================  ======  =========
A            CLIP-like: clusters and a cone, axes of falling size                    768     ip
B            A with queries from elsewhere, as captions are among images             768     ip
C            isotropic sphere, the narrowest gaps                                    128     ip
D            A with 2 % copies, and one row 900 times                                768     ip
E            uint8 histograms like SIFT's                                            128     l2
F            text: source lines of the standard library, TF-IDF and SVD              256     cosine
G            sketches of packed bits (128 bytes are 1,024 bits)                      128     hamming
H            heavy-tailed norms                                                      128     ip
I            sparse rows, Zipf terms (scipy CSR)                                     30,522  ip
J            normal vectors moved by `offset` on every axis                          128     l2
K            classes one after another, with labels                                  128     l2
random-xs    the blobs of big-ann-benchmarks: 10,000 and 1,000 rows                  20      l2
===========  ======================================================================  ======  =========
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError, UnknownName
from goldpan.core.records import Metric
from goldpan.search.generators.continuous import ClipLike, Drift, Duplicates, HeavyTails, Sphere, Translated
from goldpan.search.generators.discrete import Histograms, Sketches, SparseTerms
from goldpan.search.generators.protocol import BLOCK_ROWS, PARTS, Model, ModelReader
from goldpan.search.generators.text import SourceLines

RANDOM_XS = "random-xs"
SPARSE = "I"
DEFAULT_OFFSET = 100.0


class Dataset(NamedTuple):
    """A dataset in memory.

    Attributes:
        name: which.
        base: ``(n, dim)`` rows to search; a scipy CSR matrix for I.
        queries: ``(n_queries, dim)``, likewise.
        learn: as many rows again from where the queries come from, for tuning; None for random-xs.
        metric: how near is measured.
        labels: ``(n,)`` int64 class of each base row, None where rows have none.
    """

    name: str
    base: NDArray[Any]
    queries: NDArray[Any]
    learn: NDArray[Any] | None
    metric: Metric
    labels: NDArray[np.int64] | None


class Readers(NamedTuple):
    """A dataset whose rows are made when they are read; for those that do not fit in memory."""

    name: str
    base: ModelReader
    queries: ModelReader
    learn: ModelReader
    metric: Metric


class _Sizes(NamedTuple):
    n: int
    queries: int
    dim: int
    offset: float


class _Entry(NamedTuple):
    metric: Metric
    dim: int
    model: Callable[[int, _Sizes], Model]


TABLE = {
    "A": _Entry(Metric.IP, 768, lambda seed, size: ClipLike(seed, size.dim)),
    "B": _Entry(Metric.IP, 768, lambda seed, size: ClipLike(seed, size.dim, shift=True)),
    "C": _Entry(Metric.IP, 128, lambda seed, size: Sphere(seed, size.dim)),
    "D": _Entry(Metric.IP, 768, lambda seed, size: Duplicates(seed, size.dim)),
    "E": _Entry(Metric.L2, 128, lambda seed, size: Histograms(seed, size.dim)),
    "F": _Entry(
        Metric.COSINE, 256, lambda seed, size: SourceLines(seed, size.dim, (size.n, size.queries, size.queries))
    ),
    "G": _Entry(Metric.HAMMING, 128, lambda seed, size: Sketches(seed, size.dim)),
    "H": _Entry(Metric.IP, 128, lambda seed, size: HeavyTails(seed, size.dim)),
    "I": _Entry(Metric.IP, 30_522, lambda seed, size: SparseTerms(seed, size.dim)),
    "J": _Entry(Metric.L2, 128, lambda seed, size: Translated(seed, size.dim, size.offset)),
    "K": _Entry(Metric.L2, 128, lambda seed, size: Drift(seed, size.dim)),
}


def open_dataset(
    name: str,
    *,
    n: int | None = None,
    n_queries: int | None = None,
    dim: int | None = None,
    offset: float | None = None,
    seed: int = 1234,
) -> Dataset:
    """Make a dataset in memory, block by block: it is held once.

    Args:
        name: a name of the table above.
        n: rows of the base, 100,000 by default.
        n_queries: rows of the queries, and of learn; 10,000 by default, at most a tenth of n unless given.
        dim: values a row, bytes a row for G.
        offset: of J, 100 by default.
        seed: of everything random; random-xs has its own.

    Raises:
        UnknownName: no dataset has that name.
        InputError: a size is below 1, or was given to random-xs, or F has no so many lines.

    Example:
        >>> open_dataset("C", n=100, n_queries=10).base.shape
        (100, 128)
    """
    if name.lower() == RANDOM_XS:
        if (n, n_queries, dim, offset) != (None, None, None, None):
            raise InputError(f"{RANDOM_XS} has fixed sizes, 10000 and 1000 rows of 20 values; leave the sizes out.")
        return _random_xs()
    found = open_readers(name, n=n, n_queries=n_queries, dim=dim, offset=offset, seed=seed)
    gather = _gather_sparse if found.name == SPARSE else _gather
    base, labels = gather(found.base)
    return Dataset(found.name, base, gather(found.queries)[0], gather(found.learn)[0], found.metric, labels)


def open_readers(
    name: str,
    *,
    n: int | None = None,
    n_queries: int | None = None,
    dim: int | None = None,
    offset: float | None = None,
    seed: int = 1234,
) -> Readers:
    """Return readers that make the same rows as `open_dataset`, in any order, holding one block of 8,192 rows.

    Raises:
        UnknownName: no dataset has that name.
        InputError: a size is below 1, or an offset is given to another than J.
    """
    key = name.upper()
    if key not in TABLE:
        raise UnknownName("dataset", name, [*TABLE, RANDOM_XS])
    if offset is not None and key != "J":
        raise InputError(f"Dataset {key} has no offset; only J has.")
    entry = TABLE[key]
    n = 100_000 if n is None else n
    queries = max(1, min(10_000, n // 10)) if n_queries is None else n_queries
    size = _Sizes(n, queries, entry.dim if dim is None else dim, DEFAULT_OFFSET if offset is None else offset)
    if min(size[:3]) < 1:
        raise InputError(f"Rows, queries and dimensions must be 1 or more, not {size.n}, {size.queries}, {size.dim}.")
    model = entry.model(seed, size)
    base, asked, learn = (ModelReader(model, part, size.n if part == "base" else queries, seed) for part in PARTS)
    return Readers(key, base, asked, learn, entry.metric)


def _gather(reader: ModelReader) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    rows = np.empty((reader.n, reader.dim), reader.dtype)
    labels = []
    for start in range(0, reader.n, BLOCK_ROWS):
        drawn = reader.draw(start // BLOCK_ROWS)
        rows[start : start + len(drawn.rows)] = drawn.rows
        labels.append(drawn.labels)
    return rows, _joined(labels)


def _gather_sparse(reader: ModelReader) -> tuple[Any, NDArray[np.int64] | None]:
    from scipy.sparse import vstack

    drawn = [reader.draw(block) for block in range(-(-reader.n // BLOCK_ROWS))]
    return vstack([part.rows for part in drawn], format="csr"), _joined([part.labels for part in drawn])


def _joined(labels: list[NDArray[np.int64] | None]) -> NDArray[np.int64] | None:
    known = [part for part in labels if part is not None]
    return np.concatenate(known) if known else None


def _random_xs() -> Dataset:
    """Make the smallest dataset of big-ann-benchmarks; the labels are the blobs."""
    from sklearn.datasets import make_blobs
    from sklearn.model_selection import train_test_split

    rows, blobs = make_blobs(11_000, 20, centers=1000, random_state=1)
    base, queries, labels, _ = train_test_split(rows, blobs, test_size=1000, random_state=1)
    return Dataset(
        RANDOM_XS, base.astype(np.float32), queries.astype(np.float32), None, Metric.L2, labels.astype(np.int64)
    )
