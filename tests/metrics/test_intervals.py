"""Intervals hold what they promise, on samples whose mean is known."""

from __future__ import annotations

import numpy as np
import pytest

from goldpan.core.errors import ArrayError, InputError
from goldpan.metrics.intervals import bootstrap_interval, lower_confidence_bound


def test_the_bootstrap_is_about_the_normal_interval_and_the_same_each_time():
    values = np.random.default_rng(0).random(1000)
    low, high = bootstrap_interval(values)
    half = 1.96 * values.std() / np.sqrt(1000)
    assert low == pytest.approx(values.mean() - half, abs=half / 8)
    assert high == pytest.approx(values.mean() + half, abs=half / 8)
    assert (low, high) == bootstrap_interval(values)
    assert bootstrap_interval([0.5]) == (0.5, 0.5)


@pytest.mark.parametrize("n", [30, 200, 1000])
@pytest.mark.parametrize("mean", [0.5, 0.97])
def test_the_lower_bound_is_above_the_mean_at_most_as_often_as_it_says(n, mean):
    rng = np.random.default_rng(n)
    bounds = np.array([lower_confidence_bound((rng.random(n) < mean) * 1.0) for _ in range(300)])
    assert (bounds > mean).mean() <= 0.05 + 0.025  # two standard errors of 300 trials
    assert bounds.mean() > mean - np.sqrt(np.log(20) / (2 * n)) * 1.1  # about Hoeffding's at worst


def test_little_scatter_is_used():
    values = np.clip(np.random.default_rng(1).normal(0.96, 0.1, 500), 0, 1)
    assert values.mean() - 0.014 < lower_confidence_bound(values) < bootstrap_interval(values)[0]
    assert 0.98 < lower_confidence_bound(np.ones(500)) < 1
    assert lower_confidence_bound(np.zeros(9)) == 0


def test_what_has_no_interval():
    with pytest.raises(ArrayError, match="at least one"):
        bootstrap_interval([])
    with pytest.raises(ArrayError, match="finite"):
        bootstrap_interval([0.5, np.nan])
    with pytest.raises(ArrayError, match=r"0 to 1, not 0 to 1\.5"):
        lower_confidence_bound([0, 1.5])
    with pytest.raises(InputError, match="confidence"):
        lower_confidence_bound([1], confidence=1)
