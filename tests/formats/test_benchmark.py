"""Whole benchmarks: every layout is written in its own names and recognised again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from goldpan.core.errors import FormatError, InputError, UnknownName
from goldpan.core.records import Metric
from goldpan.formats.benchmark import CARD, LAYOUTS, Benchmark, read_benchmark, write_benchmark
from goldpan.formats.mapped import ArrayReader
from goldpan.formats.protocol import BlockSource
from goldpan.formats.truth import Truth

DIM = 16
KINDS = [("float32", Metric.COSINE), ("float32", Metric.L2), ("float16", Metric.IP), ("uint8", Metric.HAMMING)]


def benchmark(dtype: str = "float32", metric: Metric = Metric.L2, *, learn: bool = True) -> Benchmark[ArrayReader]:
    rng = np.random.default_rng(0)
    base = rng.integers(0, 100, (50, DIM)).astype(dtype)
    ids = np.argsort(rng.random((6, 50)), axis=1)[:, :5]
    values = np.sort(rng.integers(0, 120, (6, 5)).astype(np.float64), axis=1)
    values = 1 - values / 128 if metric.is_similarity else values
    truth = Truth(ids, values)
    learned = Truth(ids[:4] // 2, values[:4]) if learn else None
    extra = ArrayReader(base[6:10]) if learn else None
    return Benchmark(ArrayReader(base), ArrayReader(base[:6]), truth, metric, extra, learned)


def same(found: Benchmark[Any], given: Benchmark[ArrayReader], *, distances: bool) -> None:
    for role in ("base", "queries", "learn"):
        ours, theirs = getattr(found, role), getattr(given, role)
        assert (ours is None) == (theirs is None)
        if theirs is not None:
            np.testing.assert_array_equal(ours.read(0, ours.n), theirs.read(0, theirs.n))
    for role in ("truth", "learn_truth"):
        ours, theirs = getattr(found, role), getattr(given, role)
        assert (ours is None) == (theirs is None)
        if theirs is not None:
            np.testing.assert_array_equal(ours.ids, theirs.ids)
            if distances:
                np.testing.assert_allclose(ours.distances, theirs.distances, rtol=1e-6)
            else:
                assert ours.distances is None


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("dtype", "metric"), KINDS)
@pytest.mark.parametrize("learn", [True, False])
def test_a_layout_is_read_back(tmp_path: Path, layout: str, dtype: str, metric: Metric, learn: bool) -> None:
    given = benchmark(dtype, metric, learn=learn)
    written = write_benchmark(tmp_path / "out", given, layout)
    assert {path for path in (tmp_path / "out").rglob("*") if path.is_file()} >= {p for p in written if p.is_file()}
    found = read_benchmark(tmp_path / "out")
    assert found.metric is metric
    same(found, given, distances=layout != "fvecs")


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout not in ("ann-benchmarks", "vibe")])
def test_a_layout_without_its_card_is_recognised_by_its_files(tmp_path: Path, layout: str) -> None:
    given = benchmark()
    write_benchmark(tmp_path, given, layout)
    (tmp_path / CARD).unlink()
    assert read_benchmark(tmp_path).metric is None
    same(read_benchmark(tmp_path, "l2"), given, distances=layout != "fvecs")


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_names_of_the_files(tmp_path: Path) -> None:
    for layout in LAYOUTS:
        write_benchmark(tmp_path / layout, benchmark(), layout)
    fvecs = ["base.fvecs", CARD, "gtruth.ivecs", "learn.fvecs", "learn_gtruth.ivecs", "queries.fvecs"]
    assert names(tmp_path / "fvecs") == fvecs
    assert names(tmp_path / "fbin") == [name.replace("vecs", "bin") for name in fvecs]
    assert names(tmp_path / "ann-benchmarks") == names(tmp_path / "vibe") == ["benchmark.hdf5"]
    assert "base/img_emb/img_emb_0.npy" in names(tmp_path / "laion")
    assert set(names(tmp_path / "parquet")) >= {"train.parquet", "test.parquet", "neighbors.parquet"}
    assert set(names(tmp_path / "sisap")) >= {"base.h5", "queries.h5", "gold.h5"}


def test_packed_bits_have_names_of_their_own(tmp_path: Path) -> None:
    given = benchmark("uint8", Metric.HAMMING)
    for layout in ("fvecs", "fbin", "sisap"):
        write_benchmark(tmp_path / layout, given, layout)
    assert (tmp_path / "fvecs/base.bvecs").is_file()
    assert (tmp_path / "fbin/base.bbin").is_file()
    with h5py.File(tmp_path / "sisap/base.h5") as file:
        assert (file["hamming"].shape, file["hamming"].dtype) == ((50, DIM // 8), np.uint64)


def test_ann_benchmarks_finds_what_it_looks_for(tmp_path: Path) -> None:
    given = benchmark("uint8", Metric.HAMMING)
    write_benchmark(tmp_path / "bits.hdf5", given, "ann-benchmarks")
    with h5py.File(tmp_path / "bits.hdf5") as file:
        expected = {"type": "dense", "dimension": DIM * 8, "point_type": "bit", "distance": "hamming"}
        assert dict(file.attrs) == expected
        assert (file["train"].shape, file["train"].dtype) == ((50, DIM * 8), np.bool_)
        assert 0 <= file["distances"][:].min() <= file["distances"][:].max() <= 1  # the share of bits
    same(read_benchmark(tmp_path / "bits.hdf5"), given, distances=True)


def test_vibe_finds_what_it_looks_for(tmp_path: Path) -> None:
    given = benchmark("uint8", Metric.HAMMING)
    write_benchmark(tmp_path / "bits.hdf5", given, "vibe")
    with h5py.File(tmp_path / "bits.hdf5") as file:
        expected = {"type": "dense", "dimension": DIM * 8, "point_type": "binary", "distance": "hamming"}
        assert dict(file.attrs) == expected
        assert (file["train"].shape, file["train"].dtype) == ((50, DIM), np.uint8)
        np.testing.assert_array_equal(file["distances"][:], given.truth.distances)  # numbers of bits
    same(read_benchmark(tmp_path / "bits.hdf5"), given, distances=True)
    write_benchmark(tmp_path / "x.hdf5", benchmark(metric=Metric.COSINE), "vibe")
    with h5py.File(tmp_path / "x.hdf5") as file:
        assert file.attrs["distance"] == "cosine"


def test_squared_distances_are_euclidean_there(tmp_path: Path) -> None:
    given = benchmark(metric=Metric.SQEUCLIDEAN)
    write_benchmark(tmp_path / "x.hdf5", given, "ann-benchmarks")
    assert read_benchmark(tmp_path / "x.hdf5").metric is Metric.L2
    same(read_benchmark(tmp_path / "x.hdf5", "sqeuclidean"), given, distances=True)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_base_may_be_a_stream(tmp_path: Path, layout: str) -> None:
    given = benchmark()
    rows = given.base.read(0, 50)
    stream = BlockSource(50, DIM, rows.dtype, (rows[i : i + 7] for i in range(0, 50, 7)))
    write_benchmark(tmp_path, Benchmark(stream, given.queries, given.truth, given.metric), layout)
    np.testing.assert_array_equal(read_benchmark(tmp_path).base.read(0, 50), rows)


def test_a_stream_that_ends_early_is_an_error(tmp_path: Path) -> None:
    given = benchmark()
    stream = BlockSource(50, DIM, np.dtype("float32"), [given.base.read(0, 49)])
    for layout in LAYOUTS:
        with pytest.raises(InputError, match="50 rows were announced; 49 have come"):
            write_benchmark(tmp_path, Benchmark(stream, given.queries, given.truth, given.metric), layout)
        assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_a_folder_is_not_mixed_up_when_written_twice(tmp_path: Path) -> None:
    write_benchmark(tmp_path, benchmark(), "fvecs")
    given = benchmark("uint8", Metric.HAMMING)
    write_benchmark(tmp_path, given, "fvecs")
    same(read_benchmark(tmp_path), given, distances=False)


def test_what_is_no_benchmark_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'fvecs'"):
        write_benchmark(tmp_path, benchmark(), "fvec")
    with pytest.raises(InputError, match="no file for float64"):
        write_benchmark(tmp_path, benchmark("float64"), "fbin")
    with pytest.raises(InputError, match="There is no benchmark"):
        read_benchmark(tmp_path / "missing")
    with pytest.raises(FormatError, match="base, queries or truth is missing"):
        read_benchmark(tmp_path)
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["train"] = np.zeros((3, 2))
    with pytest.raises(FormatError, match="test is missing; it holds train"):
        read_benchmark(tmp_path / "x.hdf5")


@pytest.mark.parametrize(
    ("card", "sentence"),
    [
        ("{", "not a benchmark's card"),
        ("[]", "not a benchmark's card"),
        ('{"metric": null}', "not a benchmark's card"),
        ('{"metric": null, "files": {"base": "../../secret.npy"}}', "outside the folder"),
        ('{"metric": null, "files": {"base": "/etc/secret.npy"}}', "outside the folder"),
    ],
)
def test_a_card_is_not_trusted(tmp_path: Path, card: str, sentence: str) -> None:
    (tmp_path / CARD).write_text(card)
    with pytest.raises(FormatError, match=sentence):
        read_benchmark(tmp_path)


def test_there_is_no_card_while_files_are_replaced(tmp_path: Path) -> None:
    given = benchmark()
    write_benchmark(tmp_path, given, "npy")
    broken = BlockSource(50, DIM, np.dtype("float32"), [])
    with pytest.raises(InputError, match="0 have come"):
        write_benchmark(tmp_path, Benchmark(given.base, broken, given.truth, given.metric), "npy")
    assert not (tmp_path / CARD).exists()
