"""Streams: the published facts of the offline fixture, faults that must be caught, and runs that end badly."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from goldpan.cli.main import run as cli
from goldpan.core.errors import FormatError, InputError
from goldpan.core.progress import Silent
from goldpan.core.records import Metric
from goldpan.formats.benchmark import Benchmark, write_benchmark
from goldpan.formats.results_streaming import StreamingResult, read_streaming_result, write_streaming_result
from goldpan.formats.runbook import Delete, Insert, Replace, Runbook, Search, read_runbook, write_runbook
from goldpan.formats.step_truth import read_step_truth
from goldpan.formats.truth import Truth
from goldpan.formats.vectors import open_vectors
from goldpan.stages.stream.config import StreamConfig
from goldpan.stages.stream.data import Data, load_data
from goldpan.stages.stream.gold import compute_gold, drifts
from goldpan.stages.stream.run import bench_stream
from goldpan.stages.stream.score import audit_recalls, recall_among, score_searches, stream_score
from goldpan.web.stream import write_stream_page

FIRST = {
    2: [3467, 2769, 2296, 3481, 5333, 1021, 6893, 9981, 9834, 6430],
    4: [5333, 6893, 9981, 9834, 6430, 9639, 5545, 6007, 6676, 9282],
}
FIRST[6] = FIRST[2]


@pytest.fixture(scope="module")
def xs(shared: Path) -> tuple[Runbook, Data, Path]:
    """The runbook and the data of the offline fixture of big-ann-benchmarks."""
    path = shared / "data/runbooks/simple_runbook.yaml"
    config = StreamConfig(runbook=path, dataset="random-xs", engine=("flat",), output=Path("unused"))
    return read_runbook(path, "random-xs"), load_data(config), path


@pytest.fixture(scope="module")
def truth(xs: tuple[Runbook, Data, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("truth")
    compute_gold(folder, xs[0], xs[1], 100, "key", Silent())
    return folder


@pytest.fixture
def small(tmp_path: Path) -> dict[str, Any]:
    return stream_fields(tmp_path)


def stream_fields(tmp_path: Path) -> dict[str, Any]:
    """Return the fields of a stream over 400 rows with a replace, in which rows come back."""
    rng = np.random.default_rng(5)
    np.save(tmp_path / "base.npy", rng.normal(size=(500, 8)).astype(np.float32))
    np.save(tmp_path / "queries.npy", rng.normal(size=(20, 8)).astype(np.float32))
    steps = (
        *(Insert(0, 200), Search(), Delete(0, 100), Search(), Insert(200, 300), Search()),
        *(Replace(100, 150, 400, 450), Search(), Insert(0, 50), Search()),
    )
    write_runbook(tmp_path / "runbook.yaml", Runbook("base", 300, steps))
    return {
        "runbook": tmp_path / "runbook.yaml",
        "dataset": str(tmp_path / "base.npy"),
        "queries": str(tmp_path / "queries.npy"),
        "metric": "l2",
        "engine": ("flat",),
        "output": tmp_path / "results",
        "k": 5,
        "truth_k": 20,
        "batch": 30,
        "threads": 1,
    }


def plant(folder: Path, module: str, body: str) -> None:
    """Install a package with an engine of its own, as strangers do: an entry point of ``goldpan.engines``."""
    (folder / f"{module}.py").write_text(body)
    about = folder / f"{module}-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n")
    (about / "entry_points.txt").write_text(f"[goldpan.engines]\n{module} = {module}:Planted\n")


def record(fields: dict[str, Any]) -> dict[str, Any]:
    return json.loads((fields["output"] / "stream.json").read_text())


class TestFixture:
    """openimages 9.4: random-xs and simple_runbook.yaml."""

    def test_the_truths_of_the_steps(self, truth: Path) -> None:
        for step, first in FIRST.items():
            found = read_step_truth(truth, step)
            assert found.ids.shape == (1000, 100)
            assert found.ids[0, :10].tolist() == first
        assert (read_step_truth(truth, 4).ids >= 5000).all()

    def test_the_lists_are_those_of_a_scan(self, xs: tuple[Runbook, Data, Path], truth: Path) -> None:
        from goldpan.search.exact import exact_search

        rows = xs[1].base.take(np.arange(5000, 10000))
        found = exact_search(rows, xs[1].queries, 100, Metric.L2).neighbors
        np.testing.assert_array_equal(read_step_truth(truth, 4).ids, found.ids + 5000)

    def test_an_engine_that_ignores_deletes(self, xs: tuple[Runbook, Data, Path], truth: Path) -> None:
        runbook, data, _ = xs
        stale = read_step_truth(truth, 2).ids[:, :10]
        gold = compute_gold(truth, runbook, data, 100, "key", Silent())
        rows, faults = score_searches(dict.fromkeys((2, 4, 6), stale), runbook, gold, drifts(runbook, data), 10)
        assert rows[4]["recall"] == pytest.approx(0.4953, abs=5e-5)
        assert stream_score([row["recall"] for row in rows.values()]) == pytest.approx(0.8318, abs=5e-5)
        assert rows[4]["dead_answers"] == 5047
        assert any("updates are ignored" in fault for fault in faults)
        assert any("deleted" in fault for fault in faults)

    def test_a_double_insert_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "twice.yaml"
        path.write_text(
            "random-xs: {max_pts: 10, 1: {operation: insert, start: 0, end: 5}, "
            "2: {operation: insert, start: 4, end: 6}, 3: {operation: search}}"
        )
        with pytest.raises(FormatError, match="step 2"):
            bench_stream(runbook=path, dataset="random-xs", engine=["flat"], output=tmp_path / "out")

    def test_replaced_tags_are_returned(self, shared: Path, tmp_path: Path) -> None:
        path = shared / "data/runbooks/simple_replace_runbook.yaml"
        fields = {"runbook": path, "dataset": "random-xs", "output": tmp_path / "out", "truth_k": 20}
        report = bench_stream(**fields, engine=["flat"])
        assert report.failed == 0
        entry = record(fields)["engines"][0]
        assert entry["summary"]["score"] == entry["summary"]["score_strict"] == 1
        assert entry["faults"] == []
        data = load_data(StreamConfig(**fields, engine=("flat",)))
        rows = np.arange(7500)
        rows[:2500] += 7500
        apart = np.linalg.norm(data.base.take(rows).astype(float) - data.queries[3].astype(float), axis=1)
        assert read_step_truth(tmp_path / "out/truth", 4).ids[3].tolist() == np.argsort(apart)[:20].tolist()


class TestScorer:
    def test_a_repeated_first_recall_is_caught(self) -> None:
        computed = {2: 0.9, 4: 0.5, 6: 0.7}
        assert audit_recalls(computed, computed) == []
        assert "cached" in audit_recalls(dict.fromkeys(computed, 0.9), computed)[0]
        assert "step 4 0.6000 for 0.5000" in audit_recalls(computed | {4: 0.6}, computed)[0]

    def test_the_score_weighs_each_search_alike_and_follows_the_answers(
        self, xs: tuple[Runbook, Data, Path], truth: Path
    ) -> None:
        runbook, data, _ = xs
        gold = compute_gold(truth, runbook, data, 100, "key", Silent())
        answers = {step: gold.at(step).ids[:, :10].copy() for step in (2, 4, 6)}
        for step, lost in ((2, 1), (4, 7), (6, 3)):
            answers[step][:, :lost] = -1
        rows, _ = score_searches(answers, runbook, gold, drifts(runbook, data), 10)
        assert [row["recall"] for row in rows.values()] == pytest.approx([0.9, 0.3, 0.7])
        assert [row["missing_answers"] for row in rows.values()] == [1000, 7000, 3000]
        assert stream_score([row["recall"] for row in rows.values()]) == pytest.approx(19 / 30)

    def test_the_newest_points_have_a_recall_of_their_own(self) -> None:
        truth = np.array([[1, 2, 3], [4, 5, 6], [2, 9, -1]])
        found = np.array([[3, 2, 7], [6, 4, 1], [1, 5, -1]])
        assert recall_among(found, truth, np.array([1, 2, 6])) == pytest.approx(2 / 4)
        assert recall_among(found, truth, np.array([7])) is None

    def test_ties_within_a_millionth_count(self, tmp_path: Path) -> None:
        from goldpan.stages.stream.score import recall_of

        near = Truth(np.array([[1, 2, 3]]), np.array([[0.1, 0.2, 0.2 + 5e-7]]))
        found = recall_of(np.array([[1, 3]]), near, 2)
        assert (found["recall"], found["recall_strict"]) == (1.0, 0.5)


class TestRuns:
    def test_every_operation_leaves_its_numbers(self, small: dict[str, Any]) -> None:
        bench_stream(**small)
        entry = record(small)["engines"][0]
        rows = {row["step"]: row for row in entry["rows"]}
        assert [row["live"] for row in entry["rows"]] == [200, 200, 100, 100, 200, 200, 200, 200, 250, 250]
        assert rows[3]["calls"] == 4
        assert rows[3]["still_found"] == 0
        assert rows[5]["visible"] == rows[7]["visible"] == 1
        for step in (3, 5, 7, 9):
            assert rows[step]["per_second"] > 0
            assert 0 < rows[step]["p50_ms"] <= rows[step]["p99_ms"]
            assert 0 < rows[step]["during_p50_ms"] <= rows[step]["during_p99_ms"]
        for step in (2, 4, 6, 8, 10):
            assert rows[step]["recall"] == 1
            assert rows[step]["p99_ms"] >= rows[step]["p50_ms"] > 0
        assert rows[2]["drift"] == 0
        base = np.load(small["dataset"]).astype(float)
        assert rows[4]["drift"] == pytest.approx(np.linalg.norm(base[100:200].mean(axis=0) - base[:200].mean(axis=0)))
        assert (small["output"] / "stream.svg").read_text().startswith("<?xml")

    def test_finished_engines_are_kept_and_others_join(self, small: dict[str, Any]) -> None:
        assert bench_stream(**small).already_done == 0
        made = (small["output"] / "engines/flat/result.json").stat().st_mtime_ns
        again = bench_stream(**small | {"engine": ("flat", "faiss:IVF4,Flat@nprobe=4")})
        assert (again.rows_out, again.already_done) == (2, 1)
        assert (small["output"] / "engines/flat/result.json").stat().st_mtime_ns == made
        assert [entry["engine"] for entry in record(small)["engines"]] == ["flat", "faiss:IVF4,Flat@nprobe=4"]
        assert record(small)["engines"][1]["summary"]["score"] == 1

    def test_the_answers_are_kept_as_big_ann_keeps_them(self, small: dict[str, Any]) -> None:
        engine = "faiss:IVF4,Flat@nprobe=4"
        bench_stream(**small | {"engine": (engine,)})
        (path,) = (small["output"] / "neurips23/streaming/runbook.yaml/base/5/faiss").glob("*.hdf5")
        found = read_streaming_result(path)
        assert (found.algo, found.name, found.distance) == ("faiss", engine, "euclidean")
        assert list(found.steps) == [2, 4, 6, 8, 10]
        for step, answers in found.steps.items():
            np.testing.assert_array_equal(answers, read_step_truth(small["output"] / "truth", step).ids[:, :5])

    def test_answers_from_elsewhere_are_scored(self, small: dict[str, Any], tmp_path: Path) -> None:
        bench_stream(**small)
        steps = {step: read_step_truth(small["output"] / "truth", step).ids[:, :5].copy() for step in (2, 4, 6, 8, 10)}
        steps[6][:, 0] = -1
        steps[8] = steps[6]
        path = tmp_path / "theirs.hdf5"
        write_streaming_result(path, StreamingResult("puck", "puck(5)", "base", "euclidean", steps))
        report = bench_stream(**small | {"engine": (), "answers": (path,)})
        assert report.rows_out == 1
        ours, theirs = record(small)["engines"]
        assert (ours["engine"], theirs["name"]) == ("flat", "puck: puck(5)")
        rows = {row["step"]: row for row in theirs["rows"]}
        assert [rows[step]["recall"] for step in (2, 4, 6, 10)] == pytest.approx([1, 1, 0.8, 1])
        assert theirs["summary"]["score"] == pytest.approx((3.8 + rows[8]["recall"]) / 5)
        assert any("were cached" in fault for fault in theirs["faults"])
        page = write_stream_page(small["output"]).read_text()
        assert "puck: puck(5)" in page and "were cached" in page
        del steps[8]
        write_streaming_result(path, StreamingResult("puck", "puck(5)", "base", "euclidean", steps))
        with pytest.raises(FormatError, match="answers 4 searches, not the 5"):
            bench_stream(**small | {"answers": (path,)})

    def test_recalls_that_a_scorer_repeated_are_told(self, small: dict[str, Any]) -> None:
        fields = small | {"engine": ("faiss:IVF16,Flat",)}
        bench_stream(**fields)
        told = record(small)
        assert told["engines"][0]["faults"] == []
        searches = [row for row in told["engines"][0]["rows"] if row["operation"] == "search"]
        computed = [row["recall"] for row in searches]
        assert len(set(computed)) > 1
        for row in searches:
            row["recall"] = computed[0]
        (small["output"] / "stream.json").write_text(json.dumps(told))
        bench_stream(**fields)
        again = record(small)["engines"][0]
        assert [row["recall"] for row in again["rows"] if row["operation"] == "search"] == computed
        assert "is recorded for all 5 searches: it was cached" in again["faults"][0]

    def test_another_stream_does_not_get_into_the_folder(self, small: dict[str, Any]) -> None:
        bench_stream(**small)
        with pytest.raises(InputError, match="made with k 5, not 4"):
            bench_stream(**small | {"k": 4})
        write_runbook(small["runbook"], Runbook("base", 300, (Insert(0, 100), Search())))
        with pytest.raises(InputError, match="another stream"):
            bench_stream(**small)

    def test_a_damaged_record_is_a_sentence(self, small: dict[str, Any]) -> None:
        small["output"].mkdir()
        for text in ("{", "[1]"):
            (small["output"] / "stream.json").write_text(text)
            with pytest.raises(FormatError, match="another output folder"):
                bench_stream(**small)

    def test_what_cannot_remove_is_refused_or_rebuilt(self, small: dict[str, Any]) -> None:
        with pytest.raises(InputError, match=r"faiss:HNSW8 cannot remove points.*--rebuild"):
            bench_stream(**small | {"engine": ("faiss:HNSW8",)})
        bench_stream(**small | {"engine": ("flat", "faiss:HNSW8@efSearch=64"), "rebuild": True})
        plain, rebuilt = record(small)["engines"]
        assert (plain["rebuilt"], rebuilt["rebuilt"]) == (False, True)
        assert rebuilt["summary"]["rebuild_seconds"] > 0
        assert rebuilt["summary"]["score"] > 0.9

    def test_an_order_permutes_the_rows(self, small: dict[str, Any], tmp_path: Path) -> None:
        order = np.random.default_rng(1).permutation(500)
        np.save(tmp_path / "runbook.order.npy", order)
        bench_stream(**small)
        assert record(small)["dataset"]["order"] == "runbook.order.npy"
        np.save(tmp_path / "ordered.npy", np.load(small["dataset"])[order])
        (tmp_path / "runbook.order.npy").unlink()
        plain = small | {"dataset": str(tmp_path / "ordered.npy"), "output": tmp_path / "plain", "entry": "base"}
        bench_stream(**plain)
        for step in (2, 4, 6, 8, 10):
            one, other = (read_step_truth(fields["output"] / "truth", step).ids for fields in (small, plain))
            np.testing.assert_array_equal(one, other)
        np.save(tmp_path / "bad.npy", np.zeros(500, int))
        with pytest.raises(FormatError, match="different rows"):
            bench_stream(**small | {"order": tmp_path / "bad.npy"})

    def test_two_tags_may_stand_for_one_row(self, small: dict[str, Any]) -> None:
        steps = (Insert(0, 100), Search(), Replace(0, 50, 50, 100), Search())
        write_runbook(small["runbook"], Runbook("base", 100, steps))
        bench_stream(**small)
        assert record(small)["engines"][0]["summary"]["score"] == 1
        first = read_step_truth(small["output"] / "truth", 4).ids[:, :2]
        np.testing.assert_array_equal(first[:, 1] - first[:, 0], 50)

    def test_a_given_truth_is_looked_at(self, small: dict[str, Any], tmp_path: Path) -> None:
        bench_stream(**small)
        folder = small["output"] / "truth"
        other = small | {"output": tmp_path / "other", "truth": folder}
        bench_stream(**other)
        assert record(other)["engines"][0]["summary"]["score"] == 1
        assert not (tmp_path / "other/truth").exists()
        np.save(tmp_path / "moved.npy", np.load(small["dataset"]) + 1)
        with pytest.raises(FormatError, match="another dataset"):
            bench_stream(**other | {"dataset": str(tmp_path / "moved.npy"), "output": tmp_path / "x", "entry": "base"})
        (folder / "step8.gt20").unlink()
        with pytest.raises(FormatError, match="no truth for the searches at steps 8"):
            bench_stream(**other | {"output": tmp_path / "y"})


def wait_for(ready: Callable[[], Any], seconds: float = 60) -> Any:
    """Return what becomes true in time."""
    until = time.monotonic() + seconds
    while not (found := ready()):
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)
    return found


def words_of(fields: dict[str, Any]) -> list[str]:
    """Return a stream without engines as the words of a command."""
    kept = {name: value for name, value in fields.items() if name not in ("runbook", "engine")}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in kept.items()]
    return ["bench", "stream", str(fields["runbook"]), *flags]


def command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_text()
    except OSError:
        return ""


HEAD = """
import os, time
from dataclasses import replace
from goldpan.search.engines.flat import Flat

class Planted(Flat):
"""
PLANTED = {
    "planted_dies": """
    def remove(self, ids):
        os.abort()
""",
    "planted_raises": """
    def add(self, rows, ids):
        if self.n:
            raise ValueError("no more room")
        super().add(rows, ids)
""",
    "planted_hoards": """
    def remove(self, ids):
        pass
    def add(self, rows, ids):
        if not self.n:
            super().add(rows, ids)
""",
    "planted_caches": """
    def search(self, queries, k, **parameters):
        if len(queries) != 20:
            return super().search(queries, k)
        self.__dict__.setdefault("kept", super().search(queries, k))
        return self.kept
""",
    "planted_consolidates": """
    traits = replace(Flat.traits, consolidates=True)
    def consolidate(self):
        time.sleep(0.01)
""",
    "planted_hangs": """
    def remove(self, ids):
        time.sleep(600)
""",
    "planted_sleeps": """
    def remove(self, ids):
        time.sleep(600)
""",
    "planted_swells": """
    def remove(self, ids):
        self.held = b"x" * (1 << 30)
        time.sleep(600)
""",
}


def test_benchmarks_of_any_layout_are_datasets(small: dict[str, Any], tmp_path: Path) -> None:
    plain = load_data(StreamConfig(**small))
    base, queries = (open_vectors(small[name]) for name in ("dataset", "queries"))
    parts = Benchmark(base, queries, Truth(np.arange(20)[:, None], np.zeros((20, 1))), Metric.L2)
    for layout in ("ann-benchmarks", "fvecs"):
        write_benchmark(tmp_path / layout, parts, layout)
    (file,) = (tmp_path / "ann-benchmarks").glob("*.hdf5")
    for place in (file, tmp_path / "fvecs"):
        fields = small | {"dataset": str(place), "queries": None, "metric": None, "entry": "base"}
        found = load_data(StreamConfig(**fields))
        assert found.metric is Metric.L2
        assert found.digest() == plain.digest()


class TestBadEngines:
    """Each is a package of its own, found through its entry point by the process that plays it."""

    @pytest.fixture(scope="class")
    def packages(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
        folder = tmp_path_factory.mktemp("packages")
        for name, methods in PLANTED.items():
            plant(folder, name, HEAD + methods)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", str(folder))
            patch.syspath_prepend(folder)
            yield folder

    @pytest.fixture(scope="class")
    def entries(self, packages: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
        """Results of one run in which a good engine plays among bad ones."""
        fields = stream_fields(tmp_path_factory.mktemp("bad"))
        engines = ("planted_dies", "planted_raises", "planted_hoards", "planted_caches", "planted_consolidates", "flat")
        report = bench_stream(**fields | {"engine": engines, "consolidate_every": 2})
        assert (report.rows_in, report.rows_out, report.failures) == (6, 4, {"engine_failed": 2})
        return {entry["engine"]: entry for entry in record(fields)["engines"]}

    def test_a_good_one_is_not_harmed(self, entries: dict[str, dict[str, Any]]) -> None:
        assert entries["flat"]["summary"]["score"] == 1
        assert entries["flat"]["faults"] == []

    def test_one_that_dies_is_a_row(self, entries: dict[str, dict[str, Any]]) -> None:
        bad = entries["planted_dies"]
        assert bad["status"] == "died"
        assert "SIGABRT" in bad["error"]
        assert (bad["summary"]["searches"], bad["summary"]["score"]) == (1, None)

    def test_one_that_raises_says_why(self, entries: dict[str, dict[str, Any]]) -> None:
        bad = entries["planted_raises"]
        assert (bad["status"], bad["summary"]["searches"]) == ("died", 2)
        assert "no more room" in bad["error"]

    def test_one_that_forgets_nothing_is_caught(self, entries: dict[str, dict[str, Any]]) -> None:
        bad = entries["planted_hoards"]
        assert bad["status"] == "done"
        assert bad["summary"]["score"] < 0.8
        assert bad["summary"]["dead_answers"] > 0
        assert bad["summary"]["still_found"] > 0
        assert bad["summary"]["visible_at_once"] < 1
        assert any("deleted" in fault for fault in bad["faults"])

    def test_one_that_caches_answers_is_caught(self, entries: dict[str, dict[str, Any]]) -> None:
        assert any("cached" in fault for fault in entries["planted_caches"]["faults"])

    def test_consolidations_are_steps_of_their_own(self, entries: dict[str, dict[str, Any]]) -> None:
        entry = entries["planted_consolidates"]
        order = [(row["step"], row["operation"]) for row in entry["rows"]]
        assert order[7:9] == [(8, "search"), (8, "consolidate")]  # after the second removal was searched
        assert (entry["summary"]["consolidations"], entry["summary"]["score"]) == (1, 1)
        assert 0.01 <= entry["summary"]["longest_pause_seconds"] < 5
        assert not any(
            operation == "consolidate" for row in entries["flat"]["rows"] for operation in [row["operation"]]
        )

    def test_the_command_line_prints_json_and_exits_with_3(
        self, packages: Path, small: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cli([*words_of(small), "--engine", "planted_dies", "--json"]) == 3
        told = json.loads(capsys.readouterr().out)
        assert (told["failed"], told["engines"][0]["status"]) == (1, "died")
        assert told["engines"][0]["rows"][1]["recall"] == 1
        page = (small["output"] / "index.html").read_text()
        assert "planted_dies (died)" in page and "SIGABRT" in page and 'src="http' not in page

    @pytest.mark.slow
    def test_a_killed_run_leaves_no_process_and_goes_on(self, packages: Path, tmp_path: Path) -> None:
        fields = stream_fields(tmp_path)
        command = [sys.executable, "-m", "goldpan", *words_of(fields)]
        started = subprocess.Popen([*command, "--engine", "planted_hangs"], stderr=subprocess.DEVNULL)
        rows = wait_for(lambda: list((tmp_path / "results/engines").glob(".planted_hangs.*/rows.jsonl")))[0]
        wait_for(lambda: rows.read_text().count("\n") == 2)
        with pytest.raises(InputError, match="Another run is at work"):
            bench_stream(**fields)
        started.kill()
        started.wait()
        wait_for(lambda: not any(str(rows.parent) in command_line(pid) for pid in Path("/proc").glob("[0-9]*")))
        assert rows.is_file()
        (packages / "planted_hangs.py").write_text("from goldpan.search.engines.flat import Flat as Planted")
        assert bench_stream(**fields | {"engine": ("planted_hangs",)}).rows_out == 1
        assert not rows.exists()

    @pytest.mark.slow
    def test_one_that_hangs_is_ended(self, packages: Path, small: dict[str, Any]) -> None:
        bench_stream(**small | {"engine": ("planted_sleeps",), "time_limit": 8})
        bad = record(small)["engines"][0]
        assert bad["status"] == "time limit"
        assert bad["wall_seconds"] < 60

    @pytest.mark.slow
    def test_one_that_swells_is_ended(self, packages: Path, small: dict[str, Any]) -> None:
        bench_stream(**small | {"engine": ("planted_swells",), "memory_limit_mb": 900, "time_limit": 100})
        assert record(small)["engines"][0]["status"] == "memory limit"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"engine": ()}, "one engine or more"),
        ({"engine": ("flat", "flat")}, "each once"),
        ({"engine": ("hsnwlib",)}, "Did you mean 'hnswlib'"),
        ({"k": 30}, "--truth-k is 20"),
        ({"queries": None}, "--queries FILE"),
        ({"metric": None}, "add --metric"),
        ({"entry": "other"}, "Unknown dataset"),
        ({"dataset": "random-xz", "queries": None, "metric": None}, "Did you mean 'random-xs'"),
        ({"dataset": "I", "queries": None, "metric": None}, "sparse"),
        ({"size": 10}, "--size"),
    ],
)
def test_bad_input_is_one_sentence(small: dict[str, Any], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        bench_stream(**small | fields)
    assert "\n" not in str(caught.value)
    assert not small["output"].exists()


def test_a_folder_of_other_things_is_left_alone(small: dict[str, Any]) -> None:
    small["output"].mkdir()
    (small["output"] / "index.html").write_text("mine")
    with pytest.raises(InputError, match="holds other things"):
        bench_stream(**small)
    assert [path.name for path in small["output"].iterdir()] == ["index.html"]


def test_results_have_a_usual_place(small: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    words = words_of(small)
    monkeypatch.chdir(small["output"].parent)
    assert cli([*(word for word in words if not word.startswith("--output")), "--engine", "flat", "--json"]) == 0
    assert Path("stream-results/stream.json").is_file()
