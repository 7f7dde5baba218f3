"""SISAP tasks: generated data in the challenges' layouts, result files, and scores as their evaluations have them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from goldpan.core.errors import InputError, UnknownName
from goldpan.formats.truth import read_truth
from goldpan.formats.vectors import open_vectors
from goldpan.search.exact import exact_search
from goldpan.stages.sisap.presets import TASKS, find_task
from goldpan.stages.sisap.run import bench_sisap
from goldpan.stages.sisap.score import recall_without_self

SMALL = {"data": "generated", "rows": 1000, "n_queries": 20}


def evaluated(knns: np.ndarray, gold: np.ndarray, k: int) -> float:
    """The evaluation scripts' recall, in their own words: sets of the first k ids."""
    return float(np.mean([len(set(mine[:k]) & set(true[:k])) / k for mine, true in zip(knns, gold, strict=True)]))


@pytest.mark.parametrize(("year", "task"), TASKS)
def test_every_task_runs_from_data_to_scores(year: int, task: str, tmp_path: Path) -> None:
    engine = "signrp:512" if (year, task) == (2023, "B") else "flat"
    report = bench_sisap(year=year, task=task, engine=engine, output=tmp_path, **SMALL)
    (row,) = report.details["results"]
    if engine == "flat":
        assert row["recall"] > (0.2 if find_task(year, task).of_bound else 0.98)  # float16 data: ties at the last rank
        assert row["passes"]
    else:
        assert 0.3 < row["recall"] < 0.9
    scores = Path(next(iter(report.outputs)))
    with scores.open() as file:
        assert float(next(csv.DictReader(file))["recall"]) == row["recall"]
    assert json.loads(scores.with_suffix(".json").read_text())["k"] == find_task(year, task).k
    again = bench_sisap(year=year, task=task, engine=engine, output=tmp_path, **SMALL)
    assert (again.rows_in, again.already_done) == (1, 1)


def test_2023_files_are_named_and_laid_out_as_the_challenge_has_them(tmp_path: Path) -> None:
    bench_sisap(year=2023, task="C", engine="flat", output=tmp_path, **SMALL)
    data = tmp_path / "data" / "2023-C-1K"
    shapes = {
        "laion2B-en-clip768v2-n=1K.h5": ("emb", (1000, 768), np.float16),
        "public-queries-10k-clip768v2.h5": ("emb", (20, 768), np.float32),
        "laion2B-en-hammingv2-n=1K.h5": ("hamming", (1000, 16), np.uint64),
        "laion2B-en-public-gold-standard-v2-1K.h5": ("knns", (20, 100), np.int32),
    }
    for name, (key, shape, dtype) in shapes.items():
        with h5py.File(data / name) as file:
            assert (file[key].shape, file[key].dtype) == (shape, dtype)
    with h5py.File(data / "laion2B-en-public-gold-standard-v2-1K.h5") as file:
        assert file["knns"][:].min() >= 1
        assert (np.diff(file["dists"][:], axis=1) >= 0).all()
    (result,) = [path for path in tmp_path.glob("*/*/*/*.h5")]
    assert result.parts[-3:] == ("hammingv2", "1K", "flat.h5")
    with h5py.File(result) as file:
        assert {"data", "size", "algo", "buildtime", "querytime", "params"} <= set(file.attrs)


def test_the_bound_of_task_c_is_exact_search_in_the_sketches(tmp_path: Path) -> None:
    report = bench_sisap(year=2023, task="C", engine="flat", output=tmp_path, **SMALL)
    folder = Path(next(iter(report.outputs))).parent
    bound = json.loads((folder / "bound.json").read_text())["recall_of_exact_search"]
    data = tmp_path / "data" / "2023-C-1K"
    sides = [open_vectors(data / name).read(0, n) for name, n in
             (("laion2B-en-hammingv2-n=1K.h5", 1000), ("public-queries-10k-hammingv2.h5", 20))]  # fmt: skip
    gold = read_truth(data / "laion2B-en-public-gold-standard-v2-1K.h5").ids
    assert bound == pytest.approx(evaluated(exact_search(*sides, 10, "hamming").neighbors.ids, gold, 10))
    assert json.loads((folder / "scores.json").read_text())["least_recall"] == pytest.approx(0.9 * bound)


def test_task_b_writes_its_sketches(tmp_path: Path) -> None:
    bench_sisap(year=2023, task="B", engine="thermo:128", output=tmp_path, **SMALL)
    (sketches,) = tmp_path.rglob("*-sketches.h5")
    with h5py.File(sketches) as file:
        assert (file["db"].shape, file["db"].dtype) == ((1000, 2), np.uint64)
        assert file["queries"].shape == (20, 2)
    with pytest.raises(InputError, match="no sketches"):
        bench_sisap(year=2023, task="B", engine="pca:8", output=tmp_path, **SMALL)


def others(side: np.ndarray) -> list[list[int]]:
    return [[i for i in ids if i != number] for number, ids in enumerate(side, 1)]


@pytest.mark.parametrize(
    ("year", "task", "width", "dataset"), [(2025, "2", 16, "gooaq"), (2026, "1", 15, "wikipedia-dev")]
)
def test_a_self_join_is_scored_with_and_without_itself(
    year: int, task: str, width: int, dataset: str, tmp_path: Path
) -> None:
    report = bench_sisap(year=year, task=task, engine="flat", output=tmp_path, **SMALL)
    (result,) = tmp_path.glob(f"{year}*/allknn/*.h5")
    (data,) = tmp_path.glob("data/*/*.h5")
    with h5py.File(result) as file, h5py.File(data) as gold:
        assert file.attrs["dataset"] == dataset
        assert (gold["allknn/knns"][:, 0] == np.arange(1, 1001)).all()
        knns, true = file["knns"][:], gold["allknn/knns"][:]
    assert knns.shape == (1000, width)
    assert (knns[:, 0] == np.arange(1, 1001)).all() == (year == 2025)
    (row,) = report.details["results"]
    assert row["recall_with_self"] == pytest.approx(evaluated(knns, true, 15))
    assert row["recall_without_self"] == pytest.approx(evaluated(others(knns), others(true), 15))
    assert row["recall"] == row["recall_with_self" if year == 2025 else "recall_without_self"]
    if year == 2026:
        assert (knns != np.arange(1, 1001)[:, None]).all()
        assert row["recall_by_script"] == pytest.approx(evaluated(knns, true[:, 1:], 15))


def test_the_script_of_2026_takes_the_nearest_from_the_gold(tmp_path: Path) -> None:
    (row,) = bench_sisap(year=2026, task="2", engine="flat", output=tmp_path, **SMALL).details["results"]
    assert row["recall"] == 1
    assert row["recall_by_script"] == pytest.approx(29 / 30)


def test_without_self_one_rank_is_lost_where_the_gold_is_no_deeper() -> None:
    gold = np.array([[0, 1], [1, 0], [2, 0]])
    found = np.array([[0, 1, 2], [0, 1, 2], [1, 0, 2]])
    assert recall_without_self(found, gold, 2) == 1
    assert recall_without_self(found[:, 1:], gold, 2) == pytest.approx(2 / 3)  # the second row loses 0


def test_a_folder_with_a_description_is_read(tmp_path: Path) -> None:
    bench_sisap(year=2026, task="2", engine="flat", output=tmp_path, **SMALL)
    (data,) = (tmp_path / "data").iterdir()
    about = {"task": "task2", "data": "train", "queries": "test/queries", "gt_I": "test/knns", "k": 30,
             "dataset_name": "llama-eval", "filename": "llama-dev.h5"}  # fmt: skip
    (data / "config.json").write_text(json.dumps(about))
    report = bench_sisap(year=2026, task="2", data=str(data), engine="flat", output=tmp_path / "out")
    assert report.details["best"]["recall"] == 1
    with h5py.File(tmp_path / "out" / "2026-task2" / "test" / "flat.h5") as file:
        assert file.attrs["dataset"] == "llama-eval"


def test_settings_are_searched_once_each_and_counted(tmp_path: Path) -> None:
    task = {"year": 2025, "task": "1", "engine": "faiss:IVF16,Flat", "output": tmp_path, **SMALL}
    first = bench_sisap(**task, settings=("nprobe=1",))
    both = bench_sisap(**task, settings=("nprobe=1", "nprobe=16"))
    assert (first.rows_in, both.rows_in, both.already_done) == (1, 2, 1)
    rows = {row["params"]: row for row in both.details["results"]}
    assert rows["nprobe=16"]["recall"] > rows["nprobe=1"]["recall"]
    with pytest.raises(InputError, match="16 settings"):
        bench_sisap(**task, settings=tuple(f"nprobe={n}" for n in range(1, 18)))
    with pytest.raises(InputError, match="no setting"):
        bench_sisap(**task, settings=("nprobe",))


def test_other_peoples_files_are_scored_and_bad_ones_are_told(tmp_path: Path) -> None:
    bench_sisap(year=2025, task="1", engine="flat", output=tmp_path, part="itest", **SMALL)
    (mine,) = tmp_path.glob("2025*/itest/flat.h5")
    with h5py.File(mine) as file, h5py.File(mine.with_name("theirs.h5"), "w") as theirs:
        theirs.create_dataset("knns", data=np.repeat(file["knns"][:, :1], 30, axis=1))  # one good id, again and again
        theirs.create_dataset("dists", data=file["dists"][:])
        theirs.attrs.update({"dataset": "x", "algo": "theirs", "task": "task1", "buildtime": 1.0, "querytime": 1.0,
                             "params": ""})  # fmt: skip
    with h5py.File(mine) as file, h5py.File(mine.with_name("sideways.h5"), "w") as sideways:
        sideways.create_dataset("knns", data=file["knns"][:].T)
        sideways.attrs.update(dict(file.attrs))
    report = bench_sisap(year=2025, task="1", output=tmp_path, part="itest", **SMALL)
    rows = {Path(row["file"]).stem: row for row in report.details["results"]}
    assert rows["theirs"]["recall"] == pytest.approx(1 / 30)
    assert not rows["theirs"]["passes"]
    assert "lies on its side" in rows["sideways"]["problem"]
    assert report.details["best"]["algo"] == "flat"


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="2026 3"):
        find_task(2026, "4")
    assert find_task(2024, "task2").memory_gib == 32
    with pytest.raises(InputError, match="sparse rows"):
        bench_sisap(year=2026, task="3", engine="hnswlib", output=tmp_path, **SMALL)
    with pytest.raises(UnknownName, match="SISAP data"):
        bench_sisap(year=2023, task="A", data=str(tmp_path), output=tmp_path)
    with pytest.raises(InputError, match="has 0"):
        bench_sisap(year=2025, task="1", data=str(tmp_path), output=tmp_path)
