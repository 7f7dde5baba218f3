"""Result files: written as each evaluation reads them, read back as they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from goldpan.core.errors import ArrayError, FormatError, InputError, UnknownName
from goldpan.formats.results import (
    AnnResult,
    SisapResult,
    StreamingResult,
    ann_result_groups,
    ann_result_path,
    read_ann_result,
    read_sisap_result,
    read_streaming_result,
    sisap_results,
    streaming_result_path,
    write_ann_result,
    write_sisap_result,
    write_sisap_sketches,
    write_streaming_result,
)

IDS = np.array([[4, 0, 9], [7, 1, -1]])
COSINES = np.array([[1, 0.75, 0.5], [0.25, 0.125, -np.inf]])
ANN = AnnResult(
    algo="exact",
    name="exact(k=3)",
    dataset="toy-6-angular",
    distance="angular",
    ids=IDS,
    distances=COSINES,
    times=np.array([0.5, 0.25]),
    build_time=2.0,
    best_search_time=0.375,
    index_size=12.0,
    candidates=2.5,
    run_count=3,
    batch_mode=False,
    metrics={"recall": 0.5, "qps": 2.5},
    extra={"expect_extra": True, "note": "ü"},
)
SISAP = SisapResult(
    "exact", IDS, COSINES, 2.0, 0.5, "k=3", "clip768v2", "100K", "pubmed", "task1", {"modelingtime": 1.5}
)
STREAM = StreamingResult(
    "exact", "exact()", "random-xs", "euclidean", {2: IDS, 4: IDS + 1}, 0.5, 3.0, 2, (0.25, 0.5), {"threads": 2}
)


def same(found: Any, given: Any) -> None:
    assert type(found) is type(given)
    for name, value in vars(given).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(found, name), value, err_msg=name)
        elif name == "steps":
            assert list(found.steps) == list(value)
            for step in value:
                np.testing.assert_array_equal(found.steps[step], value[step])
        else:
            assert getattr(found, name) == value, name


def test_ann_benchmarks(tmp_path: Path) -> None:
    path = ann_result_path(tmp_path, "toy-6-angular", 3, "exact", ["angular", {"M": 4}], batch=True)
    assert path == tmp_path / "toy-6-angular/3/exact-batch/angular_M_4.hdf5"
    write_ann_result(path, ANN, metric="cosine")
    with h5py.File(path) as file:
        assert sorted(file) == ["distances", "metrics", "neighbors", "times"]
        assert {file[name].dtype.str for name in ("distances", "times")} == {"<f4"}
        assert file["neighbors"][()].tolist() == IDS.tolist()
        assert file["distances"][()].tolist() == [[0, 0.25, 0.5], [0.75, 0.875, np.inf]]
        assert dict(file["metrics"].attrs) == {"recall": 0.5, "qps": 2.5}
        names = (
            "algo batch_mode best_search_time build_time candidates count dataset distance index_size name run_count"
        )
        assert set(names.split()) <= set(file.attrs)
        assert file.attrs["count"] == 3
    same(read_ann_result(path, metric="cosine"), ANN)


def test_a_file_of_vibe_has_a_group_a_setting(tmp_path: Path) -> None:
    path = tmp_path / "toy.hdf5"
    for setting in ("ef_10", "ef_20", "ef_10"):
        write_ann_result(path, replace(ANN, name=setting), metric="cosine", group=setting)
    assert ann_result_groups(path) == ["ef_10", "ef_20"]
    same(read_ann_result(path, metric="cosine", group="ef_20"), replace(ANN, name="ef_20"))
    with pytest.raises(UnknownName, match="Did you mean"):
        read_ann_result(path, group="ef_30")
    with pytest.raises(FormatError, match="/neighbors is no table"):
        read_ann_result(path)


def test_a_file_of_big_ann_and_cached_metrics(tmp_path: Path) -> None:
    path = tmp_path / "x.hdf5"
    with h5py.File(path, "w") as file:
        file["neighbors"] = IDS.astype(np.int32)
        file.attrs.update({"algo": b"x", "name": "X", "best_search_time": 0.25, "batch_mode": True})
        file.create_group("metrics/knn").attrs["mean"] = 0.9
        file["metrics/knn/recalls"] = np.ones(2)
    found = read_ann_result(path)
    assert (found.algo, found.distances, found.build_time, found.batch_mode) == ("x", None, None, True)
    assert found.times.tolist() == [0.25, 0.25]
    assert found.metrics == {"knn/mean": 0.9}


@pytest.mark.parametrize("year", [2023, 2024, 2025, 2026])
def test_sisap(tmp_path: Path, year: int) -> None:
    path = tmp_path / "result/clip768v2/100K/exact.h5"
    write_sisap_result(path, SISAP, year=year, metric="ip")
    with h5py.File(path) as file:
        assert file["knns"][()].tolist() == [[5, 1, 10], [8, 2, 0]]
        assert file["dists"][()].tolist() == [[0, 0.25, 0.5], [0.75, 0.875, np.inf]]
        own = {"data", "size"} if year < 2025 else {"dataset", "task"}
        assert set(file.attrs) == {"algo", "buildtime", "querytime", "params", "modelingtime", *own}
    others = {"dataset": None, "task": None} if year < 2025 else {"data": None, "size": None}
    same(read_sisap_result(path, metric="ip", queries=2), replace(SISAP, **others))
    with pytest.raises(FormatError, match=r"knns is 2 x 3; there are 3 queries. It lies on its side"):
        read_sisap_result(path, queries=3)


def test_sisap_needs_what_its_evaluation_needs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="SISAP 2026 needs dataset"):
        write_sisap_result(tmp_path / "x.h5", replace(SISAP, dataset=None), year=2026)
    with pytest.raises(InputError, match="no format for SISAP 2022; years: 2023"):
        write_sisap_result(tmp_path / "x.h5", SISAP, year=2022)
    with pytest.raises(InputError, match="querytime must be a number from 0 on"):
        write_sisap_result(tmp_path / "x.h5", replace(SISAP, querytime=float("nan")), year=2023)
    assert not (tmp_path / "x.h5").exists()


def test_julia_writes_scalars_for_attributes(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["_types/00000001"] = np.dtype([("a", "i4")])
        file["knns"], file["dists"] = IDS.astype(np.uint32) + 1, COSINES
        file["algo"], file["data"], file["size"] = np.bytes_("SearchGraph"), "pca96v2", "10M"
        file["buildtime"], file["querytime"], file["params"] = 1.5, np.float32(0.25), "r=0.9"
    with path.open("r+b") as raw:
        raw.write(b"HDF5-based Julia Data Format, version 0.1.1 (Julia 1.9.0, 64-bit linux)")
    found = read_sisap_result(path)
    assert (found.algo, found.data, found.size, found.buildtime, found.querytime, found.params) == (
        "SearchGraph",
        "pca96v2",
        "10M",
        1.5,
        0.25,
        "r=0.9",
    )
    assert found.ids.tolist() == IDS.tolist()


def test_results_of_sisap_are_found_at_every_depth(tmp_path: Path) -> None:
    names = [
        "clip768v2/100K/a.h5",
        "team/result/clip768v2/100K/b.h5",
        "team/result/task/clip768v2/100K/c.h5",
    ]
    for name in (*names, "d.h5", "e/f.h5", "clip768v2/100K/g.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert sisap_results(tmp_path) == sorted(tmp_path / name for name in names)
    assert len(sisap_results(tmp_path, 2026)) == 5


def test_sketches_of_task_b(tmp_path: Path) -> None:
    bits = np.random.default_rng(0).integers(0, 256, (5, 128)).astype(np.uint8)
    write_sisap_sketches(tmp_path / "s.h5", bits, bits[:2])
    with h5py.File(tmp_path / "s.h5") as file:
        assert (file["db"].shape, file["queries"].shape, file["db"].dtype) == ((5, 16), (2, 16), np.uint64)
        assert file["db"][()].view(np.uint8).tolist() == bits.tolist()
    with pytest.raises(InputError, match="both need rows"):
        write_sisap_sketches(tmp_path / "s.h5", bits[:, :7], bits[:, :7])


def test_streaming(tmp_path: Path) -> None:
    path = streaming_result_path(tmp_path, "neurips23/runbooks/simple.yaml", "random-xs", 3, "exact", [{"a": 1}, []])
    assert path == tmp_path / "neurips23/streaming/simple.yaml/random-xs/3/exact/a_1.hdf5"
    write_streaming_result(path, STREAM)
    with h5py.File(path) as file:
        assert sorted(file) == ["neighbors_step2", "neighbors_step4"]
        assert [file.attrs[name] for name in ("num_searches", "step_0", "step_1", "count")] == [2, 2, 4, 3]
        assert file["neighbors_step4"].dtype == np.int32
    same(read_streaming_result(path), STREAM)
    long = streaming_result_path(tmp_path, "r", "d", 1, "x", ["a" * 200])
    assert long.name == "a" * 149 + ".hdf5"


def test_what_does_not_fit_together_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "x.hdf5"
    for change in ({"times": np.zeros(3)}, {"distances": COSINES[:1]}, {"ids": IDS - 1}, {"ids": IDS + 2**31}):
        with pytest.raises(ArrayError):
            write_ann_result(path, replace(ANN, **change))
    for steps in ({}, {0: IDS}, {1: IDS, 2: IDS[:1]}):
        with pytest.raises(ArrayError, match="one shape, steps from 1 on"):
            write_streaming_result(path, replace(STREAM, steps=steps, search_times=()))
    with pytest.raises(ArrayError, match="2 searches and 1 times"):
        write_streaming_result(path, replace(STREAM, search_times=(1.0,)))
    assert list(tmp_path.iterdir()) == []


def change(path: Path, **values: Any) -> None:
    with h5py.File(path, "r+") as file:
        for name, value in values.items():
            where = file.attrs if name in file.attrs or name.startswith("step_") else file
            if name in where:
                del where[name]
            if value is not None:
                where[name] = value


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ({"neighbors": None}, "/neighbors is no table of numbers with 2 axes"),
        ({"neighbors": IDS.astype(float)}, "/neighbors is no table"),
        ({"neighbors": IDS - 1}, "at row 1: neighbors holds -2; its ids count from 0"),
        ({"distances": COSINES[:1]}, r"distances has shape \(1, 3\), the ids \(2, 3\)"),
        ({"times": np.zeros(3)}, "2 queries and 3 times"),
        ({"best_search_time": "soon"}, "best_search_time must be a number, not 'soon'"),
        ({"algo": None}, "the attribute algo is missing"),
    ],
)
def test_damaged_results(tmp_path: Path, damage: dict[str, Any], problem: str) -> None:
    path = tmp_path / "x.hdf5"
    write_ann_result(path, ANN)
    change(path, **damage)
    with pytest.raises(FormatError, match=problem):
        read_ann_result(path)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ({"num_searches": 10**12}, "the attribute step_2 is missing"),
        ({"step_1": 2}, "search 1 is step 2; steps count from 1, each once"),
        ({"step_1": 3}, "neighbors_step3 is no table"),
        ({"neighbors_step4": IDS[:1]}, "different numbers of queries"),
        ({"name": None}, "the attribute name is missing"),
        ({"search_times": "x"}, "search_times must be numbers"),
    ],
)
def test_damaged_streams(tmp_path: Path, damage: dict[str, Any], problem: str) -> None:
    path = tmp_path / "x.hdf5"
    write_streaming_result(path, STREAM)
    change(path, **damage)
    with pytest.raises(FormatError, match=problem):
        read_streaming_result(path)


def test_hostile_files(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    write_sisap_result(path, SISAP, year=2023)
    whole = path.read_bytes()
    for size in (0, 100, len(whole) // 2):
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError, match="not a whole HDF5 file"):
            read_sisap_result(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("knns", (2**40, 2**10), np.int32)
        file.attrs["data"] = "clip768v2"
    with pytest.raises(FormatError, match="0 of 4503599627370496 bytes of it are there"):
        read_sisap_result(path)
    write_sisap_result(path, SISAP, year=2026)
    change(path, dataset=None)
    with pytest.raises(FormatError, match="evaluations skip it"):
        read_sisap_result(path)
