"""Models of histograms, bits and sparse rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from goldpan.search.generators.protocol import Drawn, Span

BYTES = np.dtype(np.uint8)


class Histograms:
    """uint8 gradient histograms like SIFT's: clustered, mostly small bins, cut at 0.2 and scaled to length 512.

    Source of the normalization: Lowe, "Distinctive image features from scale-invariant keypoints", section 6.1.
    """

    dtype = BYTES
    clusters = 1000

    def __init__(self, seed: int, dim: int) -> None:
        self.dim = dim
        self._shapes = np.random.default_rng([seed, 111]).gamma(0.5, 1.0, (self.clusters, dim)).astype(np.float32)

    def draw(self, rng: np.random.Generator, span: Span) -> Drawn:
        """Draw rows; the label is the cluster."""
        labels = rng.integers(0, self.clusters, len(span.rows))
        bins = self._shapes[labels] * rng.standard_gamma(3.0, (len(span.rows), self.dim), np.float32)
        bins += 0.02 * rng.standard_exponential((len(span.rows), self.dim), np.float32)
        bins /= np.linalg.norm(bins, axis=1, keepdims=True)
        np.minimum(bins, 0.2, out=bins)
        bins *= 512 / np.linalg.norm(bins, axis=1, keepdims=True)
        return Drawn(np.minimum(np.rint(bins), 255).astype(np.uint8), labels)


class Sketches:
    """Packed bits: each row is one of 1,000 patterns with 5 to 40 % of its bits flipped.

    Args:
        seed: of the patterns.
        dim: bytes a row.
    """

    dtype = BYTES
    patterns = 1000

    def __init__(self, seed: int, dim: int) -> None:
        self.dim = dim
        self._patterns = np.random.default_rng([seed, 112]).integers(0, 256, (self.patterns, dim), np.uint8)

    def draw(self, rng: np.random.Generator, span: Span) -> Drawn:
        """Draw rows; the label is the pattern."""
        m = len(span.rows)
        labels = rng.integers(0, self.patterns, m)
        flips = rng.integers(13, 103, (m, 1), np.uint8)
        flipped = rng.integers(0, 256, (m, self.dim * 8), np.uint8) < flips
        return Drawn(self._patterns[labels] ^ np.packbits(flipped, axis=1), labels)


class SparseTerms:
    """Rows like those of a learned sparse text encoder (SPLADE): about 120 weighted terms of a vocabulary.

    Terms follow Zipf's law; two fifths are drawn by the row's topic, which has an order of terms of its own.
    Queries have about 40 terms. `draw` returns CSR matrices, indices sorted.

    Args:
        seed: of the topics.
        dim: size of the vocabulary.
    """

    dtype = np.dtype(np.float32)
    topics = 500

    def __init__(self, seed: int, dim: int) -> None:
        rng = np.random.default_rng([seed, 113])
        self.dim = dim
        self._offsets = rng.integers(0, dim, self.topics)
        self._shares = np.cumsum(1.0 / np.arange(1, dim + 1))
        self._shares /= self._shares[-1]

    def draw(self, rng: np.random.Generator, span: Span) -> Drawn:
        """Draw rows; the label is the topic."""
        from scipy.sparse import csr_matrix

        m = len(span.rows)
        labels = rng.integers(0, self.topics, m)
        lengths = np.clip(rng.lognormal(np.log(120 if span.part == "base" else 40), 0.4, m), 1, self.dim)
        row = np.repeat(np.arange(m), lengths.astype(np.int64))
        terms = self._terms(rng, labels[row])
        weights = np.log1p(rng.standard_exponential(len(row), np.float32)).astype(np.float32)
        # A term drawn twice stays one term, with the weights added up.
        table = csr_matrix((weights, (row, terms)), shape=(m, self.dim), dtype=np.float32)
        table.sum_duplicates()
        return Drawn(table, labels)

    def _terms(self, rng: np.random.Generator, topic: NDArray[np.int64]) -> NDArray[np.int64]:
        ranks = np.searchsorted(self._shares, rng.random(len(topic)), "right").clip(0, self.dim - 1)
        own = rng.random(len(topic)) < 0.4
        return np.where(own, (ranks + self._offsets[topic]) % self.dim, ranks)
