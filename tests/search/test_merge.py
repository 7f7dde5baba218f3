"""Truth kept over a stream equals exact search over the live rows at every step, in ids, order and scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldpan.core.errors import InputError
from goldpan.core.records import Neighbors
from goldpan.search.exact import exact_search
from goldpan.search.merge import BucketedTruth, merge_neighbors

METRICS = ("ip", "l2", "cosine", "sqeuclidean", "hamming")


def draw(rng, shape, metric, values):
    """Rows of a few values tie and repeat often."""
    if metric == "hamming":
        return rng.integers(0, 4, shape).astype(np.uint8)
    return (rng.integers(0, values, shape) if values else rng.standard_normal(shape)).astype(np.float32)


def anew(base, queries, k, metric, places):
    """Exact search over the live rows, in the order of their tags."""
    ids, scores = np.full((len(queries), k), -1), np.full((len(queries), k), np.nan)
    tags = np.array(sorted(places), int)
    if len(tags):
        depth = min(k, len(tags))
        found = exact_search(base[[places[tag] for tag in tags.tolist()]], queries, depth, metric).neighbors
        ids[:, :depth], scores[:, :depth] = tags[found.ids], found.scores
    return ids, scores


def step(rng, truth, places):
    """Insert, delete or replace at random; `places` says which row each live tag stands for."""
    dead = np.setdiff1d(np.arange(truth.n), list(places.values()))
    kind = rng.integers(0, 4)
    if kind == 0 and len(places):
        tags = rng.permutation(list(places))[: rng.integers(1, len(places) + 1)]
        truth.delete(tags)
        for tag in tags.tolist():
            places.pop(tag)
    elif kind == 1 and len(places) and len(dead):
        count = min(len(places), len(dead), int(rng.integers(1, 6)))
        tags, ids = rng.permutation(list(places))[:count], rng.permutation(dead)[:count]
        truth.replace(tags, ids)
        places.update(zip(tags.tolist(), ids.tolist(), strict=True))
    else:
        ids = rng.permutation([row for row in dead.tolist() if row not in places])[: rng.integers(1, truth.n // 3 + 2)]
        truth.insert(ids.astype(int))
        places.update((row, row) for row in ids.astype(int).tolist())


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    metric=st.sampled_from(METRICS),
    values=st.sampled_from([0, 2, 3]),
    n=st.integers(1, 70),
    k=st.integers(1, 7),
    bucket_rows=st.sampled_from([None, 1, 7, 20]),
    reserve=st.sampled_from([None, 0, 2]),
)
def test_every_step_equals_exact_search_over_the_live_rows(seed, metric, values, n, k, bucket_rows, reserve):
    rng = np.random.default_rng(seed)
    base, queries = draw(rng, (n, 3), metric, values), draw(rng, (6, 3), metric, values)
    truth = BucketedTruth(base, queries, k, metric, bucket_rows, reserve)
    places: dict[int, int] = {}
    for _ in range(12):
        step(rng, truth, places)
        found = truth.current()
        ids, scores = anew(base, queries, k, metric, places)
        np.testing.assert_array_equal(found.ids, ids)
        np.testing.assert_array_equal(found.scores, scores)


def test_only_the_lists_that_ran_out_are_made_anew():
    """All neighbors of query 0 go, in one of four buckets; the other query keeps its lists."""
    base = np.arange(80, dtype=np.float32)[:, None]
    queries = np.array([[5.0], [75.0]], np.float32)
    truth = BucketedTruth(base, queries, 3, "l2", bucket_rows=20, reserve=2)
    truth.insert(range(80))
    truth.delete([4, 5])
    np.testing.assert_array_equal(truth.current().ids, [[6, 3, 7], [75, 74, 76]])
    assert truth.relisted == 0
    truth.delete([3, 6])
    np.testing.assert_array_equal(truth.current().ids, [[7, 2, 8], [75, 74, 76]])
    assert truth.relisted == 1
    truth.insert([5])
    np.testing.assert_array_equal(truth.current().ids[0], [5, 7, 2])


def test_a_base_that_is_read_in_ranges(tmp_path):
    from goldpan.formats.vectors import open_vectors, write_vectors

    rows = np.random.default_rng(3).standard_normal((300, 8)).astype(np.float32)
    write_vectors(tmp_path / "b.fvecs", [rows], dim=8, dtype=np.float32)
    truth = BucketedTruth(open_vectors(tmp_path / "b.fvecs"), rows[:9], 4, "ip", bucket_rows=70)
    truth.insert(range(50, 250))
    np.testing.assert_array_equal(truth.current().ids, exact_search(rows[50:250], rows[:9], 4, "ip").neighbors.ids + 50)
    assert truth.live.sum() == 200


@given(st.integers(0, 2**32 - 1), st.sampled_from(METRICS))
def test_lists_merge_in_any_grouping(seed, metric):
    rng = np.random.default_rng(seed)
    base, queries = draw(rng, (30, 2), metric, 3), draw(rng, (5, 2), metric, 3)
    cuts = np.sort(rng.integers(1, 30, 3))
    parts = []
    for start, stop in zip([0, *cuts], [*cuts, 30], strict=True):
        if stop > start:
            found = exact_search(base[start:stop], queries, min(4, stop - start), metric).neighbors
            parts.append(Neighbors(found.ids + start, found.scores))
    whole = exact_search(base, queries, 4, metric).neighbors
    one = merge_neighbors(parts, 4, metric)
    other = merge_neighbors([merge_neighbors(parts[1:], 4, metric), parts[0]], 4, metric) if len(parts) > 1 else one
    for merged in (one, other):
        np.testing.assert_array_equal(merged.ids, whole.ids)
        np.testing.assert_array_equal(merged.scores, whole.scores)


def test_what_cannot_be_done():
    truth = BucketedTruth(np.eye(5, dtype=np.float32), np.eye(5, dtype=np.float32)[:2], 2, "l2")
    truth.insert(range(3))
    with pytest.raises(InputError, match="id 2 is live already"):
        truth.insert([2, 3])
    with pytest.raises(InputError, match=r"id 5 is none of 0\.\.4"):
        truth.insert([5])
    with pytest.raises(InputError, match="given twice"):
        truth.insert([4, 4])
    with pytest.raises(InputError, match="tag 3 is not live"):
        truth.delete([3])
    with pytest.raises(InputError, match="1 tags cannot stand for 2 rows"):
        truth.replace([0], [3, 4])
    with pytest.raises(InputError, match="id 1 is live already"):
        truth.replace([0], [1])
    with pytest.raises(InputError, match="whole number"):
        truth.insert([0.5])
    with pytest.raises(InputError, match="the reserve -1"):
        BucketedTruth(np.eye(5, dtype=np.float32), np.eye(5, dtype=np.float32), 2, reserve=-1)
    np.testing.assert_array_equal(truth.live, [True, True, True, False, False])
