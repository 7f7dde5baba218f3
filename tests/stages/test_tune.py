"""`goldpan bench tune`: from vectors and a budget to an index folder that keeps it."""

import json
from pathlib import Path

import numpy as np
import pytest

from goldpan.cli.main import run
from goldpan.core.errors import InputError
from goldpan.formats.vectors import write_vectors
from goldpan.metrics.recall import strict_recall
from goldpan.search.engines.loading import load_index
from goldpan.search.exact import exact_search
from goldpan.search.synthetic import open_dataset
from goldpan.search.tune import NothingFits
from goldpan.stages.index.folder import IndexFolder
from goldpan.stages.index.tuning import TuneConfig, bench_tune, tune
from goldpan.store.workspace import Workspace

SET = open_dataset("A", n=4000, n_queries=600, dim=64)
ENGINES = ["faiss:HNSW16_SQ8@efConstruction=60", "faiss:IVF32,Flat"]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for name, rows in (("base", SET.base), ("queries", SET.queries)):
        write_vectors(tmp_path / f"{name}.fvecs", [rows], dim=64, dtype=np.float32)
    return tmp_path / "base.fvecs"


def test_the_folder_answers_as_promised_with_the_settings_it_was_tuned_to(base: Path, tmp_path: Path) -> None:
    report = bench_tune(
        vectors=str(base),
        queries=str(tmp_path / "queries.fvecs"),
        metric="ip",
        min_recall=0.9,
        max_memory="1GB",
        engines=ENGINES,
        output=tmp_path / "index",
        threads=1,
    )
    index = load_index(tmp_path / "index", threads=1)
    truth = exact_search(SET.base, SET.queries, 10, "ip").neighbors.ids
    assert strict_recall(index.search(SET.queries, 10).ids, truth, 10).mean() >= 0.9
    record = IndexFolder(tmp_path / "index").record
    assert record["engine"] == report.details["chosen"]["engine"] == index.spec
    assert record["parameters"] == report.details["chosen"]["parameters"] != {}
    assert record["next_row"] == record["rows"] == 4000
    tuning = json.loads((tmp_path / "index" / "tuning.json").read_text())
    assert tuning["chosen"] == index.spec
    assert [row["spec"] for row in tuning["candidates"] if row["verdict"] == "chosen"] == [
        report.details["chosen"]["spec"]
    ]
    infos = json.loads((tmp_path / "index" / "index_infos.json").read_text())
    assert infos["nb vectors"] == 4000
    assert infos["99p_search_speed_ms"] > 0 < infos["avg_search_speed_ms"]


def test_autofaiss_words_are_understood(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "--metric-type ip --max-index-memory-usage 1G --current-memory-available 4G --max-index-query-time-ms 500"
    folder = tmp_path / "index"
    command = ["bench", "tune", str(base), *words.split(), "--index-key", "IVF32,Flat", "-o", str(folder), "--json"]
    assert run(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["chosen"]["engine"].startswith("faiss:IVF32,Flat@nprobe=")
    asked = json.loads((folder / "tuning.json").read_text())["asked"]
    assert asked["max_memory"] == "1G"
    assert asked["max_latency_ms"] == 500


def test_where_nothing_fits_the_measurements_stay_and_may_be_replaced(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "index"
    command = ["bench", "tune", str(base), "--metric", "ip", "--max-memory", "50KB", "-o", str(folder), "-q"]
    assert run(command) == 1
    said = capsys.readouterr().err
    assert said.startswith("goldpan: No index keeps the budget. Nearest is ")
    assert "tuning.json" in said
    tuning = json.loads((folder / "tuning.json").read_text())
    assert tuning["chosen"] is None
    assert all(row["verdict"] for row in tuning["candidates"])
    config = TuneConfig(vectors=str(base), metric="ip", min_recall=0.8, engines=ENGINES[1:], output=folder, threads=1)
    tune(config)
    assert load_index(folder).n == 4000
    with pytest.raises(InputError, match="--replace"):
        tune(config)


def test_vectors_of_a_workspace_bring_their_metadata(filled: Workspace, tmp_path: Path) -> None:
    queries = np.random.default_rng(0).standard_normal((300, 16)).astype(np.float32)
    write_vectors(tmp_path / "queries.fvecs", [queries], dim=16, dtype=np.float32)
    bench_tune(
        vectors=str(filled.path),
        encoder="toy",
        queries=str(tmp_path / "queries.fvecs"),
        engines=["flat"],
        min_recall=0.8,
        output=tmp_path / "index",
    )
    folder = IndexFolder(tmp_path / "index")
    assert folder.record["metric"] == "cosine"
    assert folder.rows_of(np.array([7]))[7]["id"] == "i007"


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"max_memory": "20 bananas"}, "no size of memory"),
        ({"min_recall": 1.5}, "min_recall"),
        ({"metric": None}, "does not name a metric"),
        ({"engines": ["nosuch"]}, "Unknown index engine 'nosuch'"),
    ],
)
def test_what_cannot_be_is_one_sentence(base: Path, tmp_path: Path, fields: dict[str, object], match: str) -> None:
    with pytest.raises((InputError, NothingFits), match=match):
        bench_tune(**{"vectors": str(base), "metric": "ip", "output": tmp_path / "index"} | fields)


def test_an_array_where_an_address_belongs_is_named_by_its_shape(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"valid string \(given: ndarray of shape \(300, 8\)\)"):
        bench_tune(vectors=np.zeros((300, 8)), metric="l2", output=tmp_path / "index")
    with pytest.raises(InputError) as caught:
        bench_tune(vectors=list(range(5000)), metric="l2", output=tmp_path / "index")
    assert len(str(caught.value)) < 250
