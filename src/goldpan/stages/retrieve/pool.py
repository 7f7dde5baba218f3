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
from goldpan.formats.clip_indices import ListedIndex, Modality, index_files, metadata_place
from goldpan.formats.row_store import RowStore, open_rows
from goldpan.search.engines.foreign import ForeignIndex


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

    def find(self, queries: NDArray[np.float32], k: int, *, vectors: bool) -> Found:
        """Return up to k neighbors a query, ``(n_queries, dim)`` float32."""
        ...


class Pool:
    """One searchable collection.

    Args:
        name: for people.
        sides: modality -> its vectors.
        metadata: a row a vector, in the order of the vectors.
        encoder: spec of the encoder that made the vectors; None where it is not known.

    Raises:
        FormatError: vectors and metadata are not as many.
    """

    def __init__(
        self,
        name: str,
        sides: dict[Modality, Searched],
        metadata: RowStore,
        columns: Sequence[str] = (),
        encoder: str | None = None,
    ) -> None:
        self.name, self.sides, self.metadata, self._spec = name, sides, metadata, encoder
        self.columns = tuple(columns) or metadata.columns
        self._loading = Lock()
        for modality, side in sides.items():
            if side.n != metadata.n:
                raise FormatError(
                    name,
                    f"the {modality} index has {side.n:,} vectors and the metadata {metadata.n:,} rows; they do not "
                    "belong together, and every answer would be wrong. Build the index again from these metadata.",
                )
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
        rows = np.ascontiguousarray(queries, np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.dim:
            raise InputError(f"{self.name} holds vectors of {self.dim} values; the query has {rows.shape[-1]}.")
        return self.sides[modality].find(rows, min(k, self.n), vectors=vectors)

    def rows(self, numbers: Ids, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Return what is known of some rows; columns that the pool does not have are passed over."""
        asked = [name for name in (self.columns if columns is None else columns) if name in self.metadata.columns]
        return self.metadata.rows(np.asarray(numbers, np.int64), asked)

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


def open_clip_pool(listed: ListedIndex, encoder: str | None = None) -> Pool:
    """Open an index folder of clip-retrieval, as `ListedIndex` describes it.

    Raises:
        InputError: an index or the metadata are missing.
        FormatError: they cannot be read, or do not belong together.
    """
    mapped = bool(listed.options.get("enable_faiss_memory_mapping", True))
    files = index_files(listed.folder)
    sides: dict[Modality, Searched] = {
        modality: _Foreign(ForeignIndex(path, mapped=mapped)) for modality, path in files.items()
    }
    metadata = open_rows(metadata_place(listed.folder))
    return Pool(listed.name, sides, metadata, listed.columns, encoder or clip_encoder(listed.clip_model))


def clip_encoder(clip_model: str | None) -> str | None:
    """Return the spec of the encoder that clip-retrieval calls by this name.

    ``open_clip:ARCH/PRETRAINED`` and ``hf_clip:NAME`` say it; a plain name such as ``ViT-B/32`` is a model of OpenAI.
    """
    if clip_model is None:
        return None
    kind, colon, rest = clip_model.partition(":")
    if not colon:
        return f"clip:{clip_model.replace('/', '-')}/openai"
    known = {"open_clip": f"clip:{rest}", "hf_clip": f"hf:{rest}"}
    return known.get(kind, clip_model)


class _Foreign:
    """A faiss file of others as one side of a pool."""

    def __init__(self, index: ForeignIndex) -> None:
        self._index = index
        self.n, self.dim, self.metric = index.n, index.dim, index.metric

    def find(self, queries: NDArray[np.float32], k: int, *, vectors: bool) -> Found:
        if not vectors:
            return Found(self._index.search(queries, k), None)
        return Found(*self._index.search_and_reconstruct(queries, k))
