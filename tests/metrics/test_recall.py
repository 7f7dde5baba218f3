"""Recall by every rule, on answers small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from goldpan.core.errors import ArrayError, InputError
from goldpan.metrics.recall import average_precision, distance_recall, ndcg, strict_recall, tie_aware_recall

TRUTH = np.array([[5, 3, 8, 1], [0, 1, 2, 3]])
SCORES = np.array([[1.0, 2.0, 2.0, 3.0], [1.0, 1.0, 1.0, 1.0]])


def test_an_id_given_twice_counts_once():
    np.testing.assert_array_equal(strict_recall([[5, 5], [1, 1]], TRUTH, 2), [0.5, 0.5])


def test_answers_past_k_and_missing_answers_do_not_count():
    np.testing.assert_array_equal(strict_recall([[9, 9, 5], [-1, 0, 1]], TRUTH, 2), [0.0, 0.5])
    np.testing.assert_array_equal(strict_recall([[3], [7]], TRUTH, 2), [0.5, 0.0])
    np.testing.assert_array_equal(strict_recall(np.full((2, 4), -1), TRUTH, 4), [0.0, 0.0])


def test_a_truth_of_fewer_than_k_is_divided_by_what_it_has():
    truth = np.array([[4, 7, -1], [-1, -1, -1]])
    np.testing.assert_array_equal(strict_recall([[7, 9, 9], [1, 2, 3]], truth, 3), [0.5, 1.0])


def test_ids_that_tie_with_rank_k_are_as_good():
    found = [[5, 8], [3, 2]]
    np.testing.assert_array_equal(strict_recall(found, TRUTH, 2), [0.5, 0.0])
    np.testing.assert_array_equal(tie_aware_recall(found, TRUTH, SCORES, 2), [1.0, 1.0])
    np.testing.assert_array_equal(tie_aware_recall([[8, 8], [3, 3]], TRUTH, SCORES, 2), [0.5, 0.5])


def test_a_tie_ends_at_the_first_score_beyond_the_tolerance():
    scores = np.array([[0.0, 1.0, 1.0 + 1e-6 / 2, 1.1]])
    assert tie_aware_recall([[0, 2]], [[0, 1, 2, 3]], scores, 2)[0] == 1
    assert tie_aware_recall([[0, 2]], [[0, 1, 2, 3]], scores, 2, tolerance=0)[0] == 0.5
    assert tie_aware_recall([[0, 3]], [[0, 1, 2, 3]], scores, 2)[0] == 0.5


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_recall_is_that_of_sets(seed, k):
    rng = np.random.default_rng(seed)
    truth = np.array([rng.permutation(9)[:6] for _ in range(20)])
    scores = np.sort(rng.integers(0, 4, (20, 6)), axis=1).astype(float)
    found = rng.integers(-1, 9, (20, 7))
    strict, tied = strict_recall(found, truth, k), tie_aware_recall(found, truth, scores, k)
    for row in range(20):
        answers = set(found[row, :k].tolist()) - {-1}
        assert strict[row] == len(answers & set(truth[row, :k].tolist())) / k
        good = set(truth[row][(scores[row] <= scores[row, k - 1])].tolist())
        assert tied[row] == min(1, len(answers & good) / k)
        assert tied[row] >= strict[row]


def test_distances_within_the_slack_count_for_both_kinds_of_metric():
    np.testing.assert_array_equal(distance_recall([[1.0, 2.0009, 9]], [[1.0, 2.0]], 2), [1.0])
    np.testing.assert_array_equal(distance_recall([[1.0, 2.0009]], [[1.0, 2.0]], 2, slack=0), [0.5])
    np.testing.assert_array_equal(distance_recall([[0.9, np.nan]], [[0.9, 0.8]], 2, "cosine"), [0.5])
    np.testing.assert_array_equal(distance_recall([[0.9, 0.7]], [[0.9, 0.8]], 2, "ip"), [0.5])


def test_average_precision_is_that_of_scikit_learn_and_misses_count():
    rng = np.random.default_rng(4)
    scores = rng.integers(0, 30, 60).astype(float)
    relevant = rng.random(60) < 0.3
    limits, ids = np.array([0, 25, 60]), np.r_[np.arange(25), np.arange(35)]
    right = np.flatnonzero(relevant)
    truth_limits = [0, int((right < 25).sum()), len(right)]
    value = average_precision(limits, ids, scores, truth_limits, ids[right])
    assert value == pytest.approx(average_precision_score(relevant, -scores))
    assert average_precision(limits, ids, -scores, truth_limits, ids[right], "ip") == pytest.approx(value)
    missed = average_precision([0, 1], [3], [0.5], [0, 2], [3, 4])
    assert missed == 0.5
    assert average_precision([0, 2], [3, 3], [0.5, 0.6], [0, 2], [3, 4]) == 0.5  # an id twice is right once
    assert average_precision([0, 0], [], [], [0, 0], []) == 1
    with pytest.raises(ArrayError, match="Limits must rise from 0 to 1"):
        average_precision([0, 3], [3], [0.5], [0, 2], [3, 4])


def test_ndcg_is_that_of_scikit_learn():
    gains = np.array([[3.0, 0, 1, 2, 0, 0], [0.0, 0, 0, 0, 0, 0]])
    ranking = np.array([[2, 4, 0, 1, 3, 5]] * 2)
    places = np.argsort(ranking[0])
    values = ndcg(ranking, [dict(enumerate(row)) for row in gains], k=4)
    assert values[0] == pytest.approx(ndcg_score(gains[:1], -places[None].astype(float), k=4))
    assert values[1] == 0
    assert ndcg([[2, 2]], [{2: 1.0, 3: 1.0}], k=2)[0] < ndcg([[2, 3]], [{2: 1.0, 3: 1.0}], k=2)[0] == 1


def test_what_does_not_fit_is_refused():
    with pytest.raises(ArrayError, match=r"not \(1, 2\) and \(2, 4\)"):
        strict_recall([[1, 2]], TRUTH, 2)
    with pytest.raises(InputError, match="k must be 1 to 4, the depth of the truth, not 5"):
        strict_recall(TRUTH, TRUTH, 5)
    with pytest.raises(ArrayError, match="whole numbers"):
        strict_recall(TRUTH.astype(float), TRUTH, 2)
    with pytest.raises(ArrayError, match="must be the same"):
        tie_aware_recall(TRUTH, TRUTH, SCORES[:, :2], 2)
