"""Tables and pages say what the rows say; results are written by hand here, no engine runs."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import goldpan
from goldpan.core.errors import FormatError, InputError, UnknownName
from goldpan.stages.experiment.figures import builds_figure, figures
from goldpan.stages.experiment.store import Results
from goldpan.stages.experiment.summary import Summary
from goldpan.stages.experiment.tables import Table, shown
from goldpan.stages.experiment.views import compare, difficulty, failures, overview, settings, speed
from goldpan.web.bench import BenchReportConfig, report

SPEEDS = {"exact": [("default", 100.0, [1.0, 1.0, 1.0, 1.0])], "graph": [], "odd $x^$ <b>": []}
SPEEDS["graph"] = [("ef=1", 900.0, [0.5, 1.0, 0.0, 1.0]), ("ef=9", 300.0, [1.0, 1.0, 0.6, 1.0])]
SPEEDS["odd $x^$ <b>"] = [("p=2", 50.0, [0.8, 1.0, 0.0, 0.8])]


def write(folder: Path, *, faster: float = 1.0, digest: str = "d1") -> Summary:
    results = Results(folder)
    about = {"n": 10, "dim": 2, "dtype": "float32", "metric": "l2", "queries": 4, "queries_in_base": 0, "truth": "t"}
    results.add("datasets", {"dataset": "data", **about, "truth_k": 5, "digest": digest})
    for engine, series in SPEEDS.items():
        build = {"dataset": "data", "engine": engine, "threads": 1, "status": "ok", "reason": "", "seconds": 2.0}
        sizes = {"memory_bytes": 1 << 20, "disk_bytes": None, "peak_bytes": 3 << 20}
        results.add("builds", build | {"cpu_s": 1.0} | sizes)
        for setting, qps, recalls in series:
            answers = f"{engine[:3]}{setting}.hdf5"
            pq.write_table(pa.table({"recall": recalls}), (folder / answers).with_suffix(".parquet"))
            for number, luck in enumerate((1.0, 0.5, 2.0)):
                for mode in ("batch", "single"):
                    late = 1000 / qps if mode == "single" else None
                    row = {"dataset": "data", "engine": engine, "setting": setting, "k": 5, "mode": mode, "threads": 1}
                    row |= {"round": number, "parameters": {}, "status": "ok", "reason": "", "queries": 4}
                    row |= {
                        "seconds": 4 / qps,
                        "cpu_s": 4 / qps,
                        "qps": qps * luck * faster,
                        "recall": np.mean(recalls),
                    }
                    row |= {"recall_ties": np.mean(recalls), "peak_bytes": 1 << 20, "answers": answers}
                    row |= {"p50_ms": late, "p95_ms": late, "p99_ms": late, "load_before": 0.5, "load_after": 1.5}
                    results.add("rows", row)
    for number in range(2):
        row = {"dataset": "data", "engine": "graph", "setting": f"ef={number}", "k": 5, "mode": "batch", "threads": 1}
        results.add("rows", row | {"round": 9, "status": "died", "reason": "by | SIGSEGV", "stderr": "oh no"})
    return Summary(results, (0.5, 0.7, 0.95))


def test_speed_at_a_recall(tmp_path):
    summary = write(tmp_path)
    found = {(row["engine"], row["recall ≥"]): row for row in speed(summary).records()}
    assert found["graph", 0.5]["setting"] == "ef=1"
    assert found["graph", 0.7]["setting"] == "ef=9"
    assert found["graph", 0.7]["ratio"] == found["graph", 0.7]["ratio low"] == pytest.approx(3)
    assert found["graph", 0.7]["p99 ms"] == pytest.approx(1000 / 300)
    assert (found["graph", 0.95]["setting"], found["graph", 0.95]["QPS"]) == ("not reached", None)
    assert found["exact", 0.95]["ratio"] == 1
    lines = {row["engine"]: row for row in overview(summary).records()}
    assert [lines["graph"][f"QPS at {r}"] for r in (0.5, 0.7, 0.95)] == pytest.approx([900, 300, None])
    fronts = {(row["engine"], row["setting"]) for row in settings(summary).records() if row["front"]}
    assert fronts == {("exact", "default"), ("graph", "ef=1"), ("graph", "ef=9")}


def test_hard_queries_and_failures(tmp_path):
    summary = write(tmp_path)
    (hard,) = difficulty(summary).records()
    assert (hard["engines"], hard["queries"], hard["whole for all"], hard["missed by all"]) == (2, 4, 1, 0)
    assert hard["hardest queries"] == "2 (0.30), 0 (0.90), 3 (0.90)"
    (failure,) = failures(summary).records()
    assert (failure["times"], failure["status"], failure["last words"]) == (2, "died", "oh no")
    assert failure["where"] == "ef=0, k = 5, batch, round 9 and 1 more"


def test_two_sets_of_results(tmp_path):
    one, other = write(tmp_path / "new", faster=1.25), write(tmp_path / "old")
    engines, settings = compare(one, other)
    assert [(line["engine"], line["settings"], line["rounds"]) for line in engines.records()][2:4] == [
        ("graph", 2, 6),
        ("graph", 2, 6),
    ]
    lines = settings.records()
    assert len(lines) == 8
    assert {line["ratio"] for line in lines} == {line["ratio low"] for line in lines} == {1.25}
    with pytest.raises(InputError, match="nothing in common"):
        compare(one, write(tmp_path / "else", digest="d2"))


def test_the_page_opens_from_disk(tmp_path):
    write(tmp_path / "r")
    config = BenchReportConfig(results=tmp_path / "r", output=tmp_path / "page", against=tmp_path / "r")
    report(config)
    files = {path.name: path.read_bytes() for path in (tmp_path / "page").iterdir()}
    page = files["index.html"].decode()
    assert page.count("<svg") == 4
    assert "odd $x^$ &lt;b&gt;" in page and "odd $x^$ <b>" not in page
    assert not any(outside in page for outside in ("<script", "src=", "<link", "@import"))
    assert "the load of the machine was 0.5 to 1.5" in page
    assert b"by \\| SIGSEGV" in files["report.md"]
    report(config)
    assert {path.name: path.read_bytes() for path in (tmp_path / "page").iterdir()} == files
    next((tmp_path / "r").glob("gra*.parquet")).unlink()
    with pytest.raises(FormatError, match="cannot be read"):
        report(config)
    with pytest.raises(UnknownName, match="Did you mean 'graph'"):
        report(BenchReportConfig(results=tmp_path / "r", output=tmp_path / "page", reference="grap"))


def test_other_files_are_not_written_over_and_recalls_are_shares(tmp_path):
    write(tmp_path / "results")
    fields = {"results": tmp_path / "results", "output": tmp_path / "site"}
    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.html").write_text("mine")
    with pytest.raises(InputError, match="holds other things than a report"):
        report(BenchReportConfig(**fields))
    assert (tmp_path / "site/index.html").read_text() == "mine"
    with pytest.raises(InputError, match="is a file"):
        report(BenchReportConfig(results=tmp_path / "results", output=tmp_path / "site/index.html"))
    goldpan.bench_report(results=tmp_path / "results", output=tmp_path / "report")
    goldpan.bench_report(results=tmp_path / "results", output=tmp_path / "report")  # its own it writes anew
    assert (tmp_path / "report/index.html").is_file()
    for recalls in ((2.0,), (0.9, 0.9), ()):
        with pytest.raises(ValueError, match="recalls are above 0"):
            BenchReportConfig(**fields, recalls=recalls)


def test_pictures(tmp_path):
    summary = write(tmp_path)
    (some,) = figures(summary).values()
    assert [figure.name for figure in some] == ["recall_qps_0", "recall_latency_0", "query_recall_0"]
    assert all(figure.svg.startswith("<svg") for figure in some)
    assert builds_figure(summary) is not None
    assert builds_figure(Summary(Results(tmp_path / "none"))) is None


def test_cells():
    values = [None, float("nan"), 0.0, 0.012345, 1.5, 1234.5678, 12345.678, 7, 12345, "text"]
    assert [shown(value) for value in values] == [
        *("–", "–", "0", "0.01235", "1.500", "1,235", "12,346", "7", "12,345", "text")  # noqa: RUF001
    ]
    table = Table("t", "T", ("name", "x"), [("a" * 200, 1.0), ("b", None)])
    assert table.text().splitlines()[1].startswith("a" * 97 + "...")
    assert table.csv() == f"name,x\n{'a' * 200},1.0\nb,\n"
