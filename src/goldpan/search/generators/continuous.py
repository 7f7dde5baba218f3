"""Models of float32 vectors: encoder outputs and the cases that are hard for an index."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from goldpan.search.generators.protocol import Drawn, Span

Rows = NDArray[np.float32]
FLOAT = np.dtype(np.float32)


class ClipLike:
    """Unit vectors like those of a text-image encoder.

    A cone around a common mean, 2,000 clusters whose sizes follow Zipf's law, and axes whose standard deviation
    falls as i^-0.55. Axes come in a random order rather than rotated, so that making rows needs no matrix product,
    whose last bits differ between machines; as in CLIP, few axes are far larger than the rest.

    Args:
        seed: of mean, axes and clusters.
        dim: values a row.
        shift: queries come from another cone, share the clusters half and have other axes: out of distribution,
            as captions are among images.
    """

    dtype = FLOAT
    clusters = 2000
    cone = 0.9
    spread = 0.5  # share of the variance around the mean that lies between clusters

    def __init__(self, seed: int, dim: int, *, shift: bool = False) -> None:
        rng = np.random.default_rng([seed, 101])
        self.dim = dim
        self._shift = shift
        self._axes, self._other_axes = (rng.permutation(_spectrum(dim)) for _ in range(2))
        self._mean, self._other_mean = (_unit(rng.standard_normal((1, dim), np.float32) ** 3) for _ in range(2))
        self._centers = rng.standard_normal((self.clusters, dim), np.float32) * self._axes
        self._shares = _cumulative(1.0 / np.arange(1, self.clusters + 1))

    def draw(self, rng: np.random.Generator, span: Span) -> Drawn:
        """Draw rows; the label is the cluster."""
        labels = np.searchsorted(self._shares, rng.random(len(span.rows)), "right")
        other = self._shift and span.part != "base"
        spread = self.spread * (0.5 if other else 1.0)
        rows = rng.standard_normal((len(span.rows), self.dim), np.float32)
        rows *= (self._other_axes if other else self._axes) * np.float32(np.sqrt(1 - spread))
        rows += np.float32(np.sqrt(spread)) * self._centers[labels]
        rows += np.float32(self.cone) * (self._other_mean if other else self._mean)
        return Drawn(_unit(rows), labels.astype(np.int64))


class Sphere:
    """Unit vectors in all directions alike: no structure that an index could use, and the narrowest gaps."""

    dtype = FLOAT

    def __init__(self, seed: int, dim: int) -> None:
        self.dim = dim

    def draw(self, rng: np.random.Generator, span: Span) -> Drawn:
        """Draw rows."""
        return Drawn(_unit(rng.standard_normal((len(span.rows), self.dim), np.float32)), None)


class Duplicates(ClipLike):
    """`ClipLike` with copies: 2 % of base rows repeat another, half of them to the last bit; one comes 900 times.

    The 900 (a tenth of the rows where there are fewer than 9,000) are spread evenly over the base. Queries are drawn
    near base rows, and every tenth is that row: its neighbors are ties throughout.
    """

    copies = 900

    def __init__(self, seed: int, dim: int) -> None:
        super().__init__(seed, dim)
        rng = np.random.default_rng([seed, 102])
        self._often = super().draw(rng, Span("base", range(1), 1)).rows[0]

    def draw(self, rng: np.random.Generator, span: Span) -> Drawn:
        """Draw rows; those of the repeated row have label -1."""
        rows, labels = super().draw(rng, span)
        assert labels is not None  # noqa: S101  for the type checker
        if span.part != "base":
            again = np.flatnonzero(np.arange(span.rows.start, span.rows.stop) % 10 == 0)
        else:
            self._copy_within(rng, rows, labels)
            count = min(self.copies, -(-span.n // 10))
            places = ((np.arange(count) + 0.5) * span.n / count).astype(np.int64)
            again = places[(places >= span.rows.start) & (places < span.rows.stop)] - span.rows.start
        rows[again], labels[again] = self._often, -1
        return Drawn(rows, labels)

    @staticmethod
    def _copy_within(rng: np.random.Generator, rows: Rows, labels: NDArray[np.int64]) -> None:
        m = len(rows)
        target, source = rng.permutation(m)[: m // 50], rng.integers(0, m, m // 50)
        rows[target], labels[target] = rows[source], labels[source]
        near = target[::2]
        noise = rng.standard_normal((len(near), rows.shape[1]), np.float32)
        rows[near] = _unit(rows[near] + np.float32(1e-3 / np.sqrt(rows.shape[1])) * noise)


class HeavyTails:
    """Vectors for maximum inner product search: clustered directions, norms with a Pareto tail (exponent 3).

    A few long rows are near to many queries, as in keys of a language model's attention.
    """

    dtype = FLOAT
    clusters = 200

    def __init__(self, seed: int, dim: int) -> None:
        self.dim = dim
        self._centers = np.random.default_rng([seed, 103]).standard_normal((self.clusters, dim), np.float32)

    def draw(self, rng: np.random.Generator, span: Span) -> Drawn:
        """Draw rows; the label is the cluster."""
        m = len(span.rows)
        labels = rng.integers(0, self.clusters, m)
        rows = _unit(self._centers[labels] + rng.standard_normal((m, self.dim), np.float32))
        return Drawn(rows * (1 + rng.pareto(3.0, (m, 1))).astype(np.float32), labels)


class Translated:
    """Standard normal vectors moved by the same offset on every axis.

    Squared distances computed as ``|x|^2 - 2 x.y + |y|^2`` in float32 lose their digits there (faiss issue 5285).
    """

    dtype = FLOAT

    def __init__(self, seed: int, dim: int, offset: float) -> None:
        self.dim = dim
        self._offset = np.float32(offset)

    def draw(self, rng: np.random.Generator, span: Span) -> Drawn:
        """Draw rows."""
        return Drawn(rng.standard_normal((len(span.rows), self.dim), np.float32) + self._offset, None)


class Drift:
    """Classes that follow one another in the base, as in a stream that drifts; queries come from all of them.

    Sizes of the 64 classes are a Dirichlet draw; a class lies near the one before it.
    """

    dtype = FLOAT
    classes = 64

    def __init__(self, seed: int, dim: int) -> None:
        rng = np.random.default_rng([seed, 104])
        self.dim = dim
        steps = rng.standard_normal((self.classes, dim), np.float32)
        self._centers = 0.5 * np.cumsum(steps, axis=0, dtype=np.float32)
        self._shares = _cumulative(rng.dirichlet(np.full(self.classes, 4.0)))

    def draw(self, rng: np.random.Generator, span: Span) -> Drawn:
        """Draw rows; the label is the class, in the base never lower than the one before."""
        m = len(span.rows)
        in_order = (np.arange(span.rows.start, span.rows.stop) + 0.5) / span.n
        place = in_order if span.part == "base" else rng.random(m)
        labels = np.searchsorted(self._shares, place, "right").astype(np.int64)
        return Drawn(self._centers[labels] + rng.standard_normal((m, self.dim), np.float32), labels)


def _spectrum(dim: int) -> Rows:
    axes: Rows = (np.arange(1, dim + 1) ** -0.55).astype(np.float32)
    axes /= np.sqrt((axes * axes).sum())
    return axes


def _cumulative(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.cumsum(shares)
    total /= total[-1]
    total[-1] = 1.0
    return total


def _unit(rows: Rows) -> Rows:
    rows /= np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    return rows
