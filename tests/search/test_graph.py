"""Graphs and ranges against brute force in exact arithmetic, with copies and ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldpan.core.errors import ArrayError, InputError
from goldpan.search.duplicates import Duplicates, find_duplicates
from goldpan.search.graph import knn_graph
from goldpan.search.within import exact_range
from tests.search.brute import best, rational_keys

METRICS = ("ip", "l2", "cosine", "sqeuclidean")


def rows(seed, n, levels=3):
    return np.random.default_rng(seed).integers(0, levels, (n, 2)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.sampled_from(METRICS), st.booleans())
def test_a_row_is_no_neighbor_of_its_own_but_its_copies_are(seed, n, metric, with_self):
    base = rows(seed, n)
    k = int(np.random.default_rng(seed).integers(1, n + with_self))
    keys = rational_keys(base, base, metric)
    np.fill_diagonal(keys, np.inf if with_self else -np.inf)
    found = knn_graph(base, k, metric, with_self=with_self)
    np.testing.assert_array_equal(found.neighbors.ids, best(keys, k))
    rest = np.sort(keys, axis=1)[:, ::-1]
    ends = rest[:, k] if k < n else np.full(n, np.nan)
    scores = {"l2": np.sqrt(np.abs(ends)), "sqeuclidean": np.abs(ends)}.get(metric, ends)
    if k < n and (with_self or k < n - 1):
        np.testing.assert_allclose(found.next_scores, scores, rtol=1e-12)


def test_more_copies_than_neighbors():
    base = np.ones((9, 3), np.float32)
    found = knn_graph(base, 2, "l2")
    np.testing.assert_array_equal(found.neighbors.ids[[0, 1, 8]], [[1, 2], [0, 2], [0, 1]])
    assert found.ties.all()
    ours = knn_graph(base, 3, "ip", with_self=True)
    np.testing.assert_array_equal(ours.neighbors.ids[[0, 8]], [[0, 1, 2], [8, 0, 1]])
    np.testing.assert_array_equal(ours.neighbors.scores, np.full((9, 3), 3.0))


def test_some_rows_of_a_graph():
    base = rows(1, 50, levels=100)
    whole, part = knn_graph(base, 4, "l2"), knn_graph(base, 4, "l2", only=range(10, 30))
    np.testing.assert_array_equal(part.neighbors.ids, whole.neighbors.ids[10:30])
    with pytest.raises(InputError, match="k must be 1 to 49 for a graph of 50 rows, not 50"):
        knn_graph(base, 50, "l2")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(METRICS), st.sampled_from([0.0, 1.0, 2.0, 0.5, np.inf, -np.inf]))
def test_a_range_holds_what_is_on_its_border(seed, metric, radius):
    base, queries = rows(seed, 90), rows(seed + 1, 4)
    keys = rational_keys(base, queries, metric)
    scores = {"l2": np.sqrt(np.abs(keys)), "sqeuclidean": np.abs(keys)}.get(metric, keys)
    near = scores >= radius if metric in ("ip", "cosine") else scores <= radius
    found = exact_range(base, queries, radius, metric)
    order = best(keys, 90)
    for query in range(4):
        part = slice(found.limits[query], found.limits[query + 1])
        expected = order[query][near[query][order[query]]]
        np.testing.assert_array_equal(found.ids[part], expected)
        np.testing.assert_allclose(found.scores[part], scores[query][expected], rtol=1e-12)


def test_ranges_of_every_length_and_a_radius_for_each_query():
    base = np.arange(3000, dtype=np.float32)[:, None]
    found = exact_range(base, np.full((3, 1), 1500.0, np.float32), [0, 100, 1499], memory_bytes=1 << 24)
    np.testing.assert_array_equal(found.counts, [1, 201, 2999])
    assert not len(exact_range(base, base[:1], -1.0).ids)
    bits = np.array([[0], [1], [3], [255]], np.uint8)
    np.testing.assert_array_equal(exact_range(bits, bits[:1], 2, "hamming").ids, [0, 1, 2])
    with pytest.raises(InputError, match="one for each of the 1 queries"):
        exact_range(base, base[:1], [1.0, 2.0])
    with pytest.raises(InputError, match="no NaN"):
        exact_range(base, base[:1], np.nan)


def test_duplicates_are_counted_in_groups():
    base = np.array([[1, 2], [3, 4], [1, 2], [0.0, 5], [-0.0, 5], [1, 2], [7, 7]], np.float32)
    assert find_duplicates(base) == Duplicates(groups=2, rows=5, largest=3)
    assert find_duplicates(base[:2]) == Duplicates(0, 0, 1)


@pytest.mark.parametrize("n", [40, 400])
@pytest.mark.parametrize("metric", METRICS)
def test_rows_that_are_no_numbers_are_the_base_s(n, metric):
    base = np.random.default_rng(0).standard_normal((n, 5)).astype(np.float32)
    base[17, 2] = np.nan
    with pytest.raises(ArrayError, match=r"^base has NaN or infinite values, the first in row 17\.$"):
        knn_graph(base, 3, metric)
    with pytest.raises(ArrayError, match=r"^base has NaN .* row 17"):
        knn_graph(base, 3, metric, only=range(10, 12))
