"""An index file of faiss that others wrote, mapped into memory and only searched."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import FormatError, InputError
from goldpan.core.machine import processors
from goldpan.core.records import Ids, Metric, Neighbors


@contextmanager
def _unheard() -> Iterator[None]:
    """Drop what C prints on stdout, which is for reports: faiss tells there where it looks for lists on disk."""
    stdout = os.dup(1)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        ctypes.CDLL(None).fflush(None)
        os.dup2(stdout, 1)
        os.close(stdout)


class ForeignIndex:
    """A faiss index by its file, as autofaiss, clip-retrieval or faiss itself writes it.

    Args:
        path: of the file; the lists of an index on disk lie beside it.
        mapped: leave the lists on disk, and let the system read what is searched.

    Raises:
        FormatError: faiss cannot read it.

    Attributes:
        n: rows.
        dim: values a row.
        metric: ip or sqeuclidean, as faiss has them.
    """

    def __init__(self, path: Path, *, mapped: bool = True) -> None:
        import faiss

        self.path = path
        flags = faiss.IO_FLAG_ONDISK_SAME_DIR
        if path.name != "populated.index":
            flags = (faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY) if mapped else 0
        try:
            with _unheard():
                self._index: Any = faiss.read_index(str(path), flags)
        except RuntimeError as error:
            lines = str(error).strip().splitlines()
            raise FormatError(path, f"faiss cannot read it: {lines[-1] if lines else error}") from error
        self.n, self.dim = int(self._index.ntotal), int(self._index.d)
        self.metric = Metric.IP if self._index.metric_type == faiss.METRIC_INNER_PRODUCT else Metric.SQEUCLIDEAN
        self._threads = Lock()

    def search(self, queries: NDArray[np.float32], k: int) -> Neighbors:
        """Return up to k neighbors a query, best first; ids -1 and scores nan where there are fewer.

        Args:
            queries: ``(n_queries, dim)`` float32; not changed.
            k: at least 1.

        Raises:
            InputError: the queries have another dimension.
        """
        scores, ids = self._call("search", self._checked(queries), min(k, self.n))
        return _neighbors(ids, scores)

    def search_and_reconstruct(self, queries: NDArray[np.float32], k: int) -> tuple[Neighbors, NDArray[np.float32]]:
        """Return the neighbors, and their vectors as the index has them, ``(n_queries, k, dim)`` float32.

        Raises:
            InputError: the queries have another dimension, or the index keeps nothing to make vectors from.
        """
        scores, ids, vectors = self._call("search_and_reconstruct", self._checked(queries), min(k, self.n))
        return _neighbors(ids, scores), vectors

    def vectors(self, rows: Ids) -> NDArray[np.float32]:
        """Return the vectors of rows as the index has them, ``(m, dim)`` float32.

        Raises:
            InputError: it keeps nothing to make them from, or cannot find them by row (IVF).
        """
        found: NDArray[np.float32] = self._call("reconstruct_batch", np.ascontiguousarray(rows, np.int64))
        return found

    def _checked(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        if queries.ndim != 2 or queries.shape[1] != self.dim:
            raise InputError(f"{self.path.name} holds vectors of {self.dim} values; the query has {queries.shape[-1]}.")
        return np.ascontiguousarray(queries, np.float32)

    def _call(self, method: str, *arguments: Any) -> Any:
        import faiss

        with self._threads:  # a setting of the process
            faiss.omp_set_num_threads(processors())
        try:
            return getattr(self._index, method)(*arguments)
        except RuntimeError as error:
            raise InputError(f"{self.path}: faiss cannot {method}: {str(error).strip().splitlines()[-1]}") from error


def _neighbors(ids: NDArray[np.int64], scores: NDArray[np.float32]) -> Neighbors:
    return Neighbors(ids.astype(np.int64), np.where(ids >= 0, scores.astype(np.float64), np.nan))
