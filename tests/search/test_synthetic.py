"""Seeded datasets: what each promises, and the same bytes each time."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
import sklearn

from goldpan.core.errors import ArrayError, InputError, UnknownName
from goldpan.core.records import Metric
from goldpan.search.exact import exact_search
from goldpan.search.generators.protocol import BLOCK_ROWS
from goldpan.search.synthetic import TABLE, open_dataset, open_readers

DENSE = [name for name in TABLE if name not in "FI"]


def digest(array: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()[:16]


@pytest.mark.parametrize("name", DENSE)
def test_readers_make_the_same_rows_in_any_order(name: str) -> None:
    n = BLOCK_ROWS + 100
    made = open_dataset(name, n=n, n_queries=50, dim=16, seed=3)
    readers = open_readers(name, n=n, n_queries=50, dim=16, seed=3)
    assert made.base.shape == (n, 16)
    assert made.base.dtype == readers.base.dtype
    assert digest(readers.queries.read(0, 50)) == digest(made.queries)
    late = readers.base.read(BLOCK_ROWS - 10, n)
    assert digest(late) == digest(made.base[BLOCK_ROWS - 10 :])
    assert digest(readers.base.read(5, BLOCK_ROWS + 5)) == digest(made.base[5 : BLOCK_ROWS + 5])
    assert digest(open_dataset(name, n=n, n_queries=50, dim=16, seed=4).base) != digest(made.base)
    assert made.learn is not None
    assert digest(made.learn) != digest(made.queries)


def test_reader_refuses_rows_that_are_not_there() -> None:
    with pytest.raises(ArrayError, match="Rows 5 to 11"):
        open_readers("C", n=10).base.read(5, 11)


def test_a_has_unit_rows_in_a_cone_and_falling_axes() -> None:
    made = open_dataset("A", n=4000, n_queries=100)
    assert made.base.shape == (4000, 768)
    np.testing.assert_allclose(np.linalg.norm(made.base, axis=1), 1, atol=1e-5)
    mean = made.base.mean(axis=0)
    assert 0.3 < mean @ mean < 0.6  # cosine of two rows, on average
    variances = np.sort(made.base.var(axis=0))[::-1]
    slope = np.polyfit(np.log(np.arange(1, 501)), np.log(variances[:500]), 1)[0]
    assert slope == pytest.approx(-1.1, abs=0.1)  # standard deviation i^-.55
    assert made.labels is not None
    assert np.bincount(made.labels).argmax() == 0


def test_b_has_the_base_of_a_and_queries_from_elsewhere() -> None:
    plain, shifted = open_dataset("A", n=2000), open_dataset("B", n=2000)
    assert digest(plain.base) == digest(shifted.base)

    def best(queries: Any) -> float:
        return float(exact_search(plain.base, queries, 1, Metric.IP).neighbors.scores.mean())

    assert best(shifted.queries) < best(plain.queries) - 0.2


def test_d_has_copies_and_one_row_many_times() -> None:
    made = open_dataset("D", n=9000, n_queries=20, dim=32)
    rows, counts = np.unique(made.base, axis=0, return_counts=True)
    assert counts.max() >= 900
    assert 0.985 * 8100 < len(rows) < 0.995 * 8100  # half of the 2 % are copies to the last bit
    answers = exact_search(made.base, made.queries, 100, Metric.IP)
    assert answers.ties[::10].all()
    assert not answers.ties[1]


def test_e_is_like_sift() -> None:
    made = open_dataset("E", n=2000)
    assert made.base.dtype == np.uint8
    assert np.linalg.norm(made.base, axis=1).mean() == pytest.approx(512, rel=0.02)
    assert 0.1 < (made.base < 5).mean() < 0.8


def test_g_rows_of_a_pattern_are_near() -> None:
    made = open_dataset("G", n=3000, n_queries=50)
    nearest = exact_search(made.base, made.queries, 1, made.metric).neighbors.scores
    assert made.base.shape == (3000, 128)
    assert nearest.mean() < 450  # random rows differ in 512 bits


def test_h_norms_have_a_heavy_tail() -> None:
    norms = np.linalg.norm(open_dataset("H", n=20_000).base, axis=1)
    assert norms.max() > 8 * np.median(norms)


def test_i_is_sparse_and_equal_each_time() -> None:
    made, again = (open_dataset("I", n=BLOCK_ROWS + 10, n_queries=20) for _ in range(2))
    assert made.base.shape == (BLOCK_ROWS + 10, 30_522)
    assert digest(made.base.data) == digest(again.base.data)
    assert digest(made.base.indices) == digest(again.base.indices)
    assert 60 < made.base.nnz / made.base.shape[0] < 130
    assert made.queries.nnz / 20 < 45


def test_j_moves_by_the_offset() -> None:
    made, base = open_dataset("J", n=1000, offset=10), open_dataset("J", n=1000, offset=0)
    assert made.base.mean() == pytest.approx(10, abs=0.02)
    np.testing.assert_allclose(made.base - 10, base.base, atol=1e-5)


def test_k_classes_follow_one_another() -> None:
    made = open_dataset("K", n=3000)
    assert made.labels is not None
    assert (np.diff(made.labels) >= 0).all()
    assert len(np.unique(made.labels)) == 64


def test_f_is_text() -> None:
    made = open_dataset("F", n=1500, n_queries=10, dim=16)
    assert made.base.shape == (1500, 16)
    assert made.metric is Metric.COSINE
    norms = np.linalg.norm(made.base, axis=1)
    assert (np.isclose(norms, 1, atol=1e-5) | (norms == 0)).all()
    assert (norms > 0).mean() > 0.9


def test_random_xs_is_that_of_big_ann_benchmarks() -> None:
    made = open_dataset("random-xs")
    assert made.base.shape == (10_000, 20)
    np.testing.assert_allclose(made.base[0, :3], [-10.125331, 3.4780114, -4.552952], rtol=1e-6)
    if sklearn.__version__ == "1.9.1":
        assert (digest(made.base), digest(made.queries)) == ("9d1cfd98ef059e14", "7393a1b7c6b1dda4")


def test_what_cannot_be_made_is_said() -> None:
    with pytest.raises(UnknownName, match="random-xs"):
        open_dataset("randomxs")
    with pytest.raises(InputError, match="fixed sizes"):
        open_dataset("random-xs", n=5)
    with pytest.raises(InputError, match="1 or more"):
        open_dataset("A", n=0)
    with pytest.raises(InputError, match="only J"):
        open_dataset("A", offset=1.0)
