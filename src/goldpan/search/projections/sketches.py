"""Sketches: a bit for the side of a hyperplane, or of several parallel ones, that a row lies on.

All are ``bit j = (w_j . x > t_j)`` and differ in how planes are chosen. Bits are packed with the first one lowest
(LSB first), which makes eight bytes a little-endian uint64 of SISAP's `hamming` files. Under cosine, rows are brought
to unit length first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Metric
from goldpan.search.projections.linear import whole_size
from goldpan.search.projections.moments import moments, principal_axes, random_rotation
from goldpan.search.projections.protocol import State, float_rows, sample_rows
from goldpan.search.readers import ArrayReader, VectorReader, sample_mean

Matrix = NDArray[np.float32]
WORD = 64
_ROWS_A_DIMENSION = 32  # of the sample that axes are learned from
_SAMPLE_ROWS = 4096
_CANDIDATES = 4
_THERMOMETER = np.array([-0.92, -0.28, 0.28, 0.92], np.float32)  # 1.1 times the normal quintiles


class Sketch:
    """What all kinds share; a kind has `planes`, which returns directions ``(d, columns)`` and thresholds.

    Thresholds are ``(levels, columns)``: a column with several levels is compared with each.
    """

    dtype = np.dtype(np.uint8)
    metric = Metric.HAMMING

    def __init__(self, spec: str, size: str, dim: int, metric: Metric, seed: int) -> None:
        self.spec, self.dim_in, self.source_metric = spec, dim, metric
        self.bits = whole_size(spec, size, multiple=WORD)
        self.dim = self.bits // 8
        self._seed = seed

    def planes(self, reader: VectorReader, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
        """Choose directions and thresholds."""
        raise NotImplementedError

    def fit(self, reader: VectorReader, progress: Progress) -> None:
        """Choose the planes."""
        progress.start("planes", 1)
        directions, thresholds = self.planes(reader, np.random.default_rng(self._seed))
        self._directions = np.ascontiguousarray(directions, np.float32)
        self._thresholds = np.asarray(thresholds, np.float32)
        progress.advance(1)
        progress.finish()

    def apply(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return packed bits, ``(m, bits / 8)`` uint8."""
        sides = float_rows(rows, self.source_metric, self.dim_in) @ self._directions
        bits = [np.packbits(sides > level, axis=1, bitorder="little") for level in self._thresholds]
        return bits[0] if len(bits) == 1 else np.concatenate(bits, axis=1)

    def state(self) -> State:
        """Return directions and thresholds."""
        return {"directions": self._directions, "thresholds": self._thresholds}

    def restore(self, state: State) -> None:
        """Take directions and thresholds."""
        self._directions, self._thresholds = state["directions"], state["thresholds"]

    def _mean(self, reader: VectorReader) -> Matrix:
        return sample_mean(reader, unit=self.source_metric is Metric.COSINE).astype(np.float32)

    def _sample(self, reader: VectorReader, count: int, rng: np.random.Generator) -> Matrix:
        return float_rows(sample_rows(reader, count, rng), self.source_metric, self.dim_in)

    def _between(self, first: Matrix, second: Matrix) -> tuple[Matrix, Matrix]:
        """Return the planes on whose positive side `first` is nearer than `second`; rows of each, ``(columns, d)``."""
        thresholds = np.zeros(len(first), np.float32)
        if not self.source_metric.is_similarity:
            thresholds = ((first**2).sum(axis=1) - (second**2).sum(axis=1)) / 2
        return (first - second).T, thresholds[None]

    def _axes(self, reader: VectorReader, count: int, rng: np.random.Generator) -> tuple[Matrix, Matrix, Matrix]:
        """Return mean, principal axes ``(d, count)`` and variances, learned from a sample."""
        rows = self._sample(reader, max(_SAMPLE_ROWS, _ROWS_A_DIMENSION * self.dim_in), rng)
        mean, covariance = moments(ArrayReader(rows), Metric.IP, Silent())
        axes, variances = principal_axes(covariance, count)
        return mean.astype(np.float32), axes, variances.astype(np.float32)


class SignRandom(Sketch):
    """``signrp:BITS``: planes through the mean in normal random directions (Charikar 2002)."""

    def planes(self, reader: VectorReader, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
        """Draw the directions."""
        directions = rng.standard_normal((self.dim_in, self.bits), np.float32)
        return directions, (self._mean(reader) @ directions)[None]


class HyperplanePairs(Sketch):
    """``hyperplane:BITS``: which of two random rows is nearer."""

    def planes(self, reader: VectorReader, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
        """Draw the pairs."""
        return self._between(*_pairs(self._sample(reader, _SAMPLE_ROWS, rng), self.bits, rng))


class HighEntropy(Sketch):
    """``entropy:BITS``: of four times as many pairs, those whose bit divides a sample most evenly."""

    def planes(self, reader: VectorReader, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
        """Draw pairs, keep the even ones, in the order drawn."""
        sample = self._sample(reader, _SAMPLE_ROWS, rng)
        directions, thresholds = self._between(*_pairs(sample, _CANDIDATES * self.bits, rng))
        ones = (sample @ directions > thresholds).mean(axis=0)
        chosen = np.sort(np.argsort(np.abs(ones - 0.5), kind="stable")[: self.bits])
        return directions[:, chosen], thresholds[:, chosen]


class DiffEnc(Sketch):
    """``diffenc:BITS``: BinPermsDiffEnc of SurrogatedDistanceModels.jl, 64 random rows a word.

    Bit j of a word: row j of the 64 is nearer than row j + 1 (after the last comes the first).
    """

    def planes(self, reader: VectorReader, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
        """Draw the rows of each word."""
        rows = self._sample(reader, _SAMPLE_ROWS, rng)
        picks = reference_picks(len(rows), self.bits // WORD, rng)
        return self._between(rows[picks.ravel()], rows[np.roll(picks, -1, axis=1).ravel()])


class SignPca(Sketch):
    """``signpca:BITS``: signs of the principal coordinates."""

    def planes(self, reader: VectorReader, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
        """Learn the axes."""
        mean, axes, _ = self._axes(reader, self.bits, rng)
        return axes, (mean @ axes)[None]


class Itq(Sketch):
    """``itq:BITS``: signs of principal coordinates, turned so that they lie near the corners of a cube.

    Iterative quantization (Gong and Lazebnik 2011), which turns as many axes as there are bits. Of more than 256
    bits, every 256 get a turn of their own that starts elsewhere.
    """

    axes = 256
    steps = 10

    def planes(self, reader: VectorReader, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
        """Learn axes, then turns."""
        mean, axes, _ = self._axes(reader, min(self.axes, self.bits, self.dim_in), rng)
        sample = (self._sample(reader, _SAMPLE_ROWS, rng) - mean) @ axes
        count = -(-self.bits // axes.shape[1])
        turns = np.concatenate([self._turn(sample, rng) for _ in range(count)], axis=1)[:, : self.bits]
        directions = axes @ turns
        return directions, (mean @ directions)[None]

    def _turn(self, sample: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        turn: NDArray[Any] = random_rotation(rng, sample.shape[1])
        for _ in range(self.steps):
            left, _, right = np.linalg.svd(sample.T @ np.sign(sample @ turn))
            turn = left @ right
        return turn


class Thermometer(Sketch):
    """``thermo:BITS``: four bits a coordinate, one for each of four thresholds it may exceed.

    Coordinates are principal ones, a quarter as many as bits, turned at random so that all have the same spread; the
    thresholds are near the quintiles. Differing bits are then a coarse L1 distance, which tells near rows apart better
    than as many signs, for a quarter of the work.
    """

    def planes(self, reader: VectorReader, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
        """Learn axes, draw turns."""
        columns = self.bits // len(_THERMOMETER)
        mean, axes, variances = self._axes(reader, min(columns, self.dim_in), rng)
        count = -(-columns // axes.shape[1])
        turns = np.concatenate([random_rotation(rng, axes.shape[1]) for _ in range(count)], axis=1)[:, :columns]
        directions = axes @ turns
        return directions, mean @ directions + np.sqrt(variances.mean()) * _THERMOMETER[:, None]


def _pairs(rows: Matrix, count: int, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
    if len(rows) < 2:
        raise InputError("A sketch of pairs needs a base of 2 rows or more.")
    first = rng.integers(0, len(rows), count)
    second = (first + rng.integers(1, len(rows), count)) % len(rows)
    return rows[first], rows[second]


def reference_picks(rows: int, words: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return for each word 64 different row numbers, ``(words, 64)``.

    Raises:
        InputError: there are fewer than 64 rows.
    """
    if rows < WORD:
        raise InputError(f"A sketch of permutations needs a base of {WORD} rows or more, not {rows}.")
    return np.stack([rng.choice(rows, WORD, replace=False) for _ in range(words)])
