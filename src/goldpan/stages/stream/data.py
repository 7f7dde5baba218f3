"""The vectors of a stream: where they come from, and in which order the stream knows them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import FormatError, InputError
from goldpan.core.records import Ids, Metric, parse_metric
from goldpan.formats.benchmark_open import open_benchmark
from goldpan.formats.protocol import VectorReader
from goldpan.formats.vectors import format_name, open_vectors, parse_address
from goldpan.stages.stream.config import StreamConfig

ORDER_SUFFIX = ".order.npy"
_SAMPLE_ROWS = 1024


class Rows:
    """Base vectors by number, in the order of the stream.

    Args:
        reader: a reader that can also `take` rows by number, or an array.
        order: ``(n,)`` row of `reader` that is row i; None for the order it has.
    """

    def __init__(self, reader: Any, order: Ids | None = None) -> None:
        self._reader = reader
        self._order = order
        self.n = len(reader) if isinstance(reader, np.ndarray) else int(reader.n)
        self.dim = int(reader.shape[1] if isinstance(reader, np.ndarray) else reader.dim)
        self.dtype: np.dtype[Any] = np.dtype(reader.dtype)
        if order is not None:
            self.n = len(order)

    def take(self, rows: Ids) -> NDArray[Any]:
        """Return the rows of these numbers, ``(len(rows), dim)``, in memory of their own."""
        wanted = rows if self._order is None else self._order[rows]
        found: NDArray[Any] = (
            self._reader[wanted] if isinstance(self._reader, np.ndarray) else self._reader.take(wanted)
        )
        return found

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows `start` to `stop` (excluded)."""
        return self.take(np.arange(start, stop))


class Data(NamedTuple):
    """What a stream runs over.

    Attributes:
        name: of the dataset, for people and for the runbook.
        base: the rows.
        queries: ``(n_queries, dim)``; all are asked at every search.
        metric: how near is measured.
        order: the order file in use, if there is one.
    """

    name: str
    base: Rows
    queries: NDArray[Any]
    metric: Metric
    order: Path | None

    def wide(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Return rows as numbers that can be averaged, packed bits one by one."""
        return (np.unpackbits(rows, axis=1) if self.metric is Metric.HAMMING else rows).astype(np.float64)

    def digest(self) -> str:
        """Hash all queries and about a thousand rows spread over the base, in the order of the stream."""
        rows = self.base.take(np.unique(np.linspace(0, self.base.n - 1, _SAMPLE_ROWS).astype(np.int64)))
        found = hashlib.sha256(f"{self.base.n} {self.base.dim} {rows.dtype} {self.metric}".encode())
        for array in (rows, self.queries):
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()[:16]


def load_data(config: StreamConfig) -> Data:
    """Open the dataset of a configuration.

    Raises:
        InputError: there is no such file, the queries or the metric are missing, or the order does not fit.
        UnknownName: no made dataset has that name.
    """
    name, base, queries, metric = _open(config)
    rows = queries if isinstance(queries, np.ndarray) else queries.read(0, queries.n)
    order = _order_file(config)
    numbers = None if order is None else _read_order(order, Rows(base).n)
    data = Data(name, Rows(base, numbers), np.ascontiguousarray(rows), metric, order)
    if data.base.dim != rows.shape[1]:
        raise InputError(f"queries have {rows.shape[1]} dimensions, but the base has {data.base.dim}.")
    return data


def _open(config: StreamConfig) -> tuple[str, Any, Any, Metric]:
    where = parse_address(config.dataset)
    if not where.path.exists() and not where.path.suffix and "/" not in config.dataset:
        return _made(config)
    if config.size is not None:
        raise InputError(f"--size is for the datasets A to K; {config.dataset} has its own.")
    base: VectorReader
    if config.queries is not None:
        base, queries = open_vectors(config.dataset), open_vectors(config.queries)
        named = base.metric or queries.metric
    elif where.path.is_dir() or format_name(where.path) in ("h5", "hdf5"):
        files = open_benchmark(config.dataset, config.metric)
        base, queries, named = files.base, files.queries, files.metric
    else:
        raise InputError(f"{config.dataset} holds no queries; name them: --queries FILE.")
    if config.metric is None and named is None:
        raise InputError(
            f"{config.dataset} does not name a metric; add --metric ip, cosine, l2, sqeuclidean or hamming."
        )
    return where.path.name.split(".")[0], base, queries, parse_metric(config.metric or named or "")


def _made(config: StreamConfig) -> tuple[str, Any, Any, Metric]:
    from goldpan.search.synthetic import RANDOM_XS, SPARSE, open_dataset

    if config.queries:
        raise InputError(f"{config.dataset} has its own queries; leave --queries out.")
    if config.dataset.upper() == SPARSE:
        raise InputError("Dataset I is sparse; a stream needs dense vectors: take A, or another.")
    seed = {} if config.dataset == RANDOM_XS else {"seed": config.seed}
    made = open_dataset(config.dataset, n=config.size, **seed)
    return made.name, made.base, made.queries, parse_metric(config.metric or made.metric)


def _order_file(config: StreamConfig) -> Path | None:
    beside = config.runbook.with_suffix(ORDER_SUFFIX)
    return config.order or (beside if beside.is_file() else None)


def _read_order(path: Path, n: int) -> Ids:
    try:
        order = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise FormatError(path, f"it cannot be read as an order of rows ({error}).") from None
    if order.ndim != 1 or order.dtype.kind not in "iu" or not len(order):
        raise FormatError(
            path, f"it holds {order.dtype} of shape {order.shape}; an order is one column of row numbers."
        )
    if order.min() < 0 or order.max() >= n or len(np.unique(order)) < len(order):
        raise FormatError(path, f"its numbers must be different rows of the base, 0 to {n - 1}.")
    return np.asarray(order, np.int64)
