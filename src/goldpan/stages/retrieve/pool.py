"""A pool: vectors of images and texts that can be searched, and what is known of each row, whoever made it.

Three kinds answer alike: an index folder of clip-retrieval, an index folder of ours, a workspace with vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from threading import Lock
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import FormatError, InputError
from goldpan.core.records import Ids, Metric, Neighbors
from goldpan.encoders.loading import load_encoder
from goldpan.encoders.protocol import Encoder
from goldpan.formats.clip_indices import Modality
from goldpan.formats.row_store import RowStore


class Found(NamedTuple):
    """What a search of a pool found.

    Attributes:
        neighbors: of each query; higher scores are nearer where the pool's metric is a similarity.
        vectors: ``(n_queries, k, dim)`` float32 of the neighbors where they were asked for.
    """

    neighbors: Neighbors
    vectors: NDArray[np.float32] | None


class Searched(Protocol):
    """The vectors of one modality."""

    n: int
    dim: int
    metric: Metric

    def find(self, queries: NDArray[Any], k: int, *, vectors: bool) -> Found:
        """Return up to k neighbors a query, ``(n_queries, dim)`` float32; uint8 for hamming."""
        ...

    def vectors(self, rows: Ids) -> NDArray[np.float32]:
        """Return the vectors of rows, ``(m, dim)``.

        Raises:
            InputError: they are not kept, or not by row.
        """
        ...


class Pool:
    """One searchable collection.

    Args:
        name: for people.
        sides: modality -> its vectors.
        metadata: a row a vector, in the order of the vectors.
        encoder: spec of the encoder that made the vectors; None where it is not known.
        state: what changes when the vectors do.

    Raises:
        FormatError: vectors and metadata are not as many.
        InputError: there are none.
    """

    def __init__(
        self,
        name: str,
        sides: dict[Modality, Searched],
        metadata: RowStore,
        columns: Sequence[str] = (),
        encoder: str | None = None,
        state: Any = None,
    ) -> None:
        self.name, self.sides, self.metadata, self._spec, self.state = name, sides, metadata, encoder, state
        self.columns = tuple(columns) or metadata.columns
        self._loading = Lock()
        for modality, side in sides.items():
            if side.n != metadata.n:
                raise FormatError(
                    name,
                    f"the {modality} index has {side.n:,} vectors and the metadata {metadata.n:,} rows; they do not "
                    "belong together, and every answer would be wrong. Build the index again from these metadata.",
                )
        if not metadata.n:
            raise InputError(f"{name} holds no rows: there is nothing to search.")
        if len({(side.dim, side.metric) for side in sides.values()}) > 1:
            raise FormatError(name, "its image and text index differ in dimension or metric.")

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.metadata.n

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What can be searched."""
        return tuple(self.sides)

    @property
    def dim(self) -> int:
        """Values a vector."""
        return next(iter(self.sides.values())).dim

    @property
    def metric(self) -> Metric:
        """How near is measured."""
        return next(iter(self.sides.values())).metric

    @property
    def encoder_spec(self) -> str | None:
        """What made the vectors, where it is known."""
        return self._spec

    def search(self, queries: NDArray[Any], k: int, modality: Modality = "image", *, vectors: bool = False) -> Found:
        """Return up to k neighbors a query.

        Args:
            queries: ``(n_queries, dim)``.
            k: at least 1.
            modality: "image" or "text": what is searched.
            vectors: return the neighbors' vectors too.

        Raises:
            InputError: the pool has no such modality, or the dimension is another.
        """
        if modality not in self.sides:
            raise InputError(f"{self.name} has no {modality} index; it has: {', '.join(self.sides)}.")
        rows = np.ascontiguousarray(queries, np.uint8 if self.metric is Metric.HAMMING else np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.dim:
            raise InputError(f"{self.name} holds vectors of {self.dim} values; the query has {rows.shape[-1]}.")
        return self.sides[modality].find(rows, min(k, self.n), vectors=vectors)

    def vectors(self, numbers: Ids, modality: Modality) -> NDArray[np.float32]:
        """Return the vectors of some rows, ``(m, dim)``, as the index has them.

        Raises:
            InputError: it does not keep them, or not by row.
        """
        return self.sides[modality].vectors(np.asarray(numbers, np.int64))

    def rows(self, numbers: Ids, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Return what is known of some rows; columns that the pool does not have are passed over."""
        asked = [name for name in (self.columns if columns is None else columns) if name in self.metadata.columns]
        return self.metadata.rows(np.asarray(numbers, np.int64), asked) if asked else [{} for _ in numbers]

    def encoder(self, spec: str | None = None) -> Encoder:
        """Return the encoder of texts and images, loaded once.

        Raises:
            InputError: it is not known which, or its vectors have another dimension.
        """
        with self._loading:
            if spec is not None:
                self._spec = self._spec or spec
            return self._encoder

    @cached_property
    def _encoder(self) -> Encoder:
        if self._spec is None:
            raise InputError(f"Nothing says which encoder made the vectors of {self.name}; name it with --encoder.")
        encoder = load_encoder(self._spec)
        if encoder.dim != self.dim:
            raise InputError(f"{self._spec} makes vectors of {encoder.dim} values; {self.name} holds {self.dim}.")
        return encoder
