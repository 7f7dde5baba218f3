"""Rows like those of LAION, as many as are wanted: URL, caption and the rest of the metadata, and vectors of both.

The captions are those of `goldpan.search.generators.captions`. Vectors are unit vectors in a cone, clustered by topic:
those of images and of captions share the clusters, and each kind has a cone of its own, as CLIP's have. What the other
columns hold is drawn from distributions chosen to be like LAION's; they say nothing about it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from goldpan.search.generators.captions import NO_TOPIC, CaptionModel

BLOCK_ROWS = 20_000
KINDS = ("img_emb", "text_emb")
_NSFW = {"UNLIKELY": 0.94, "UNSURE": 0.045, "NSFW": 0.015}
_LICENSES = {"?": 0.95, "cc-by-nc-nd": 0.02, "cc-by": 0.015, "cc-by-sa": 0.015}
_SHAPES = {1.0: 0.3, 4 / 3: 0.2, 3 / 2: 0.2, 2 / 3: 0.15, 3 / 4: 0.1, 16 / 9: 0.05}  # width over height
_MEDIAN_SIDE, _SPREAD_OF_SIDE = 450.0, 0.6
_LEAST_SIMILARITY, _MORE_SIMILARITY = 0.3, 0.03
_CONE, _CLUSTER, _OWN = 0.5, 0.6, 0.62  # of mean, topic and row in a vector; the squares add up to 1
_URL = re.compile(r"(https?://[^/?#]+)/?(.*)", re.DOTALL)


class Block(NamedTuple):
    """Rows that follow each other.

    Attributes:
        metadata: with unmet-promise's columns, SAMPLE_ID to similarity.
        topics: ``(n,)`` int64, numbers of the topics of `LaionLike.topics`, -1 where there is none.
    """

    metadata: pa.RecordBatch
    topics: NDArray[np.int64]


class LaionLike:
    """A table of rows that are made block by block; the same seed gives the same block, whatever else is made.

    Args:
        captions: real ones, to be like.
        urls: real ones; hosts and paths come from them. Each gets a number, and its host ends in ``.invalid``, under
            which nothing can ever be fetched (RFC 2606).
        seed: of everything.

    Raises:
        InputError: no caption has a word.
    """

    def __init__(self, captions: Sequence[str], urls: Sequence[str], seed: int) -> None:
        self._model = CaptionModel(captions)
        self._seed = seed
        parts = [found.groups() for url in urls if (found := _URL.fullmatch(url))] or [("https://images", "image.jpg")]
        self._hosts = pa.array([host + ".invalid/" for host, _ in parts])
        self._files = pa.array(["-" + path.rpartition("/")[2] for _, path in parts])
        self._folders = pa.array(["".join(path.rpartition("/")[:2]) for _, path in parts])

    @property
    def topics(self) -> list[str]:
        """The words that captions are about."""
        return self._model.topics

    def block(self, number: int) -> Block:
        """Return the rows from ``number * BLOCK_ROWS`` on, `BLOCK_ROWS` of them."""
        rng = np.random.default_rng([self._seed, 0, number])
        first = number * BLOCK_ROWS
        captions = self._model.draw(rng, BLOCK_ROWS)
        rows = pa.array(np.arange(first, first + BLOCK_ROWS))
        height, width = _sides(rng)
        similarity = _LEAST_SIMILARITY + _MORE_SIMILARITY * rng.standard_exponential(BLOCK_ROWS)
        columns = {
            "SAMPLE_ID": rows,
            "URL": self._urls(rng, rows),
            "TEXT": captions.texts,
            "HEIGHT": pa.array(height),
            "WIDTH": pa.array(width),
            "LICENSE": _chosen(rng, _LICENSES),
            "NSFW": _chosen(rng, _NSFW),
            "similarity": pa.array(np.minimum(similarity, 0.6)),
        }
        return Block(pa.RecordBatch.from_pydict(columns), captions.topics)

    def vectors(self, number: int, topics: NDArray[np.int64], kind: str, dim: int) -> NDArray[np.float16]:
        """Return the vectors of a block.

        Args:
            number: of the block.
            topics: of its rows.
            kind: one of `KINDS`.
            dim: values a row.

        Returns:
            ``(BLOCK_ROWS, dim)`` float16, of length 1 but for rounding.
        """
        rng = np.random.default_rng([self._seed, 1 + KINDS.index(kind), number])
        rows = rng.standard_normal((len(topics), dim), np.float32)
        rows *= np.float32(_OWN / np.sqrt(dim))
        rows += np.float32(_CONE) * _directions([self._seed, 10 + KINDS.index(kind)], 1, dim)
        centers = np.float32(_CLUSTER) * _directions([self._seed, 3], len(self.topics) + 1, dim)
        centers[NO_TOPIC] = 0
        rows += centers[topics]
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows.astype(np.float16)

    def _urls(self, rng: np.random.Generator, rows: pa.Array) -> pa.Array:
        hosts, paths = (pa.array(rng.integers(0, len(self._hosts), len(rows))) for _ in range(2))
        digits = pc.utf8_lpad(rows.cast(pa.string()), 10, "0")
        return pc.binary_join_element_wise(
            self._hosts.take(hosts), self._folders.take(paths), digits, self._files.take(paths), ""
        )


def _sides(rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return heights and widths in pixels."""
    side = np.exp(rng.normal(np.log(_MEDIAN_SIDE), _SPREAD_OF_SIDE, BLOCK_ROWS))
    shape = rng.choice(list(_SHAPES), BLOCK_ROWS, p=list(_SHAPES.values()))
    height, width = (np.clip(np.rint(each), 64, 10_000).astype(np.int64) for each in (side, side * shape))
    return height, width


def _chosen(rng: np.random.Generator, shares: dict[str, float]) -> pa.Array:
    chosen = rng.choice(len(shares), BLOCK_ROWS, p=list(shares.values()))
    return pa.array(list(shares)).take(pa.array(chosen))


def _directions(seed: list[int], n: int, dim: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((n, dim), np.float32)
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
