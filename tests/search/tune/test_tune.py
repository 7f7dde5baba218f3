"""Tuning finds what keeps the budget, says what it measured, and admits when nothing does."""

import numpy as np
import pytest

from goldpan.core.errors import GoldpanError, InputError
from goldpan.core.records import Metric
from goldpan.metrics.recall import strict_recall
from goldpan.search.engines.loading import open_index
from goldpan.search.exact import exact_search
from goldpan.search.synthetic import open_dataset
from goldpan.search.tune import Goal, NothingFits, tune_index
from goldpan.search.tune.candidates import plan
from goldpan.search.tune.memory import expected_bytes

SET = open_dataset("A", n=10_000, n_queries=800, dim=64)
SPECS = ["reduced:IVF64,SQ8@dims=24", "faiss:HNSW16_SQ8@efConstruction=60"]


def test_the_chosen_index_keeps_its_promise_on_fresh_queries() -> None:
    fresh = open_dataset("A", n=10_000, n_queries=1000, dim=64).learn
    tuned = tune_index(
        SET.base, queries=SET.queries, metric="ip", goal=Goal(k=10, min_recall=0.9), specs=SPECS, threads=1
    )
    truth = exact_search(SET.base, fresh, 10, "ip").neighbors.ids
    assert strict_recall(tuned.index.search(fresh, 10, **tuned.parameters).ids, truth, 10).mean() >= 0.89
    assert tuned.index.n == len(SET.base)
    chosen = tuned.chosen
    assert chosen.verdict == "chosen"
    assert chosen.recall is not None and chosen.recall_lower is not None
    assert 0.9 <= chosen.recall_lower < chosen.recall
    assert chosen.p50_ms is not None and chosen.p99_ms is not None and 0 < chosen.p50_ms <= chosen.p99_ms
    kept = [row for row in tuned.measurements if row.verdict in ("kept", "chosen")]
    assert chosen.qps == max(row.qps for row in kept if row.qps is not None)
    assert {row.spec for row in tuned.measurements} == set(SPECS)


def test_few_rows_are_searched_exactly() -> None:
    tuned = tune_index(SET.base[:150], goal=Goal(min_recall=0.99))
    assert tuned.spec == "flat"
    assert tuned.chosen.recall_lower == tuned.chosen.recall == 1.0
    assert tuned.index.n == 150


def test_rows_held_out_are_in_the_index_in_the_end_under_their_own_numbers() -> None:
    rows = SET.base[:5000]
    tuned = tune_index(rows, metric="cosine", goal=Goal(k=5, min_recall=0.85), specs=SPECS[1:], threads=1)
    assert tuned.index.n == 5000
    found = tuned.index.search(rows, 1, efSearch=128).ids[:, 0]
    assert (found == np.arange(5000)).mean() > 0.97


def test_an_index_that_takes_no_rows_is_built_again_with_all() -> None:
    rows = SET.base[:1500]
    tuned = tune_index(rows, metric="l2", goal=Goal(k=5, min_recall=0.8), specs=["faiss:NSG16,Flat"], threads=1)
    assert tuned.index.n == 1500
    assert (tuned.index.search(rows, 1, search_L=64).ids[:, 0] == np.arange(1500)).mean() > 0.97


def test_the_table_serves_all_metrics() -> None:
    bits = np.packbits(SET.base > 0, axis=1)
    tuned = tune_index(bits, metric="hamming", goal=Goal(k=5, min_recall=0.8), threads=1)
    assert tuned.index.metric == "hamming"
    assert tuned.spec.startswith(("flat", "faiss:B"))


def test_what_cannot_fit_is_never_built_and_the_nearest_is_named() -> None:
    goal = Goal(min_recall=0.95, max_memory=100_000)
    with pytest.raises(
        NothingFits, match=r"No index keeps the budget. Nearest is faiss:HNSW16_SQ8.*Allow more"
    ) as info:
        tune_index(SET.base, queries=SET.queries, goal=goal, specs=["flat", *SPECS[1:]])
    assert [row.stage for row in info.value.measurements] == ["estimate", "estimate"]
    assert all("more than 100.0 kB" in row.verdict for row in info.value.measurements)


def test_a_recall_out_of_reach_is_admitted() -> None:
    with pytest.raises(NothingFits, match="recall of 0") as info:
        tune_index(SET.base, queries=SET.queries, goal=Goal(min_recall=0.97), specs=["faiss:IVF16,PQ4x4"], threads=1)
    assert info.value.measurements[0].recall is not None


def test_without_a_recall_the_most_thorough_within_the_latency_is_taken() -> None:
    goal = Goal(min_recall=None, max_latency_ms=500.0)
    tuned = tune_index(SET.base[:6000], queries=SET.queries[:100], goal=goal, specs=["faiss:IVF32,Flat"], threads=1)
    assert tuned.parameters["nprobe"] >= 16
    assert tuned.chosen.recall == pytest.approx(1.0, abs=0.01)
    with pytest.raises(NothingFits, match=r"more than 1e-06"):
        tune_index(
            SET.base[:6000],
            queries=SET.queries[:100],
            goal=Goal(min_recall=None, max_latency_ms=1e-6),
            specs=["faiss:IVF32,Flat"],
        )


def test_no_candidate_is_begun_once_the_time_is_up() -> None:
    goal = Goal(min_recall=0.8, seconds=1e-3)
    tuned = tune_index(SET.base, queries=SET.queries, goal=goal, specs=SPECS, threads=1)
    assert [row.verdict for row in tuned.measurements if row.spec == SPECS[1]] == ["no time was left to try it"]
    assert tuned.spec == SPECS[0]


@pytest.mark.parametrize(
    "spec",
    [
        "flat",
        "hnswlib@M=16",
        "faiss:HNSW32,Flat",
        "faiss:HNSW16_SQ8",
        "faiss:IVF64,SQ8",
        "faiss:IVF64,PQ16x4",
        "reduced:IVF64,SQ4@dims=32,keep=none",
        "reduced:HNSW16_SQ8@dims=24,keep=f16",
    ],
)
def test_expected_bytes_are_near_what_an_index_takes(spec: str) -> None:
    index = open_index(spec, dim=64, metric="ip", threads=1)
    index.build(SET.base)
    assert expected_bytes(spec, len(SET.base), 64) == pytest.approx(index.memory_bytes(), rel=0.15)


def test_a_tight_memory_brings_codes_that_fill_it() -> None:
    goal = Goal(max_memory=20_000_000)
    lines = [line for line in plan(100_000, 6250, 768, Metric.IP, goal) if "keep=none" in line.spec]
    assert len(lines) == 4
    assert all(0.95 * 20e6 < line.bytes <= 20e6 for line in lines)
    assert not any("keep=none" in line.spec for line in plan(100_000, 6250, 768, Metric.IP, Goal()))


@pytest.mark.parametrize(("rows", "queries"), [(80, None), (1000, 10)])
def test_too_few_to_tell_is_refused(rows: int, queries: int | None) -> None:
    with pytest.raises(InputError, match="too few"):
        tune_index(SET.base[:rows], queries=None if queries is None else SET.queries[:queries])


def test_a_recall_that_starts_low_and_grows_is_climbed_to_its_end() -> None:
    """Of Gaussian rows few neighbors share a list: gains grow from rung to rung before they shrink."""
    rows = np.random.default_rng(0).standard_normal((5000, 32)).astype(np.float32)
    tuned = tune_index(rows, metric="l2", goal=Goal(k=10, min_recall=0.95), specs=["faiss:IVF40,Flat"], threads=1)
    assert tuned.chosen.recall_lower is not None
    assert tuned.chosen.recall_lower >= 0.95
    assert 16 < tuned.parameters["nprobe"] <= 40


@pytest.mark.parametrize(("spec", "match"), [("nope", "Unknown index engine"), ("hnswlib@m=3", "no option 'm'")])
def test_a_spec_that_is_none_is_an_error_and_no_candidate(spec: str, match: str) -> None:
    with pytest.raises(GoldpanError, match=match) as info:
        tune_index(SET.base, queries=SET.queries, metric="l2", specs=["flat", spec])
    assert not isinstance(info.value, NothingFits)


def test_a_candidate_that_cannot_work_on_such_rows_has_that_as_its_verdict() -> None:
    tuned = tune_index(
        SET.base[:2000], queries=SET.queries, metric="l2", goal=Goal(k=5), specs=["faiss:IVF9000,Flat", "flat"]
    )
    assert tuned.spec == "flat"
    assert [row.verdict for row in tuned.measurements if "cannot train" in row.verdict]
