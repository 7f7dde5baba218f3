"""Every mistake is planted in good answers, and found; good answers have none."""

from __future__ import annotations

import numpy as np
import pytest

from goldpan.core.errors import ArrayError
from goldpan.metrics.audit import audit_answers
from goldpan.search.exact import exact_search

N = 60


@pytest.fixture(scope="module")
def good():
    base = np.random.default_rng(0).standard_normal((N, 4)).astype(np.float32)
    return exact_search(base, base[:20] + np.float32(0.1), 8, "l2").neighbors


def kinds(*arguments, **options):
    return [fault.kind for fault in audit_answers(*arguments, **options)]


def test_good_answers_have_no_fault(good):
    answers = good.ids.copy()
    answers[3, 5:] = -1
    live = np.ones(N, bool)
    assert not audit_answers(answers, N, scores=good.scores, metric="l2", truth=good.ids, live=live)


def test_ids_given_twice(good):
    answers = good.ids.copy()
    answers[[4, 7], 1] = answers[[4, 7], 0]
    (fault,) = audit_answers(answers, N)
    assert (fault.kind, fault.rows, fault.first) == ("duplicate_ids", 2, 4)
    assert fault.detail == "2 rows hold an id twice, the first is row 4"
    answers[:, 1:] = -1
    assert not audit_answers(answers, N)


def test_ids_that_count_from_one(good):
    everything = np.arange(1, N + 1)[None]
    assert kinds(everything, N) == ["one_based_ids"]
    shifted = np.where(good.ids == N - 1, 0, good.ids) + 1
    assert kinds(shifted, N) == []  # nobody can tell without the truth
    assert kinds(shifted, N, truth=good.ids) == ["one_based_ids"]


def test_ids_that_are_none(good):
    answers = good.ids.copy()
    answers[5, 2], answers[6, 0] = N + 3, -2
    (fault,) = audit_answers(answers, N)
    assert (fault.kind, fault.rows, fault.first) == ("out_of_range", 2, 5)


def test_a_query_that_answers_itself(good):
    own = np.full(20, -1)
    own[9] = good.ids[9, 3]
    (fault,) = audit_answers(good.ids, N, query_ids=own)
    assert (fault.kind, fault.rows, fault.first) == ("self_hits", 1, 9)


def test_rows_that_were_deleted(good):
    live = np.ones(N, bool)
    live[good.ids[0, 0]] = False
    faults = audit_answers(good.ids, N, live=live)
    assert [fault.kind for fault in faults] == ["dead_ids"]
    assert faults[0].rows == (good.ids == good.ids[0, 0]).any(axis=1).sum()


def test_swapped_columns(good):
    (fault,) = audit_answers(good.scores, N, scores=good.ids)
    assert (fault.kind, fault.rows) == ("swapped_columns", 20)
    assert fault.detail.endswith("the two are swapped")
    assert kinds(good.scores, N) == ["swapped_columns"]
    assert not audit_answers(good.ids.astype(float), N)


def test_the_farthest_first(good):
    assert kinds(good.ids, N, scores=good.scores, metric="ip") == ["order"]
    assert kinds(good.ids[:, ::-1], N, scores=good.scores[:, ::-1], metric="l2") == ["order"]
    rounded = good.scores.astype(np.float16).astype(float)
    assert not audit_answers(good.ids, N, scores=rounded, metric="l2")


def test_what_does_not_fit(good):
    with pytest.raises(ArrayError, match="2 axes"):
        audit_answers(good.ids[0], N)
    with pytest.raises(ArrayError, match="must be the same"):
        audit_answers(good.ids, N, scores=good.scores[:2])
    with pytest.raises(ArrayError, match="one a query"):
        audit_answers(good.ids, N, query_ids=[1])
    with pytest.raises(ArrayError, match="one a row of the base"):
        audit_answers(good.ids, N, live=[True])
