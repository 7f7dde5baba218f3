"""What every index engine promises, whichever package does the work."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from goldpan.core.errors import ArrayError, InputError
from goldpan.core.records import Metric, Neighbors
from goldpan.search.engines.loading import load_index, open_index, save_index
from goldpan.search.engines.protocol import Index
from goldpan.search.exact import exact_search

N, DIM, K = 800, 16, 10
FLOATS = ("ip", "cosine", "l2", "sqeuclidean")


class Case(NamedTuple):
    """An engine and what is asked of it.

    Attributes:
        spec: of the engine.
        floor: recall at its most thorough setting.
        metrics: those to test; it may claim more.
        package: what it needs.
        repeats: the same rows and one thread make the same index.
    """

    spec: str
    floor: float
    metrics: tuple[str, ...] = FLOATS
    package: str = "numpy"
    repeats: bool = True


CASES = [
    Case("flat", 1.0, (*FLOATS, "hamming")),
    Case("faiss:Flat", 1.0),
    Case("faiss:SQ8", 0.9),
    Case("faiss:IVF16,Flat", 1.0),
    Case("faiss:IVF16,SQ8@nprobe=4", 0.9),
    Case("faiss:IVF16,PQ16x4fs", 0.3),
    Case("faiss:IVF16,RaBitQfs,Refine(SQ8)", 0.9),
    Case("faiss:OPQ4_16,IVF16_HNSW8,PQ16x4fs,Refine(SQfp16)", 0.95, ("ip",)),
    Case("faiss:HNSW32@efConstruction=80", 0.95),
    Case("faiss:HNSW32_SQ8", 0.9),
    Case("faiss:NSG24", 0.9),
    Case("faiss:BFlat", 1.0, ("hamming",)),
    Case("faiss:BIVF16", 1.0, ("hamming",)),
    Case("faiss:BHNSW16", 0.9, ("hamming",)),
    Case("hnswlib@M=16,ef_construction=100", 0.98, package="hnswlib"),
    Case("hnswlib@replace_deleted=1", 0.98, package="hnswlib"),
    Case("lance:IVF_FLAT", 1.0, package="lance", repeats=False),
    Case("lance:IVF_PQ@num_sub_vectors=8", 0.8, ("l2",), package="lance", repeats=False),
    Case("lance:IVF_HNSW_SQ", 0.9, ("cosine",), package="lance", repeats=False),
    Case("panner", 0.98),
    Case("panner@lists=4,nprobe=2,refine=4", 0.98),
    Case("reduced:HNSW32_SQ8@dims=16,k_factor_rf=4", 0.9),
    Case("reduced:IVF16,SQ8@dims=16,keep=i8,k_factor_rf=4,nprobe=8", 0.85),
    Case("scann", 0.95, package="scann", repeats=False),
    Case("svs@graph_max_degree=32,window_size=64", 0.97, package="svs"),
    Case("svs@dtype=f16,graph_max_degree=32,window_size=64", 0.93, package="svs"),
    Case("svs:dynamic@graph_max_degree=16,window_size=32", 0.95, package="svs"),
    Case("usearch@dtype=f32", 0.95, (*FLOATS, "hamming"), package="usearch"),
    Case("usearch@dtype=bf16,connectivity=16", 0.93, package="usearch"),
    Case("usearch@dtype=i8", 0.85, ("cosine",), package="usearch"),
]


def marks(case: Case, metric: str) -> list[pytest.MarkDecorator]:
    """Threads of svs that wait for work keep a processor busy: one metric, and no dynamic index, for a plain run."""
    heavy = case.package == "svs" or case.spec.startswith("faiss:NSG")
    light = not heavy or (metric == "ip" and not case.spec.startswith("svs:dynamic"))
    return [] if light else [pytest.mark.slow]


PAIRS = [
    pytest.param(case, metric, id=f"{case.spec}-{metric}", marks=marks(case, metric))
    for case in CASES
    for metric in case.metrics
]
ONE_METRIC = [pytest.param(case, case.metrics[0], id=case.spec, marks=marks(case, "ip")) for case in CASES]


def clustered(n: int, seed: int, *, bits: bool = False) -> NDArray[np.generic]:
    """Rows around 30 centers: floats, or packed bits."""
    random, centers = np.random.default_rng(seed), np.random.default_rng(7)
    if bits:
        kinds = centers.random((30, 8 * DIM)) < 0.5
        return np.packbits(kinds[random.integers(0, 30, n)] ^ (random.random((n, 8 * DIM)) < 0.15), axis=1)
    kinds = centers.standard_normal((30, DIM))
    return (kinds[random.integers(0, 30, n)] + 0.6 * random.standard_normal((n, DIM))).astype(np.float32)


def opened(case: Case, metric: str, *, threads: int | None = 1) -> Index:
    if importlib.util.find_spec(case.package) is None:
        pytest.skip(f"{case.package} is not installed")
    return open_index(case.spec, dim=DIM, metric=metric, threads=threads)


def data(metric: str) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """Base and queries that nobody can write to."""
    both = clustered(N, 1, bits=metric == "hamming"), clustered(40, 2, bits=metric == "hamming")
    for array in both:
        array.setflags(write=False)
    return both


def thorough(index: Index) -> dict[str, float]:
    return {name: values[-1] for name, values in index.traits.ladder.items()}


def all_scores(base: NDArray[np.generic], queries: NDArray[np.generic], metric: str) -> NDArray[np.float64]:
    """The metric's value of every query and row."""
    truth = exact_search(base, queries, len(base), metric).neighbors
    score = np.empty((len(queries), len(base)))
    np.put_along_axis(score, truth.ids, truth.scores, axis=1)
    return score


def recall(found: Neighbors, base: NDArray[np.generic], queries: NDArray[np.generic], metric: str) -> float:
    """Share of answers as good as the true k-th; `found` holds row numbers of `base`."""
    score = all_scores(base, queries, metric)
    there = found.ids >= 0
    got = np.where(there, np.take_along_axis(score, np.where(there, found.ids, 0), axis=1), np.nan)
    kth = np.sort(-score if Metric(metric).is_similarity else score, axis=1)[:, [K - 1]]
    kth = -kth if Metric(metric).is_similarity else kth
    good = got >= kth - 1e-6 if Metric(metric).is_similarity else got <= kth + 1e-6
    assert all(len(set(row[row >= 0])) == (row >= 0).sum() for row in found.ids), "an id came twice"
    return float(good.mean())


@pytest.mark.parametrize(("case", "metric"), PAIRS)
def test_finds_what_is_near(case: Case, metric: str) -> None:
    index, (base, queries) = opened(case, metric), data(metric)
    index.build(base)
    assert index.n == N and index.dim == DIM and index.metric == metric and metric in index.traits.metrics
    found = index.search(queries, K, **thorough(index))
    assert found.ids.shape == found.scores.shape == (40, K)
    assert found.ids.dtype == np.int64 and found.scores.dtype == np.float64
    assert recall(found, base, queries, metric) >= case.floor
    assert index.memory_bytes() > 0


@pytest.mark.parametrize(("case", "metric"), PAIRS)
def test_scores_are_values_of_the_metric_best_first(case: Case, metric: str) -> None:
    index, (base, queries) = opened(case, metric), data(metric)
    index.build(base)
    found = index.search(queries, K, **thorough(index))
    steps = np.diff(found.scores, axis=1)
    assert (steps <= 1e-5 if Metric(metric).is_similarity else steps >= -1e-5).all()
    score = all_scores(base, queries, metric)
    true = np.take_along_axis(score, found.ids, axis=1)
    # Codes of few bits estimate; the estimates still are of the metric's own scale.
    slack = 1e-4 if case.floor == 1.0 or "Flat" in case.spec or "hnswlib" in case.spec else 0.35
    assert np.median(np.abs(found.scores - true)) <= slack * np.abs(true).mean()


@pytest.mark.parametrize(("case", "metric"), PAIRS)
def test_ids_are_those_given(case: Case, metric: str) -> None:
    index, (base, queries) = opened(case, metric), data(metric)
    ids = np.random.default_rng(3).permutation(10**12 + np.arange(N))
    index.build(base, ids)
    if not case.repeats:
        found = index.search(queries, K, **thorough(index))
        rows = np.argsort(ids)[np.searchsorted(np.sort(ids), found.ids)]
        np.testing.assert_array_equal(ids[rows], found.ids)
        assert recall(Neighbors(rows, found.scores), base, queries, metric) >= case.floor
        return
    plain = opened(case, metric)
    plain.build(base)
    named, numbered = (ix.search(queries, K, **thorough(ix)) for ix in (index, plain))
    if case.spec != "flat":  # where flat sorts by id, ties fall differently
        np.testing.assert_array_equal(named.ids, ids[numbered.ids])
    np.testing.assert_allclose(named.scores, numbered.scores)


@pytest.mark.parametrize(("case", "metric"), PAIRS)
def test_rows_come_and_go(case: Case, metric: str) -> None:
    index, (base, queries) = opened(case, metric), data(metric)
    half = N // 2
    if not index.traits.adds:
        index.build(base)
        with pytest.raises(InputError, match="takes no rows"):
            index.add(base[:1], np.array([N]))
        return
    index.build(base[:half])
    index.add(base[half:], np.arange(half, N))
    assert index.n == N
    assert recall(index.search(queries, K, **thorough(index)), base, queries, metric) >= case.floor - 0.1
    if not index.traits.removes:
        with pytest.raises(InputError, match="cannot remove"):
            index.remove(np.array([0]))
        return
    gone = np.random.default_rng(5).permutation(N)[:400]
    index.remove(gone)
    assert index.n == N - 400
    kept = np.setdiff1d(np.arange(N), gone)
    found = index.search(queries, K, **thorough(index))
    assert not np.isin(found.ids, gone).any()
    assert recall(Neighbors(np.searchsorted(kept, found.ids), found.scores), base[kept], queries, metric) >= (
        case.floor - 0.1
    )
    index.add(base[gone], gone)
    index.consolidate()
    assert index.n == N
    assert recall(index.search(queries, K, **thorough(index)), base, queries, metric) >= case.floor - 0.1


@pytest.mark.parametrize(("case", "metric"), ONE_METRIC)
def test_many_rounds_never_show_what_is_gone(case: Case, metric: str) -> None:
    index, (base, queries) = opened(case, metric), data(metric)
    if not index.traits.removes:
        pytest.skip("cannot remove")
    index.build(base)
    random, live = np.random.default_rng(11), set(range(N))
    for _ in range(8):
        gone = random.choice(sorted(live), 150, replace=False)
        index.remove(gone)
        live -= set(gone.tolist())
        back = random.choice(sorted(set(range(N)) - live), 100, replace=False)
        index.add(base[back], back)
        live |= set(back.tolist())
        found = index.search(queries, K, **thorough(index))
        assert set(found.ids[found.ids >= 0].tolist()) <= live
        assert index.n == len(live)
    kept = np.array(sorted(live))
    found = index.search(queries, K, **thorough(index))
    rows = np.where(found.ids < 0, -1, np.searchsorted(kept, found.ids))
    assert recall(Neighbors(rows, found.scores), base[kept], queries, metric) >= case.floor - 0.1


@pytest.mark.parametrize(("case", "metric"), ONE_METRIC)
def test_wrong_ids_change_nothing(case: Case, metric: str) -> None:
    index, (base, _) = opened(case, metric), data(metric)
    index.build(base[:-5])
    if index.traits.adds:
        with pytest.raises(InputError, match="in use"):
            index.add(base[-2:], np.array([N, 3]))
        with pytest.raises(InputError, match=r"twice|in use"):
            index.add(base[-2:], np.array([N, N]))
        with pytest.raises(InputError, match="0 or more"):
            index.add(base[-2:], np.array([-1, N]))
        with pytest.raises(ArrayError):
            index.add(base[-2:], np.array([N]))
    if index.traits.removes:
        with pytest.raises(InputError, match="not in the index"):
            index.remove(np.array([3, N]))
        assert 3 in index.search(base[3:4], K, **thorough(index)).ids
    assert index.n == N - 5


@pytest.mark.parametrize(("case", "metric"), PAIRS)
def test_saved_and_loaded_answers_are_equal(case: Case, metric: str, tmp_path: Path) -> None:
    index, (base, queries) = opened(case, metric), data(metric)
    index.build(base, np.arange(N) * 2)
    if index.traits.removes:
        index.remove(np.arange(0, 100, 2))
    save_index(index, tmp_path / "index")
    loaded = load_index(tmp_path / "index", threads=1)
    assert (loaded.n, loaded.spec, loaded.metric) == (index.n, index.spec, index.metric)
    for k, settings in ((K, {}), (3, thorough(index))):
        before, after = (ix.search(queries, k, **settings) for ix in (index, loaded))
        np.testing.assert_array_equal(before.ids, after.ids)
        np.testing.assert_allclose(before.scores, after.scores, rtol=1e-6)
    if loaded.traits.removes and loaded.traits.adds:
        loaded.add(base[:1], np.array([0]))
        assert loaded.n == index.n + 1


@pytest.mark.parametrize(("case", "metric"), PAIRS)
def test_arrays_stay_as_they_were(case: Case, metric: str) -> None:
    index, (base, queries) = opened(case, metric), data(metric)
    base, queries = base.copy(), queries.copy()
    index.build(base)
    index.search(queries, K)
    np.testing.assert_array_equal(base, data(metric)[0])
    np.testing.assert_array_equal(queries, data(metric)[1])


@pytest.mark.parametrize(("case", "metric"), ONE_METRIC)
def test_asking_for_more_than_there_is(case: Case, metric: str) -> None:
    index, (base, queries) = opened(case, metric), data(metric)
    index.build(base)
    found = index.search(queries[:3], N + 7, **thorough(index))
    assert found.ids.shape == (3, N + 7)
    assert (found.ids[:, N:] == -1).all() and np.isnan(found.scores[:, N:]).all()
    np.testing.assert_array_equal(found.ids == -1, np.isnan(found.scores))
    if index.traits.removes:
        index.remove(np.arange(N))
        assert index.n == 0
        found = index.search(queries, K)
        assert (found.ids == -1).all() and np.isnan(found.scores).all()
        if index.traits.adds:
            index.add(base, np.arange(N))
            assert recall(index.search(queries, K, **thorough(index)), base, queries, metric) >= case.floor - 0.1


@pytest.mark.parametrize(("case", "metric"), ONE_METRIC)
def test_no_queries_and_no_rows(case: Case, metric: str) -> None:
    index, (base, queries) = opened(case, metric), data(metric)
    empty = index.search(queries, K)
    assert (empty.ids == -1).all()
    index.build(base)
    found = index.search(queries[:0], K)
    assert found.ids.shape == found.scores.shape == (0, K)
    if index.traits.adds:
        index.add(base[:0], np.arange(0))
    if index.traits.removes:
        index.remove(np.arange(0))
    assert index.n == N


@pytest.mark.parametrize("dtype", ["float16", "float64", "uint8", "int8"])
@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.spec, marks=marks(case, "ip")) for case in CASES if case.metrics[0] != "hamming"],
)
def test_rows_of_other_types(case: Case, dtype: str) -> None:
    metric = "cosine" if case.metrics == ("cosine",) else "l2"
    index, (base, queries) = opened(case, metric), data("l2")
    scale = 12 if dtype.endswith("int8") else 1
    shift = 100 if dtype == "uint8" else 0
    base, queries = ((rows * scale + shift).astype(dtype) for rows in (base, queries))
    index.build(base)
    floor = case.floor - (0.5 if case.metrics == ("cosine",) else 0.15)  # a far origin leaves int8 few bits
    assert recall(index.search(queries, K, **thorough(index)), base, queries, metric) >= floor


@pytest.mark.parametrize(("case", "metric"), ONE_METRIC)
def test_what_does_not_fit_is_refused(case: Case, metric: str) -> None:
    index, (base, queries) = opened(case, metric), data(metric)
    with pytest.raises(ArrayError):
        index.build(base[:, :-1])
    index.build(base)
    with pytest.raises(ArrayError):
        index.search(queries[:, :-1], K)
    with pytest.raises(InputError, match="no search parameter 'speed'"):
        index.search(queries, K, speed=11)
    if metric == "hamming":
        with pytest.raises(ArrayError, match="packed bits"):
            index.search(queries.astype(np.float32), K)
        return
    with pytest.raises(ArrayError, match="NaN"):
        index.search(np.full((1, DIM), np.nan, np.float32), K)


@pytest.mark.parametrize(("case", "metric"), ONE_METRIC)
def test_one_thread_builds_the_same_twice(case: Case, metric: str) -> None:
    if not case.repeats:
        pytest.skip("draws its centers anew each time, and takes no seed")
    base, queries = data(metric)
    answers = []
    for _ in range(2):
        index = opened(case, metric)
        index.build(base)
        answers.append(index.search(queries, K))
    np.testing.assert_array_equal(answers[0].ids, answers[1].ids)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.spec)
def test_other_metrics_are_refused(case: Case) -> None:
    claimed = opened(case, case.metrics[0]).traits.metrics
    assert claimed >= set(case.metrics)
    for metric in {*FLOATS, "hamming"} - claimed:
        with pytest.raises(InputError):
            opened(case, metric)
    with pytest.raises(InputError):
        open_index(f"{case.spec}{',' if '@' in case.spec else '@'}volume=11", dim=DIM, metric=case.metrics[0])
