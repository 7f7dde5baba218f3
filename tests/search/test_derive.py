"""Truth of a sub-base without vectors, against exact search over it, and against the published files."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldpan.core.errors import ArrayError, InputError
from goldpan.search.compare import Kind, compare_truths
from goldpan.search.derive import derive
from goldpan.search.exact import exact_search


@given(st.integers(0, 2**32 - 1), st.sampled_from(["prefix", "mask", "ids"]), st.booleans())
def test_the_start_of_the_list_of_the_sub_base(seed, form, renumber):
    rng = np.random.default_rng(seed)
    base, queries = rng.integers(0, 4, (40, 2)).astype(np.float32), rng.random((5, 2)).astype(np.float32)
    mask = np.arange(40) < 13 if form == "prefix" else rng.random(40) < 0.4
    mask[3] = True
    whole = exact_search(base, queries, 25, "l2").neighbors
    keep = {"prefix": 13, "mask": mask, "ids": rng.permutation(np.flatnonzero(mask))}[form]
    found = derive(whole.ids, keep=keep, scores=whole.scores, renumber=renumber)
    rows = np.flatnonzero(mask)
    part = exact_search(base[rows], queries, len(rows), "l2").neighbors
    assert found.ids.shape == (5, 25)
    for query, depth in enumerate(found.depth):
        expected = part.ids[query, :depth] if renumber else rows[part.ids[query, :depth]]
        np.testing.assert_array_equal(found.ids[query, :depth], expected)
        np.testing.assert_array_equal(found.scores[query, :depth], part.scores[query, :depth])
        assert (found.ids[query, depth:] == -1).all()
        assert np.isnan(found.scores[query, depth:]).all()


def test_short_lists_are_counted_and_k_cuts():
    found = derive([[4, 0, 1], [0, 1, 2], [-1, -1, -1]], keep=3, k=2)
    np.testing.assert_array_equal(found.ids, [[0, 1], [0, 1], [-1, -1]])
    np.testing.assert_array_equal(found.depth, [2, 2, 0])
    assert (found.short, found.scores) == (1, None)


def test_the_published_truths_of_open_images_agree_but_for_one_tie(shared):
    from goldpan.formats.truth import read_truth

    folder = shared / "data" / "groundtruth"
    whole, part = (read_truth(folder / f"openimages_{size}_gtruth.ivecs").ids for size in ("13M", "1M"))
    found = derive(whole, keep=1_000_000)
    compared = compare_truths(found.ids, part)
    assert (compared.queries, compared.same_order, compared.same_sets) == (10_000, 9_999, 10_000)
    assert (compared.shallowest, compared.deepest, compared.agrees) == (0, 20, True)
    (difference,) = compared.differences
    assert (difference.query, difference.kind) == (6154, Kind.TIE)
    assert (difference.ids, difference.others) == ([516532, 160662], [160662, 516532])
    assert "ids 516532, 160662 at ranks 10 to 11 are swapped" in difference.why


def compare_one(one, two, scores=None):
    compared = compare_truths([one], [two], None if scores is None else [scores])
    assert compared.same_order == 0
    return compared.differences[0]


def test_why_two_lists_differ():
    assert compare_one([1, 2, 3], [2, 1, 3]).kind is Kind.TIE
    assert compare_one([1, 2, 3], [2, 1, 3], [0.5, 0.6, 0.7]).kind is Kind.ORDER
    assert compare_one([1, 2, 3], [2, 1, 3], [0.5, 0.5, 0.7]).kind is Kind.TIE
    assert compare_one([1, 2, 3], [3, 2, 1]).kind is Kind.ORDER
    assert compare_one([1, 2, 3], [3, 2, 1], [0.5, 0.5, 0.5]).kind is Kind.TIE
    assert compare_one([1, 2, 3], [1, 2, 4]).kind is Kind.NEIGHBORS
    assert compare_one([1, 2, 3], [1, 4, 3], [0.5, 0.6, 0.6]).kind is Kind.TIE
    assert compare_one([1, 2, 3], [4, 2, 3], [0.5, 0.6, 0.6]).kind is Kind.NEIGHBORS
    assert compare_one([1, 2, 3, 5], [2, 1, 3, 4], [0.5, 0.5, 0.6, 0.6]).kind is Kind.TIE
    two = compare_one([1, 2, 3, 4, 5], [2, 1, 3, 5, 4])
    assert (two.kind, two.ranks) == (Kind.TIE, (1, 5))
    assert two.why.startswith("ids 1, 2 at ranks 1 to 2 (and 1 more places) are swapped, next to each other: taken for")


def test_lists_are_compared_as_far_as_both_go():
    compared = compare_truths([[1, 2, -1], [1, 2, 3]], [[1, 2], [1, 3]])
    assert (compared.same_order, compared.same_sets, compared.shallowest, compared.deepest) == (1, 1, 2, 2)
    assert not compared.agrees


def test_what_cannot_be_derived_or_compared():
    with pytest.raises(InputError, match="k must be 1 to 2"):
        derive([[0, 1]], keep=1, k=3)
    with pytest.raises(InputError, match="A prefix of 0 rows"):
        derive([[0, 1]], keep=0)
    with pytest.raises(ArrayError, match="the truth names row 7; give one a row"):
        derive([[0, 7]], keep=np.ones(5, bool))
    with pytest.raises(InputError, match="at least one"):
        derive([[0, 1]], keep=np.zeros(2, bool))
    with pytest.raises(ArrayError, match="Scores have shape"):
        derive([[0, 1]], keep=1, scores=[[1.0]])
    with pytest.raises(ArrayError, match="whole numbers"):
        derive([[0.5, 1]], keep=1)
    with pytest.raises(ArrayError, match="of 1 and 2 queries"):
        compare_truths([[0, 1]], [[0, 1], [1, 0]])
