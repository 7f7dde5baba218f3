"""How far a mean over queries can be trusted: intervals that assume nothing of how the values are distributed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from goldpan.core.errors import ArrayError, InputError
from goldpan.core.records import Floats

_CHUNK = 1 << 22
_BISECTIONS = 40


def bootstrap_interval(
    values: ArrayLike, confidence: float = 0.95, rounds: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean (Efron 1979), two-sided.

    Near either end of the range of the values it is optimistic (all 1: no width); a promise wants
    `lower_confidence_bound`.

    Args:
        values: ``(n,)``, one a query.
        confidence: share of such intervals that hold the true mean, about.
        rounds: resamples.
        seed: of the resampling; same values, same interval.
    """
    sample = _sample(values, confidence)
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // len(sample))
    means = [
        sample[rng.integers(0, len(sample), (min(step, rounds - start), len(sample)))].mean(axis=1)
        for start in range(0, rounds, step)
    ]
    low, high = np.quantile(np.concatenate(means), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def lower_confidence_bound(recalls: ArrayLike, confidence: float = 0.95) -> float:
    """Return what the true mean is at least, for values of 0 to 1 whatever their distribution, at any n.

    The bound by betting of Waudby-Smith and Ramdas ("Estimating means of bounded random variables by betting",
    J. R. Stat. Soc. B 86, 2024, predictable plug-in): were the mean m, nobody could expect to win by betting that it
    is higher, so a capital of 1 / (1 - confidence) refutes m. It adapts to the variance as the empirical Bernstein
    bound does, with far smaller constants: on 500 queries of recall .94 and deviation .07 it gives away .012, where
    Bernstein gives away .025 and Hoeffding .055. Unlike the bootstrap it holds at every n, not in the limit. The values
    must be a random sample of queries; they are shuffled by a fixed seed first, so their order is of no consequence
    to its validity.

    Args:
        recalls: ``(n,)``, 0 to 1, one a query.
        confidence: the bound is above the true mean at most once in 1 / (1 - confidence) samples.

    Raises:
        ArrayError: no values, or some outside 0 to 1.
    """
    sample = _sample(recalls, confidence)
    if sample.min() < 0 or sample.max() > 1:
        raise ArrayError(f"Values must be 0 to 1, not {sample.min():g} to {sample.max():g}.")
    sample = np.random.default_rng(0).permutation(sample)
    level = -math.log(1 - confidence)
    bets = _bets(sample, level)
    low, high = 0.0, float(sample.mean())
    for _ in range(_BISECTIONS):
        mean = (low + high) / 2
        # A bet of at most half of what could be lost keeps the capital positive.
        stakes = np.minimum(bets, 0.5 / mean) if mean > 0 else bets
        refuted = np.maximum.accumulate(np.cumsum(np.log1p(stakes * (sample - mean))))[-1] >= level
        low, high = (mean, high) if refuted else (low, mean)
    return low


def _bets(sample: Floats, level: float) -> Floats:
    """Return the stake of each round, from what was seen before it."""
    counts = np.arange(1, len(sample) + 1)
    means = (0.5 + np.cumsum(sample)) / (counts + 1)
    variances = (0.25 + np.cumsum((sample - means) ** 2)) / (counts + 1)
    before = np.concatenate([[0.25], variances[:-1]])
    return np.asarray(np.sqrt(2 * level / (len(sample) * before)), np.float64)


def _sample(values: ArrayLike, confidence: float) -> Floats:
    sample = np.asarray(values, np.float64)
    if sample.ndim != 1 or not len(sample) or not np.isfinite(sample).all():
        raise ArrayError(f"Values must be finite numbers in one axis, at least one, not of shape {sample.shape}.")
    if not 0 < confidence < 1:
        raise InputError(f"The confidence must lie between 0 and 1, not be {confidence}.")
    return sample
