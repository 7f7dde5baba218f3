"""faiss over main directions, with whole rows to compare again."""

from pathlib import Path

import numpy as np
import pytest

from goldpan.core.errors import InputError
from goldpan.metrics.recall import strict_recall
from goldpan.search.engines.loading import load_index, open_index, save_index
from goldpan.search.engines.reduced import dealt_out
from goldpan.search.exact import exact_search
from goldpan.search.synthetic import open_dataset

SET = open_dataset("A", n=3000, n_queries=100, dim=64)


def recall(spec: str, metric: str, **parameters: float) -> float:
    index = open_index(spec, dim=64, metric=metric, threads=1)
    index.build(SET.base)
    truth = exact_search(SET.base, SET.queries, 10, metric).neighbors.ids
    return float(strict_recall(index.search(SET.queries, 10, **parameters).ids, truth, 10).mean())


@pytest.mark.parametrize("metric", ["ip", "cosine", "l2", "sqeuclidean"])
def test_comparing_whole_rows_again_makes_up_for_the_directions_left_out(metric: str) -> None:
    spec = "reduced:Flat@dims=24"
    once, again = recall(spec, metric, k_factor_rf=1), recall(spec, metric, k_factor_rf=16)
    assert once < again > 0.97


def test_all_directions_kept_whole_are_exact_search() -> None:
    assert recall("reduced:Flat@dims=64,keep=f32", "ip") > 0.999
    assert recall("reduced:Flat@dims=64,keep=none,weigh=1", "ip") > 0.995


@pytest.mark.parametrize(
    ("spec", "parameters"),
    [
        ("reduced:HNSW16_SQ8@dims=32,efConstruction=60", {"efSearch": 64, "k_factor_rf": 4}),
        ("reduced:IVF16,SQ8@dims=40,keep=none,weigh=1", {"nprobe": 16}),
        ("reduced:IVF16,PQ16x4@dims=32,keep=i8,weigh=1", {"nprobe": 8, "k_factor_rf": 4}),
        ("reduced:IVF16,PQ20x8np@dims=60,keep=none,weigh=1", {"nprobe": 16}),
    ],
)
def test_what_was_saved_answers_the_same_and_takes_more_rows(
    spec: str, parameters: dict[str, float], tmp_path: Path
) -> None:
    index = open_index(spec, dim=64, metric="ip", threads=1)
    index.build(SET.base[:2900])
    found = index.search(SET.queries, 5, **parameters)
    save_index(index, tmp_path / "index")
    loaded = load_index(tmp_path / "index", threads=1)
    np.testing.assert_array_equal(loaded.search(SET.queries, 5, **parameters).ids, found.ids)
    for one in (index, loaded):
        one.add(SET.base[2900:], np.arange(2900, 3000))
    again = index.search(SET.base[2900:], 5, **parameters).ids
    np.testing.assert_array_equal(loaded.search(SET.base[2900:], 5, **parameters).ids, again)
    assert (again == np.arange(2900, 3000)[:, None]).any(axis=1).mean() > 0.8


@pytest.mark.parametrize(
    ("spec", "metric", "match"),
    [
        ("reduced:Flat@dims=65", "ip", "1 to 64"),
        ("reduced:Flat@keep=f8,dims=8", "ip", "keep must be one of"),
        ("reduced:Flat@dims=8,weigh=1", "l2", "weigh is for ip and cosine"),
    ],
)
def test_options_out_of_range_are_refused(spec: str, metric: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        open_index(spec, dim=64, metric=metric)


def test_lists_of_stretched_rows_lose_no_recall() -> None:
    plain = recall("reduced:IVF16,PQ16x4np@dims=48,keep=none", "ip", nprobe=4)
    stretched = recall("reduced:IVF16,PQ16x4np@dims=48,keep=none,weigh=1", "ip", nprobe=4)
    assert stretched > plain + 0.02


def test_rows_of_codes_can_be_removed() -> None:
    index = open_index("reduced:IVF16,PQ16x4np@dims=48,keep=none,weigh=1", dim=64, metric="ip", threads=1)
    index.build(SET.base, np.arange(3000) + 7000)
    first = index.search(SET.queries, 1, nprobe=16).ids[:, 0]
    index.remove(np.unique(first))
    assert not np.isin(index.search(SET.queries, 10, nprobe=16).ids, first).any()
    assert index.n == 3000 - len(np.unique(first))


def test_directions_are_dealt_out_evenly() -> None:
    values = np.arange(1, 65, dtype=np.float64) ** -1.1
    order = dealt_out(values, 16)
    assert sorted(order) == list(range(64))
    carried = np.log(values)[order].reshape(16, 4).sum(axis=1)
    assert np.ptp(carried) < 1 < np.ptp(np.log(values).reshape(16, 4).sum(axis=1))
