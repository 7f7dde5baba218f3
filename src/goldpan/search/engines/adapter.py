"""What the adapters of other people's indexes have in common: checks, ids, types, blocks and scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.arrays import check_vectors
from goldpan.core.errors import ArrayError, FormatError, InputError
from goldpan.core.machine import processors
from goldpan.core.records import Floats, Ids, Metric, Neighbors
from goldpan.search.blocks import read_blocks
from goldpan.search.engines.labels import Labels
from goldpan.search.engines.protocol import Traits
from goldpan.search.engines.spec import EngineSpec, Option, read_options
from goldpan.search.readers import ArrayReader, VectorReader, VectorSource, as_reader

BLOCK_BYTES = 64 << 20
LABELS_FILE = "ids.npy"


class Adapter(ABC):
    """An index of another package behind `goldpan.search.engines.protocol.Index`.

    A subclass says what it can do in `traits`, and works with running numbers ("labels") in the place of ids and
    with rows as the engine takes them: contiguous float32, for cosine at unit length, or packed uint8.

    Args:
        spec: what was asked for.
        dim: values a row (bytes a row for hamming).
        metric: how near is measured.
        threads: how many the engine may use; all processors where None.
        seed: of what is random.
        defaults: options of the spec and their defaults; search parameters of the engine among them.
    """

    traits: Traits
    named = True  # False where the engine has one index, and a spec has no name after a colon

    def __init__(
        self,
        spec: EngineSpec,
        dim: int,
        metric: Metric,
        threads: int | None,
        seed: int,
        defaults: Mapping[str, Option],
    ) -> None:
        self.spec, self.dim, self.metric, self.seed = str(spec), dim, metric, seed
        self.threads = threads or processors()
        self.options = read_options(spec, defaults, named=self.named)
        self._labels = Labels()

    @property
    def n(self) -> int:
        """Number of rows that can be found."""
        return self._labels.n

    def build(self, base: VectorSource, ids: Ids | None = None) -> None:
        """Train on a sample where the engine learns, then hold all rows, block by block."""
        reader = as_reader(base, "base")
        if self.n:
            raise InputError(f"{self.spec} holds rows already; add to it, or open another.")
        if ids is not None and len(ids) != reader.n:
            raise ArrayError(f"{len(ids)} ids were given for {reader.n} rows.")
        self._check(reader.dim, np.dtype(reader.dtype))
        with self._telling("hold these rows"):
            self._start(reader)
            names = np.arange(reader.n) if ids is None else ids
            labels = self._labels.give(names)
            for start, rows in self._blocks(reader):
                self._put(labels[start : start + len(rows)], self._taken(rows, "base", start))
            self._finish()

    def add(self, rows: NDArray[Any], ids: Ids) -> None:
        """Hold more rows."""
        if not self.traits.adds:
            raise InputError(f"{self.spec} takes no rows after it was built.")
        rows = self._taken(rows, "rows")
        if len(rows) != len(ids):
            raise ArrayError(f"{len(ids)} ids were given for {len(rows)} rows.")
        if not self._labels.dump().size:
            return self.build(rows, ids) if len(rows) else None
        labels = self._labels.give(ids)
        if len(rows):
            with self._telling("take these rows"):
                self._put(labels, rows)
        return None

    def remove(self, ids: Ids) -> None:
        """Forget rows."""
        if not self.traits.removes:
            raise InputError(f"{self.spec} cannot remove rows; build it anew without them.")
        labels = self._labels.take(ids)
        if len(labels):
            self._drop(labels)

    def consolidate(self) -> None:  # noqa: B027  most have nothing to mend
        """Mend what removals left behind; nothing here."""

    def search(self, queries: NDArray[Any], k: int, **parameters: float) -> Neighbors:
        """Return k neighbors a query."""
        if k < 1:
            raise InputError(f"k must be 1 or more, not {k}.")
        rows, wanted, settings = self._taken(queries, "queries"), min(k, self.n), self._settings(parameters)
        if not wanted or not len(rows):
            return Neighbors(np.full((len(rows), k), -1), np.full((len(rows), k), np.nan))
        labels, raw = self._find(rows, wanted, settings)
        ids, scores = self._labels.named(labels), self._scores(raw)
        scores[labels < 0] = np.nan
        if wanted < k:
            spare = ((0, 0), (0, k - wanted))
            ids, scores = np.pad(ids, spare, constant_values=-1), np.pad(scores, spare, constant_values=np.nan)
        return Neighbors(ids, scores)

    def save(self, folder: Path) -> None:
        """Write the engine's own file and the table of ids."""
        np.save(folder / LABELS_FILE, self._labels.dump(), allow_pickle=False)
        if self._labels.dump().size:
            self._write(folder)

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        try:
            self._labels.restore(np.load(folder / LABELS_FILE, allow_pickle=False))
            if self._labels.dump().size:
                self._read(folder)
        except (OSError, RuntimeError, ValueError, EOFError) as error:
            raise FormatError(folder, f"it holds no index of {self.spec}: {first_line(error)}") from error

    def memory_bytes(self) -> int:
        """Return the bytes of the index and of the table of ids."""
        return self._labels.nbytes + (self._bytes() if self._labels.dump().size else 0)

    @abstractmethod
    def _start(self, reader: VectorReader) -> None:
        """Make the empty index for so many rows; train it on `sampled` rows where it learns."""

    @abstractmethod
    def _put(self, labels: Ids, rows: NDArray[Any]) -> None:
        """Hold rows."""

    @abstractmethod
    def _find(self, rows: NDArray[Any], k: int, settings: dict[str, float]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return labels, -1 where there is none, and raw scores; both ``(m, k)``, best first. 1 <= k <= n."""

    @abstractmethod
    def _write(self, folder: Path) -> None:
        """Write the index."""

    @abstractmethod
    def _read(self, folder: Path) -> None:
        """Read the index."""

    @abstractmethod
    def _bytes(self) -> int:
        """Return the bytes of the index."""

    @contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        """Turn what an engine raises into a sentence that names it."""
        try:
            yield
        except (RuntimeError, ValueError) as error:
            raise InputError(f"{self.spec} cannot {what}: {first_line(error)}") from error

    def _drop(self, labels: Ids) -> None:
        """Forget rows; where `traits.removes`."""
        raise NotImplementedError

    def _finish(self) -> None:  # noqa: B027  most have nothing left to do
        """Do what is due after the last block of a build."""

    def _scores(self, raw: NDArray[Any]) -> Floats:
        """Turn raw scores into values of the metric: those of engines whose distance is 1 - similarity, or squared."""
        values = raw.astype(np.float64)
        if self.metric.is_similarity:
            return 1.0 - values
        return np.sqrt(np.maximum(values, 0.0)) if self.metric is Metric.L2 else values

    def _settings(self, parameters: Mapping[str, float]) -> dict[str, float]:
        """Return every search parameter: as given, else as in the spec, else the engine's default.

        Raises:
            InputError: there is no such parameter, or its value is below 1.
        """
        for name, value in parameters.items():
            if name not in self.traits.ladder:
                known = ", ".join(self.traits.ladder) or "none"
                raise InputError(f"{self.spec} has no search parameter {name!r}; known: {known}.")
            if not value >= 1:
                raise InputError(f"{name} must be 1 or more, not {value:g}.")
        return {name: parameters.get(name, float(self.options[name])) for name in self.traits.ladder}

    def _check(self, dim: int, dtype: np.dtype[Any]) -> None:
        if dim != self.dim:
            raise ArrayError(f"rows have {dim} dimensions, but the index has {self.dim}.")
        if self.metric is Metric.HAMMING and dtype != np.uint8:
            raise ArrayError(f"hamming compares packed bits, uint8, not {dtype}.")

    def _taken(self, rows: NDArray[Any], name: str, start: int = 0) -> NDArray[Any]:
        """Return rows as the engine takes them; a copy where anything changes."""
        try:
            rows = check_vectors(rows, name=name, dim=self.dim)
        except ArrayError as error:
            raise ArrayError(f"{error} (rows counted from {start})" if start else str(error)) from None
        self._check(rows.shape[1], rows.dtype)
        if self.metric is Metric.HAMMING:
            return np.ascontiguousarray(rows)
        if self.metric is not Metric.COSINE:
            return np.ascontiguousarray(rows, np.float32)
        wide = rows.astype(np.float64)
        norms = np.linalg.norm(wide, axis=1, keepdims=True)
        unit: NDArray[np.float32] = np.divide(wide, norms, out=np.zeros_like(wide), where=norms > 0).astype(np.float32)
        return unit

    def _blocks(self, reader: VectorReader) -> Iterator[tuple[int, NDArray[Any]]]:
        rows = max(1, BLOCK_BYTES // (4 * self.dim))
        for block in read_blocks(reader, rows, range(reader.n)):
            yield block.start, block.rows

    def _sampled(self, reader: VectorReader, count: int) -> NDArray[Any]:
        """Return `count` rows at random, in their order, as the engine takes them."""
        if count >= reader.n:
            return self._taken(reader.read(0, reader.n), "base")
        numbers = np.sort(np.random.default_rng(self.seed).choice(reader.n, count, replace=False))
        if isinstance(reader, ArrayReader):
            return self._taken(reader.array[numbers], "base")
        picked = []
        for start, rows in Adapter._blocks(self, reader):
            found = numbers[slice(*np.searchsorted(numbers, (start, start + len(rows))))]
            picked.append(self._taken(rows[found - start], "base", start))
        return np.concatenate(picked)


def first_line(error: BaseException) -> str:
    """Return the gist of an engine's exception: C++ ones go on for lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
