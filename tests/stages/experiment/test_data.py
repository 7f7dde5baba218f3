"""Data sets from files, folders and generators; a truth that is wrong is refused before anything is measured."""

from pathlib import Path

import numpy as np
import pytest

from goldpan.core.errors import InputError
from goldpan.core.progress import Silent
from goldpan.core.records import Metric, Neighbors
from goldpan.formats.benchmark import Benchmark, write_benchmark
from goldpan.formats.truth import read_truth, write_truth
from goldpan.formats.vectors import open_vectors
from goldpan.search.exact import exact_search
from goldpan.stages.experiment.config import DatasetConfig
from goldpan.stages.experiment.data import open_data
from goldpan.stages.experiment.gold import scores_of, without_own


def opened(folder: Path, k: int = 5, **fields: object):
    if "source" not in fields:
        fields = {"base": f"{folder}/base.npy", "queries": f"{folder}/queries.npy", "metric": "l2"} | fields
    return open_data(DatasetConfig(**fields), k, 1, folder / "cache", Silent())


def test_a_given_truth_is_taken_with_scores_of_float64(files):
    data = opened(files, truth=f"{files}/truth.ivecs")
    exact = exact_search(data.base, data.queries, 20, "l2").neighbors
    np.testing.assert_array_equal(data.truth.ids, exact.ids)
    np.testing.assert_allclose(data.truth.scores, exact.scores, rtol=1e-12)
    assert (data.origin, data.queries_in_base) == (f"{files}/truth.ivecs", 0)
    assert not (files / "cache").exists()


def test_a_missing_or_shallow_truth_is_computed_once(files):
    data = opened(files, k=30, truth=f"{files}/truth.ivecs")
    assert (data.origin, data.truth.ids.shape) == ("exact search", (40, 100))
    (kept,) = (files / "cache").iterdir()
    before = kept.stat().st_mtime_ns
    again = opened(files, k=30)
    np.testing.assert_array_equal(again.truth.ids, data.truth.ids)
    assert kept.stat().st_mtime_ns == before


@pytest.mark.parametrize("shift", [1, 600])
def test_a_truth_that_counts_from_one_is_refused(files, shift):
    ids = read_truth(files / "truth.ivecs").ids
    write_truth(files / "wrong.ivecs", ids + shift)
    with pytest.raises(InputError, match="count from 1"):
        opened(files, truth=f"{files}/wrong.ivecs")


def test_a_truth_of_another_metric_is_refused(files):
    with pytest.raises(InputError, match="under ip: another metric"):
        opened(files, truth=f"{files}/truth.ivecs", metric="ip")


def test_a_benchmark_is_the_same_in_every_layout(files):
    base, queries = (open_vectors(files / name) for name in ("base.npy", "queries.npy"))
    benchmark = Benchmark(base, queries, read_truth(files / "truth.ivecs"), Metric.L2)
    write_benchmark(files / "all.hdf5", benchmark, "ann-benchmarks")
    write_benchmark(files / "folder", benchmark, "fbin")
    (files / "folder/gtruth.ibin").unlink()
    write_truth(files / "folder/gtruth.ibin", benchmark.truth.ids, np.zeros((40, 20)))
    digests = {opened(files, source=f"{files}/{name}", metric="l2").digest for name in ("all.hdf5", "folder")}
    assert digests == {opened(files).digest}


def test_synthetic_data_by_name(files):
    data = opened(files, source="C", n=200, dim=16, n_queries=10)
    assert (data.base.n, data.base.dim, len(data.queries), data.metric) == (200, 16, 10, Metric.IP)
    assert len(opened(files, source="random-xs", n_queries=7).queries) == 7
    with pytest.raises(InputError, match="sparse"):
        opened(files, source="I")


def test_queries_that_are_rows_of_the_base_are_counted(files):
    rows = np.load(files / "base.npy")
    np.save(files / "queries.npy", np.concatenate([rows[:3], np.load(files / "queries.npy")]))
    assert opened(files).queries_in_base == 3


def test_no_metric_no_measurement(files):
    with pytest.raises(InputError, match="does not name a metric"):
        opened(files, metric=None)


@pytest.mark.parametrize("metric", list(Metric))
def test_scores_are_those_of_the_exact_search(metric):
    rng = np.random.default_rng(2)
    shape = (50, 6)
    base = rng.integers(0, 256, shape, np.uint8) if metric is Metric.HAMMING else rng.standard_normal(shape, np.float32)
    found = exact_search(base, base[:9], 5, metric).neighbors
    ids = np.hstack([found.ids, np.full((9, 1), -1)])
    from goldpan.search.readers import as_reader

    scores = scores_of(as_reader(base, "base"), base[:9], ids, metric)
    np.testing.assert_allclose(scores[:, :5], found.scores, rtol=1e-12, atol=1e-7)
    assert np.isnan(scores[:, 5]).all()


def test_a_truth_can_be_computed_all_the_same(files):
    benchmark = Benchmark(
        open_vectors(files / "base.npy"),
        open_vectors(files / "queries.npy"),
        read_truth(files / "truth.ivecs"),
        Metric.L2,
    )
    write_benchmark(files / "all.hdf5", benchmark, "ann-benchmarks")
    assert opened(files, source=f"{files}/all.hdf5").origin == f"{files}/all.hdf5"
    assert opened(files, source=f"{files}/all.hdf5", truth="exact").origin == "exact search"
    with pytest.raises(InputError, match='write truth = "exact"'):
        opened(files, source=f"{files}/all.hdf5", metric="ip")


def test_a_challenge_file_by_its_part(files):
    import h5py

    truth = read_truth(files / "truth.ivecs").ids
    with h5py.File(files / "pubmed.h5", "w") as file:
        file["train"] = np.load(files / "base.npy")
        for part in ("itest", "otest"):
            file[f"{part}/queries"], file[f"{part}/knns"] = np.load(files / "queries.npy"), truth + 1
    data = opened(files, source=f"{files}/pubmed.h5:otest", metric="l2")
    np.testing.assert_array_equal(data.truth.ids, truth)
    assert data.name == "pubmed.h5:otest"


@pytest.mark.parametrize("given", [False, True])
def test_no_row_answers_itself_in_a_self_join(files, given):
    base = np.load(files / "base.npy")
    full = exact_search(base, base, 21, "l2").neighbors
    fields = {"base": f"{files}/base.npy", "queries": None, "metric": "l2", "self_join": True}
    if given:
        write_truth(files / "graph.ivecs", full.ids)
        fields["truth"] = f"{files}/graph.ivecs"
    data = opened(files, k=10, **fields)
    np.testing.assert_array_equal(data.truth.ids[:, :20], full.ids[:, 1:])
    assert (data.queries_in_base, data.origin) == (0, fields.get("truth", "exact search"))
    with pytest.raises(InputError, match="not the first rows of its base"):
        opened(files, self_join=True)


def test_own_rows_are_taken_out():
    found = Neighbors(np.array([[4, 0, 5], [1, 1, 2], [7, 8, 9]]), np.arange(9.0).reshape(3, 3))
    ids, scores = without_own(found, np.arange(3))
    assert ids.tolist() == [[4, 5], [1, 2], [7, 8]]
    assert scores.tolist() == [[0, 2], [4, 5], [6, 7]]
