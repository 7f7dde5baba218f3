"""Scores of pairs are true scores, rounded once."""

from __future__ import annotations

import numpy as np
import pytest

from goldpan.core.records import Metric
from goldpan.search.compensated import pair_keys
from tests.search.brute import rational_keys


@pytest.mark.parametrize("metric", [Metric.IP, Metric.COSINE, Metric.L2])
@pytest.mark.parametrize("dim", [1, 7, 8, 9, 40])
def test_scores_are_rounded_once(metric, dim):
    generator = np.random.default_rng(dim)
    rows = (generator.standard_normal((60, dim)) * 10.0 ** generator.integers(-3, 4, (60, dim))).astype(np.float32)
    query = generator.standard_normal((1, dim)).astype(np.float32)
    keys = pair_keys(np.repeat(query, 60, axis=0), rows, metric)
    np.testing.assert_array_equal(keys, rational_keys(rows, query, metric)[0])


def test_cancellation_leaves_the_small_term():
    query = np.array([[1e15, 1.0, -1e15]])
    assert pair_keys(query, np.array([[1.0, 1e-3, 1.0]]), Metric.IP)[0] == 1e-3


def test_multiples_of_a_row_have_cosine_one_exactly():
    rows = np.outer(np.arange(1, 200), [0.1, 0.7, -0.3])
    query = np.tile([[0.1, 0.7, -0.3]], (len(rows), 1)).astype(np.float32)
    assert np.all(pair_keys(query, query * np.arange(1, 200, dtype=np.float64)[:, None], Metric.COSINE) == 1.0)
