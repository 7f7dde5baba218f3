"""Pools as the server holds them: by a name, with an encoder, asked by many at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import GoldpanError, InputError, UnknownName
from goldpan.core.records import Metric, Neighbors
from goldpan.encoders.protocol import Encoder
from goldpan.formats.clip_indices import Modality, read_indices
from goldpan.stages.retrieve.opening import open_listed, open_pool
from goldpan.stages.retrieve.pool import Found, Pool
from goldpan.web.serve.config import ServeConfig
from goldpan.web.serve.lanes import Together

_LARGEST = 1e18  # its square, and sums of such, are still finite in single precision

_VALUES = 1 << 24  # of the answers of one call: 64 MiB in single precision
_BYTES = frozenset(range(256))


class ServedEncoder:
    """An encoder that several pools may share."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        if encoder.encodes_text:
            encoder.encode_text(["a photo"])  # some load their text tower with the first text
        self.texts: Together[str, NDArray[np.float32]] = Together("texts", self._texts)
        self.images: Together[NDArray[Any], NDArray[np.float32]] = Together("images", self._images)

    def close(self) -> None:
        """Let go of the threads."""
        self.texts.close()
        self.images.close()

    def _texts(self, texts: Sequence[str]) -> Sequence[NDArray[np.float32]]:
        return list(np.asarray(self.encoder.encode_text(texts), np.float32))

    def _images(self, inputs: Sequence[NDArray[Any]]) -> Sequence[NDArray[np.float32]]:
        return list(np.asarray(self.encoder.encode(np.stack(inputs)), np.float32))


class Search(NamedTuple):
    """One search: queries ``(m, dim)``, how many answers, in which index, and whether with their vectors."""

    queries: NDArray[np.float32]
    k: int
    modality: Modality
    vectors: bool


class ServedPool:
    """A pool under the name that requests give it.

    Attributes:
        name: in requests.
        pool: the pool.
        encoder: what turns texts and images into its vectors; None where there is none.
        problem: why there is none.
        compared: modalities whose answers come with vectors, which telling look-alikes takes.
        by_row: whether a row's vector can be had, to ask what is like it.
    """

    def __init__(self, name: str, pool: Pool, encoder: ServedEncoder | None, problem: str = "") -> None:
        self.name, self.pool, self.encoder, self.problem = name, pool, encoder, problem
        self.compared = {modality for modality in pool.modalities if _keeps_vectors(pool, modality)}
        self.by_row = _knows_rows(pool)
        self.search: Together[Search, Found] = Together("search", self._search, self._weight, _VALUES)

    def needs_encoder(self) -> ServedEncoder:
        """Return the encoder.

        Raises:
            InputError: there is none.
        """
        if self.encoder is None:
            raise InputError(f"{self.name} takes vectors only: {self.problem}")
        return self.encoder

    def vector(self, values: Sequence[float]) -> NDArray[np.float32]:
        """Return a query that was sent as a vector, ``(dim,)``.

        Raises:
            InputError: it has another dimension, or values that the pool's kind of vector does not have.
        """
        if len(values) != self.pool.dim:
            raise InputError(f"{self.name} holds vectors of {self.pool.dim} values; the query has {len(values)}.")
        if max(map(abs, values)) > _LARGEST:
            raise InputError(f"A value of the query is beyond {_LARGEST:.1e}.")
        if self.pool.metric is Metric.HAMMING and not set(values) <= _BYTES:
            raise InputError(f"{self.name} holds packed bits; values of a query are whole numbers from 0 to 255.")
        return np.array(values, np.float32)

    def close(self) -> None:
        """Let go of the threads."""
        self.search.close()
        if self.encoder is not None:
            self.encoder.close()

    def _weight(self, asked: Search) -> int:
        """Return how many values the answers to a search have."""
        return len(asked.queries) * asked.k * (self.pool.dim if asked.vectors else 2)

    def _search(self, asked: Sequence[Search]) -> Sequence[Found]:
        found: list[Found | None] = [None] * len(asked)
        for kind in dict.fromkeys(one[1:] for one in asked):
            places = [place for place, one in enumerate(asked) if one[1:] == kind]
            queries = np.concatenate([asked[place].queries for place in places])
            (ids, scores), vectors = self.pool.search(queries, kind[0], kind[1], vectors=kind[2])
            start = 0
            for place in places:
                part = slice(start, start := start + len(asked[place].queries))
                found[place] = Found(Neighbors(ids[part], scores[part]), vectors[part] if vectors is not None else None)
        return [one for one in found if one is not None]


def open_all(config: ServeConfig) -> dict[str, ServedPool]:
    """Open all that is served, by name: a folder's own name, with a number where two have the same.

    Raises:
        InputError: nothing is named, or it cannot be opened.
        FormatError: index and metadata do not belong together.
    """
    pools: dict[str, Pool] = {}
    for path in config.pools:
        pools[_free(path.resolve().name or "pool", pools)] = open_pool(path, config.encoder)
    for name, listed in read_indices(config.indices).items() if config.indices is not None else ():
        pools[_free(name, pools)] = open_listed(listed, config.encoder)
    if not pools:
        raise InputError("Name what is to be served: goldpan serve WORKSPACE, an index folder, or --indices FILE.")
    encoders: dict[str, ServedEncoder] = {}
    return {name: _served(name, pool, encoders) for name, pool in pools.items()}


def find(pools: dict[str, ServedPool], name: str | None) -> ServedPool:
    """Return the pool of a name, the first where none is given.

    Raises:
        UnknownName: there is none of that name.
    """
    if name is None:
        return next(iter(pools.values()))
    if name not in pools:
        raise UnknownName("pool", name, pools)
    return pools[name]


def _free(name: str, taken: dict[str, Pool]) -> str:
    return name if name not in taken else next(each for n in count(2) if (each := f"{name}-{n}") not in taken)


def _served(name: str, pool: Pool, encoders: dict[str, ServedEncoder]) -> ServedPool:
    spec = pool.encoder_spec or ""
    if spec in encoders and encoders[spec].encoder.dim == pool.dim:
        return ServedPool(name, pool, encoders[spec])
    try:
        encoders[spec] = ServedEncoder(pool.encoder())
    except GoldpanError as error:
        return ServedPool(name, pool, None, str(error))
    return ServedPool(name, pool, encoders[spec])


def _keeps_vectors(pool: Pool, modality: Modality) -> bool:
    if pool.metric is Metric.HAMMING:
        return False  # look-alikes are told by cosine
    try:
        pool.search(np.zeros((1, pool.dim), np.float32), 1, modality, vectors=True)
    except InputError:
        return False
    return True


def _knows_rows(pool: Pool) -> bool:
    try:
        pool.vectors(np.array([0]), pool.modalities[0])
    except InputError:
        return False
    return True
