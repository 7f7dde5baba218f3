"""Exact search answers as brute force does: ids and order, on data that breaks float32 tools too."""

from __future__ import annotations

import importlib.util
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from goldpan.core.errors import ArrayError, InputError, UnknownName
from goldpan.core.records import Metric
from goldpan.search.exact import exact_search
from goldpan.search.kernels import load_kernels
from goldpan.search.native import levels
from goldpan.search.readers import ArrayReader
from goldpan.search.topk import TopK
from tests.search.brute import best, keys64, rational_keys

TORCH = ["torch:cpu"] if importlib.util.find_spec("torch") else []
KERNELS = ["numpy", *(f"native:{level}" for level in levels()), *TORCH]
EACH = [pytest.param(name, marks=pytest.mark.slow) if name in TORCH else name for name in KERNELS]
METRICS = ["ip", "cosine", "l2", "sqeuclidean"]


def gaussian(n=1500, d=33, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def sphere():
    rows = gaussian(2000, 48)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def clustered():
    generator = np.random.default_rng(1)
    centers = generator.standard_normal((20, 40))
    return (centers[generator.integers(0, 20, 2000)] + 1e-3 * generator.standard_normal((2000, 40))).astype(np.float32)


def copies():
    rows = gaussian(1600, 24)
    rows[100:1000] = rows[50]
    rows[1200:1250] = rows[1250:1300]
    return rows


def whole_numbers():
    return np.random.default_rng(2).integers(-2, 3, (600, 5)).astype(np.float32)


def heavy_tailed():
    generator = np.random.default_rng(3)
    return (gaussian(2000, 16) * np.exp(3 * generator.standard_normal((2000, 1)))).astype(np.float32)


def some_zeros():
    rows = gaussian(800, 17)
    rows[::7] = 0
    return rows


def scales():
    return (gaussian(900, 12) * 10.0 ** np.random.default_rng(4).integers(-6, 7, (900, 1))).astype(np.float32)


DATA = {
    "gaussian": gaussian,
    "sphere": sphere,
    "clustered": clustered,
    "copies": copies,
    "whole numbers": whole_numbers,
    "translated by 10": lambda: gaussian() + np.float32(10),
    "translated by 100": lambda: gaussian() + np.float32(100),
    "translated by 10000": lambda: gaussian() + np.float32(10000),
    "heavy-tailed norms": heavy_tailed,
    "rows of zeros": some_zeros,
    "twelve orders of magnitude": scales,
    "huge": lambda: gaussian(700, 20) * np.float32(1e30),
    "tiny": lambda: gaussian(700, 20) * np.float32(1e-30),
    "subnormal": lambda: gaussian(300, 9) * np.float32(1e-41),
    "one dimension": lambda: gaussian(600, 1),
    "three dimensions": lambda: gaussian(600, 3),
    "float16": lambda: gaussian().astype(np.float16),
    "float64": lambda: np.random.default_rng(5).standard_normal((900, 21)),
    "huge float64": lambda: np.random.default_rng(6).standard_normal((400, 7)) * 1e60,
    "tiny float64": lambda: np.random.default_rng(7).standard_normal((400, 7)) * 1e-60,
    "int8": lambda: np.random.default_rng(8).integers(-128, 128, (1500, 30), np.int8),
    "uint8": lambda: np.random.default_rng(9).integers(0, 256, (1500, 30), np.uint8),
    "fewer than a panel": lambda: gaussian(5, 4),
}


def queries_for(base):
    """Some rows of the base, some near it, one far away, one of zeros."""
    generator = np.random.default_rng(10)
    size = np.abs(base.astype(np.float64)).mean()
    near = base[:: max(1, len(base) // 30)].astype(np.float64)
    moved = near + 0.3 * size * generator.standard_normal(near.shape)
    rows = np.concatenate([near[:10], moved, -near[:1] * 2, np.zeros((1, base.shape[1]))])
    if base.dtype.kind in "iu":
        limits = np.iinfo(base.dtype)
        rows = np.clip(np.rint(rows), limits.min, limits.max)
    return rows.astype(base.dtype)


@cache
def solved(name):
    """Return base and queries, and by metric and k the ids and values that brute force finds: once for all kernels."""
    base = DATA[name]()
    queries = queries_for(base)
    base.flags.writeable = queries.flags.writeable = False
    answers = {}
    for metric in METRICS:
        exact_ties = name == "whole numbers" and metric == "cosine"  # float64 sees x and 3x as different directions
        keys = rational_keys(base, queries, metric) if exact_ties else keys64(base, queries, metric)
        values = {"l2": np.sqrt(np.abs(keys)), "sqeuclidean": -keys}.get(metric, keys)
        for k in {1, 10, 100, len(base)}:
            if k <= min(len(base), 1000):
                expected = best(keys, k)
                answers[metric, k] = expected, np.take_along_axis(values, expected, 1), 1e-12 * np.abs(values).max()
    return base, queries, answers


@pytest.mark.parametrize("kernels", EACH)
@pytest.mark.parametrize("name", DATA)
def test_ids_and_order_equal_float64_brute_force(name, kernels):
    base, queries, answers = solved(name)
    for (metric, k), (ids, scores, slack) in answers.items():
        found = exact_search(base, queries, k, metric, kernels=kernels).neighbors
        np.testing.assert_array_equal(found.ids, ids, f"{name} {metric} k={k}")
        np.testing.assert_allclose(found.scores, scores, 1e-9, slack)


@pytest.mark.parametrize("metric", METRICS)
def test_kernels_give_the_same_bits(metric):
    base, queries = heavy_tailed(), queries_for(heavy_tailed())
    answers = [exact_search(base, queries, 20, metric, kernels=name).neighbors for name in KERNELS]
    for ids, scores in answers[1:]:
        np.testing.assert_array_equal(ids, answers[0].ids)
        np.testing.assert_array_equal(scores, answers[0].scores)


@pytest.mark.gpu
@pytest.mark.parametrize("metric", METRICS)
def test_a_gpu_gives_the_same_bits(metric):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    for make in (heavy_tailed, clustered, copies, DATA["translated by 10000"], DATA["float64"], DATA["uint8"]):
        base = make()
        on_gpu, here = (
            exact_search(base, queries_for(base), 20, metric, kernels=name).neighbors
            for name in ("torch:cuda", "numpy")
        )
        np.testing.assert_array_equal(on_gpu.ids, here.ids)
        np.testing.assert_array_equal(on_gpu.scores, here.scores)


def test_devices_that_are_not_there():
    pytest.importorskip("torch")
    for name in ("torch:cuda:99", "torch:abacus"):
        with pytest.raises(InputError, match=f"Kernels '{name}' cannot run here: "):
            load_kernels(name)


def test_torch_multiplies_float32_as_float32_whatever_is_set():
    torch = pytest.importorskip("torch")
    torch.set_float32_matmul_precision("medium")
    try:
        base = DATA["translated by 100"]()
        found = exact_search(base, queries_for(base), 10, "l2", kernels="torch:cpu").neighbors
        np.testing.assert_array_equal(found.ids, best(keys64(base, queries_for(base), "l2"), 10))
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


plain = st.one_of(
    st.integers(-3, 3).map(float),
    st.floats(2.0**-10, 2.0**10, width=32),
    st.floats(-(2.0**10), -(2.0**-10), width=32),
)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(METRICS), st.sampled_from(KERNELS))
def test_order_is_that_of_the_true_scores(data, metric, kernels):
    dim = data.draw(st.integers(1, 9))
    base = data.draw(hnp.arrays(np.float32, (data.draw(st.integers(1, 40)), dim), elements=plain))
    queries = data.draw(hnp.arrays(np.float32, (data.draw(st.integers(1, 7)), dim), elements=plain))
    k = data.draw(st.integers(1, len(base)))
    found = exact_search(base, queries, k, metric, kernels=kernels).neighbors
    np.testing.assert_array_equal(found.ids, best(rational_keys(base, queries, metric), k))


class Streamed:
    """A table that can only be read by ranges, and remembers which."""

    def __init__(self, array):
        self.array, self.n, self.dim, self.dtype = array, *array.shape, array.dtype
        self.largest = 0

    def read(self, start, stop):
        self.largest = max(self.largest, stop - start)
        return self.array[start:stop].copy()


@pytest.mark.parametrize("kernels", EACH)
@pytest.mark.parametrize("metric", METRICS)
def test_little_memory_gives_the_same_answer(metric, kernels):
    base, queries = copies(), gaussian(700, 24, seed=5)
    whole = exact_search(base, queries, 12, metric, kernels=kernels)
    source, asked = Streamed(base), Streamed(queries)
    parts = exact_search(source, asked, 12, metric, kernels=kernels, memory_bytes=100_000)
    assert source.largest < len(base) / 4
    assert asked.largest < len(queries)
    np.testing.assert_array_equal(parts.neighbors.ids, whole.neighbors.ids)
    np.testing.assert_array_equal(parts.neighbors.scores, whole.neighbors.scores)
    np.testing.assert_array_equal(parts.next_scores, whole.next_scores)


def test_a_range_of_the_queries():
    base, queries = gaussian(), gaussian(40, 33, seed=2)
    whole = exact_search(base, queries, 3).neighbors
    part = exact_search(base, Streamed(queries), 3, only=range(11, 30)).neighbors
    np.testing.assert_array_equal(part.ids, whole.ids[11:30])
    np.testing.assert_array_equal(part.scores, whole.scores[11:30])
    with pytest.raises(InputError, match="queries 30 to 41 were asked for, but there are 40"):
        exact_search(base, queries, 3, only=range(30, 41))


def test_memory_maps_and_mixed_types(tmp_path):
    rows = gaussian(900, 20).astype(np.float16)
    np.save(tmp_path / "base.npy", rows)
    mapped = np.load(tmp_path / "base.npy", mmap_mode="r")
    queries = gaussian(11, 20, seed=3).astype(np.float64)
    found = exact_search(ArrayReader(mapped), queries, 7, "l2").neighbors
    np.testing.assert_array_equal(found.ids, best(keys64(rows, queries, "l2"), 7))


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_change_nothing(workers):
    base, queries = gaussian(6000, 100), gaussian(500, 100, seed=1)
    found = exact_search(base, queries, 10, workers=workers)
    np.testing.assert_array_equal(found.neighbors.ids, best(keys64(base, queries, "ip"), 10))


def test_the_gap_after_rank_k_and_ties_across_it():
    base = np.array([[1.0], [4.0], [2.0], [4.0], [4.0]], np.float32)
    found = exact_search(base, np.array([[4.0]], np.float32), 2, "l2")
    assert found.neighbors.ids.tolist() == [[1, 3]]
    assert found.ties.tolist() == [True]
    wider = exact_search(base, np.array([[4.0]], np.float32), 3, "l2")
    assert wider.gaps.tolist() == [2.0]
    assert wider.ties.tolist() == [False]
    whole = exact_search(base, np.array([[4.0]], np.float32), 5, "l2")
    assert np.isnan(whole.gaps).all()
    assert not whole.ties.any()


def test_a_filter_that_is_tight_scores_little_more_than_k_rows():
    found = exact_search(gaussian(20000, 64), gaussian(50, 64, seed=9), 10, kernels=KERNELS[1])
    assert found.survivors.max() < 20


@pytest.mark.parametrize("kernels", EACH)
@pytest.mark.parametrize("metric", METRICS)
def test_few_queries_get_the_answers_of_many(metric, kernels):
    base, queries = copies(), queries_for(copies())
    many = exact_search(base, queries, 9, metric, kernels=kernels).neighbors
    for only in (range(1), range(4, 7)):
        few = exact_search(base, queries, 9, metric, kernels=kernels, only=only, memory_bytes=200_000).neighbors
        np.testing.assert_array_equal(few.ids, many.ids[only.start : only.stop])
        np.testing.assert_array_equal(few.scores, many.scores[only.start : only.stop])


@pytest.mark.parametrize("metric", [Metric.IP, Metric.COSINE, Metric.L2])
def test_scanning_every_row_gives_the_same_bits_in_numpy(metric):
    base, queries = heavy_tailed(), queries_for(heavy_tailed())[:4]
    answers = []
    for name in KERNELS:
        top = TopK.empty(4, 15)
        for start in (0, 700):  # two blocks
            stop = 700 if start == 0 else len(base)
            assert load_kernels(name).scan(base[start:stop], start, queries, metric, top) is None
        answers.append(top)
    for top in answers[1:]:
        np.testing.assert_array_equal(top.ids, answers[0].ids)
        np.testing.assert_array_equal(top.keys, answers[0].keys)


@pytest.mark.parametrize("kernels", EACH)
def test_zero_queries_cost_no_scan_in_float64(kernels):
    found = exact_search(gaussian(20000, 8), np.zeros((9, 8), np.float32), 5, "cosine", kernels=kernels)
    np.testing.assert_array_equal(found.neighbors.ids, np.tile(np.arange(5), (9, 1)))
    assert not found.neighbors.scores.any()
    assert found.survivors.max() < 20000


@pytest.mark.parametrize("kernels", EACH)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_named(bad, kernels):
    rows = gaussian(4000, 10)
    rows[3210, 4] = bad
    for metric in METRICS:
        with pytest.raises(ArrayError, match=r"base has NaN or infinite values, the first in row 3210\."):
            exact_search(rows, gaussian(3, 10), 2, metric, kernels=kernels)
        with pytest.raises(ArrayError, match=r"queries has NaN or infinite values, the first in row 3210\."):
            exact_search(gaussian(30, 10), rows, 2, metric, kernels=kernels, memory_bytes=100_000)


@pytest.mark.parametrize("kernels", EACH)
def test_values_too_large_to_square_are_named(kernels):
    rows = np.ones((40, 3))
    rows[7] = 1e200
    for metric in METRICS:
        with pytest.raises(ArrayError, match=r"values beyond 1e72, the first in row 7\."):
            exact_search(rows, np.ones((1, 3)), 1, metric, kernels=kernels)


@pytest.mark.parametrize("kernels", EACH)
@pytest.mark.parametrize("count", [1, 9])
def test_values_too_small_to_square(count, kernels):
    rows = np.random.default_rng(0).standard_normal((40, 5)) * 1e-170
    for metric in ("ip", "l2"):  # float64 brute force sees nothing but zeros
        found = exact_search(rows, rows[:count], 3, metric, kernels=kernels).neighbors
        np.testing.assert_array_equal(found.ids, best(keys64(rows, rows[:count], metric), 3))
    with pytest.raises(ArrayError, match=r"queries has values below 1e-72, too small for cosine, the first in row 0\."):
        exact_search(rows, rows[:count], 3, "cosine", kernels=kernels)


def test_what_cannot_be_asked():
    rows = gaussian(10, 4)
    with pytest.raises(InputError, match="k must be 1 to 10, the number of base rows, not 11"):
        exact_search(rows, rows, 11)
    with pytest.raises(InputError, match="k must be 1 to 10"):
        exact_search(rows, rows, 0)
    with pytest.raises(ArrayError, match="queries have 3 dimensions, but the base has 4"):
        exact_search(rows, rows[:, :3], 1)
    with pytest.raises(ArrayError, match="base is empty"):
        exact_search(rows[:0], rows, 1)
    with pytest.raises(ArrayError, match="queries must have 2 axes"):
        exact_search(rows, rows[0], 1)
    with pytest.raises(ArrayError, match="dtype int64"):
        exact_search(rows.astype(np.int64), rows, 1)
    with pytest.raises(UnknownName, match="metric"):
        exact_search(rows, rows, 1, "manhattan")
    with pytest.raises(UnknownName, match="kernels"):
        exact_search(rows, rows, 1, kernels="fortran")
    with pytest.raises(InputError, match="no kernels 'native:mmx'"):
        exact_search(rows, rows, 1, kernels="native:mmx")


def test_kernels_are_chosen_by_the_environment(monkeypatch):
    monkeypatch.setenv("GOLDPAN_KERNELS", "numpy")
    assert load_kernels().name == "numpy"
    monkeypatch.setenv("GOLDPAN_KERNELS", "native:scalar")
    assert load_kernels().name == "native:scalar"
    monkeypatch.delenv("GOLDPAN_KERNELS")
    assert load_kernels().name == f"native:{levels()[0]}"
