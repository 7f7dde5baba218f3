"""Experiments run; what fails is a row; what is there is not measured again."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from goldpan.core.errors import InputError
from goldpan.core.progress import Silent
from goldpan.core.records import Report
from goldpan.formats.results import read_ann_result, read_sisap_result
from goldpan.formats.truth import read_truth
from goldpan.metrics.recall import strict_recall
from goldpan.stages.experiment.answers import read_recalls
from goldpan.stages.experiment.config import BenchRunConfig, Experiment
from goldpan.stages.experiment.measure import nudged
from goldpan.stages.experiment.run import run_experiment
from goldpan.stages.experiment.store import Results


def go(folder: Path, *specs: str, sweeps: dict[str, dict] | None = None, **fields: object) -> tuple[Report, Results]:
    dataset = {"base": f"{folder}/base.npy", "queries": f"{folder}/queries.npy", "truth": f"{folder}/truth.ivecs"}
    engines = [{"spec": spec, "sweep": (sweeps or {}).get(spec)} for spec in specs]
    settings = {"k": [5], "rounds": 2, "min_seconds": 0, "modes": ["batch"]} | fields
    experiment = Experiment(dataset=[{**dataset, "name": "small", "metric": "l2"}], engine=engines, **settings)
    config = BenchRunConfig(experiment=folder / "none", output=folder / "results", allow_load=1e9)
    return run_experiment(experiment, config, Silent()), Results(config.output)


def test_engines_side_by_side(files):
    sweeps = {"hnswlib": {"ef": [5, 50]}, "faiss:IVF8,Flat": {"nprobe": [1, 8]}}
    report, results = go(
        files, "flat", "hnswlib", "faiss:IVF8,Flat", sweeps=sweeps, modes=["batch", "single"], k=[1, 5]
    )
    rows = list(results.rows().values())
    assert (report.rows_in, report.rows_out, report.failed) == (40, 40, 0) == (len(rows), len(rows), 0)
    assert {row["status"] for row in rows} == {"ok"}
    assert all(row["recall"] == row["recall_ties"] == 1 for row in rows if row["engine"] == "flat")
    mean = {
        nprobe: np.mean([row["recall"] for row in rows if row["parameters"] == {"nprobe": nprobe}]) for nprobe in (1, 8)
    }
    assert 0 < mean[1] < mean[8] == 1
    singles = [row for row in rows if row["mode"] == "single"]
    assert all(0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"] for row in singles)
    # In turns: within a round every engine is measured before the next setting of any.
    order = [(row["round"], row["engine"]) for row in rows if (row["mode"], row["k"]) == ("batch", 1)]
    assert [engine for number, engine in order if number == 0][:3] == ["flat", "hnswlib", "faiss:IVF8,Flat"]
    assert [engine for number, engine in order if number == 1][:3] == ["hnswlib", "faiss:IVF8,Flat", "flat"]
    builds = results.builds()
    assert all(row["seconds"] > 0 and row["memory_bytes"] > 0 and row["disk_bytes"] > 0 for row in builds.values())
    assert not any((results.folder / "indexes").rglob("*.npy"))


def test_answers_are_kept_as_others_read_them(files):
    sweeps = {"faiss:IVF8,Flat": {"nprobe": [1]}}
    _, results = go(files, "faiss:IVF8,Flat", sweeps=sweeps, modes=["batch", "single"], sisap_task="task1")
    rows = [row for row in results.rows().values() if row["round"] == 0]
    found = [read_ann_result(results.folder / row["answers"], metric="l2") for row in rows]
    truth = read_truth(files / "truth.ivecs").ids
    for row, result in zip(rows, found, strict=True):
        assert (result.algo, result.dataset, result.distance) == ("faiss:IVF8,Flat", "small", "euclidean")
        assert result.batch_mode is (row["mode"] == "batch")
        recalls = strict_recall(result.ids, truth, 5)
        np.testing.assert_array_equal(read_recalls(results.folder, row["answers"]), recalls)
        assert recalls.mean() == pytest.approx(row["recall"]) == result.metrics["recall"]
    (path,) = (results.folder / "sisap").rglob("*.h5")
    sisap = read_sisap_result(path, metric="l2", queries=40)
    np.testing.assert_array_equal(sisap.ids, found[0].ids)
    assert (sisap.task, sisap.dataset) == ("task1", "small")


def test_the_same_again_measures_nothing_and_more_is_added(files):
    go(files, "flat")
    lines = (files / "results/rows.jsonl").read_text()
    report, results = go(files, "flat")
    assert (report.rows_in, report.already_done) == (2, 2)
    assert (files / "results/rows.jsonl").read_text() == lines
    report, results = go(files, "flat", "hnswlib", sweeps={"hnswlib": {"ef": 9}}, rounds=3)
    assert (report.rows_in, report.already_done) == (6, 2)
    assert (files / "results/rows.jsonl").read_text().startswith(lines)
    assert len(results.rows()) == 6


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        ("dies", "died", "exit status 7"),
        ("raises", "error", "ZeroDivisionError"),
        ("sleeps", "timeout", "took longer than 2 s"),
        ("nothing", "ok", ""),
    ],
)
def test_a_failing_search_is_a_row(files, planted, fault, status, said):
    report, results = go(files, f"planted:{fault}", "flat", search_timeout_s=2)
    rows = [row for row in results.rows().values() if row["engine"] != "flat"]
    assert {row["status"] for row in rows} == {status}
    assert said in rows[0]["reason"]
    assert len([row for row in results.rows().values() if row["engine"] == "flat"]) == 2
    if fault == "dies":
        assert rows[0]["stderr"] == "illegal instruction of the seventh kind"
        assert report.failures == {"engine_failed": 1}
        assert go(files, f"planted:{fault}", "flat")[0].already_done == report.rows_in + 1  # not tried again


@pytest.mark.parametrize(
    ("spec", "status", "said"),
    [
        ("planted:killed", "died", "SIGKILL"),
        ("planted:hungry", "out_of_memory", "MemoryError"),
        ("faiss:IVF7000,Flat", "error", ""),
    ],
)
def test_a_failing_build_is_a_row(files, planted, spec, status, said):
    report, results = go(files, spec, "flat", memory_mb=2000)
    build = results.builds()["small", spec, 1]
    assert (build["status"], said in build["reason"]) == (status, True)
    assert report.failures == {"engine_failed": 1}
    assert {row["engine"] for row in results.rows().values()} == {"flat"}


def test_an_interpreter_that_is_none_or_lacks_the_engine(files):
    experiment = Experiment(
        dataset=[{"base": f"{files}/base.npy", "queries": f"{files}/queries.npy", "metric": "l2"}],
        engine=[
            {"spec": "flat", "python": "/bin/false"},
            {"spec": "flat", "python": "/no/such", "name": "other"},
            {"spec": "nosuch", "python": sys.executable},
            {"spec": "flat", "python": sys.executable, "name": "good"},
        ],
        k=[5],
    )
    config = BenchRunConfig(experiment=files / "none", output=files / "results", allow_load=1e9)
    assert run_experiment(experiment, config, Silent()).failures == {"engine_failed": 3}
    builds = Results(config.output).builds()
    assert {row["status"] for row in builds.values()} == {"died", "error", "ok"}
    assert "Unknown index engine" in builds["base.npy", "nosuch", 1]["reason"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("one_based", "one_based_ids"),
        ("outside", "out_of_range"),
        ("twice", "duplicate_ids"),
        ("swapped", "swapped_columns"),
        ("remembers", "replayed_answers"),
        ("memoizes", "memoized_answers"),
    ],
)
def test_planted_faults_are_caught(files, planted, fault, kind):
    report, results = go(files, f"planted:{fault}")
    (row,) = results.rows().values()
    assert (row["status"], kind in row["faults"], bool(row["reason"])) == ("faulty", True, True)
    assert report.failures == {"engine_failed": 1}


def test_recall_is_counted_anew_in_every_round(files, planted):
    _, results = go(files, "planted:forgets", rounds=3, warmup=0)
    assert [row["recall"] for row in results.rows().values()] == pytest.approx([0.8, 0.6, 0.4])


def test_a_busy_machine_is_refused(files):
    experiment = Experiment(
        dataset=[{"base": f"{files}/base.npy", "queries": f"{files}/queries.npy", "metric": "l2"}],
        engine=[{"spec": "flat"}],
        k=[5],
    )
    config = BenchRunConfig(experiment=files / "none", output=files / "results", allow_load=0)
    with pytest.raises(InputError, match="--allow-load"):
        run_experiment(experiment, config, Silent())


def test_other_data_of_the_same_name_is_refused(files):
    go(files, "flat")
    np.save(files / "base.npy", np.load(files / "base.npy")[::-1])
    (files / "truth.ivecs").unlink()
    with pytest.raises(InputError, match="another data set called 'small'"):
        experiment = Experiment(
            dataset=[{"base": f"{files}/base.npy", "queries": f"{files}/queries.npy", "metric": "l2", "name": "small"}],
            engine=[{"spec": "flat"}],
            k=[5],
        )
        config = BenchRunConfig(experiment=files / "none", output=files / "results", allow_load=1e9)
        run_experiment(experiment, config, Silent())


def test_nudged_queries_are_new():
    rng = np.random.default_rng(0)
    for queries in (rng.standard_normal((9, 3), np.float32), rng.integers(0, 256, (9, 3), np.uint8)):
        other, another = nudged(queries, 1), nudged(queries, 2)
        assert other.dtype == queries.dtype
        assert (other != queries).any(axis=1).all()
        assert (other != another).any(axis=1).all()
        np.testing.assert_allclose(other.astype(float), queries.astype(float), rtol=0.01, atol=1)


def test_a_self_join_counts_no_self_hit(files, planted):
    experiment = Experiment(
        dataset=[{"base": f"{files}/base.npy", "metric": "l2", "self_join": True, "n_queries": 50}],
        engine=[{"spec": "flat"}, {"spec": "planted:selfish"}],
        k=[5],
        rounds=1,
        min_seconds=0,
        modes=["batch", "single"],
    )
    config = BenchRunConfig(experiment=files / "none", output=files / "results", allow_load=1e9)
    run_experiment(experiment, config, Silent())
    rows = list(Results(config.output).rows().values())
    assert {row["recall"] for row in rows if row["engine"] == "flat"} == {1}
    assert {("self_hits" in row["faults"], row["status"]) for row in rows if row["engine"] != "flat"} == {
        (True, "faulty")
    }


def test_a_killed_parent_leaves_no_worker_behind(tmp_path, planted):
    """Neither a process that waits nor one at work, nor their files."""
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, signal, sys, threading\n"
        "import numpy as np\n"
        "from goldpan.search.engines.remote import RemoteIndex\n"
        "rows = np.ones((9, 2), np.float32)\n"
        "both = [RemoteIndex('flat', 2, 'l2'), RemoteIndex('planted:sleeps', 2, 'l2')]\n"
        "for index in both: index.build(rows)\n"
        "threading.Timer(1, os.kill, (os.getpid(), signal.SIGKILL)).start()\n"
        "print(*(index.pid for index in both), flush=True)\n"
        "both[1].search(rows, 2)\n"
    )
    folders = {"TMPDIR": str(tmp_path / "temporary")}
    (tmp_path / "temporary").mkdir()
    done = subprocess.run([sys.executable, script], env=os.environ | folders, stdout=subprocess.PIPE, text=True)
    assert done.returncode == -9
    until = time.monotonic() + 20
    pids = [int(pid) for pid in done.stdout.split()]
    while any(Path(f"/proc/{pid}").exists() for pid in pids) or list((tmp_path / "temporary").glob("goldpan-*")):
        assert time.monotonic() < until, "a worker, or its files, outlived its parent"
        time.sleep(0.1)
    assert len(pids) == 2


def test_another_engine_of_the_same_name_is_refused(files):
    def run(spec: str) -> None:
        experiment = Experiment(
            dataset=[{"base": f"{files}/base.npy", "queries": f"{files}/queries.npy", "metric": "l2"}],
            engine=[{"spec": spec, "name": "mine"}],
            k=[5],
            rounds=1,
            modes=["batch"],
        )
        config = BenchRunConfig(experiment=files / "none", output=files / "results", allow_load=1e9)
        run_experiment(experiment, config, Silent())

    run("flat")
    with pytest.raises(InputError, match="results of 'mine' as flat, not faiss:Flat"):
        run("faiss:Flat")


@pytest.mark.parametrize("fault", ["unsavable", "unwilling"])
def test_an_index_that_cannot_be_saved_is_measured(files, planted, fault):
    report, results = go(files, f"planted:{fault}")
    assert (report.rows_out, report.failed) == (2, 0)
    (build,) = results.builds().values()
    assert (build["status"], build["disk_bytes"], build["reason"][:20]) == ("ok", None, "it cannot be saved: ")
