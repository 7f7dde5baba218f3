"""An experiment from the command line: killed at any moment it goes on, and its report tells what came out."""

import csv
import json
import random
import signal
import time
from pathlib import Path

import pytest

from tests.journeys.conftest import Shell

EXPERIMENT = """
title = "Three engines"
k = [10]
rounds = 2
min_seconds = 0
single_queries = 20

[[dataset]]
source = "random-xs"

[[engine]]
spec = "flat"

[[engine]]
spec = "hnswlib@M=8"
sweep = { ef = [10, 40] }

[[engine]]
spec = "faiss:IVF64,Flat"
sweep = { nprobe = [1, 16] }
"""
RUN = ("bench", "run", "e.toml", "-o", "results", "--allow-load", 1000)
ROWS = (1 + 2 + 2) * 2 * 2


def rows_of(folder: Path) -> list[dict]:
    path = folder / "results/rows.jsonl"
    lines = path.read_text().split("\n")[:-1] if path.is_file() else []
    return [json.loads(line) for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("kills", [1, 12])
def test_a_killed_run_goes_on(goldpan: Shell, kills: int) -> None:
    (goldpan.folder / "e.toml").write_text(EXPERIMENT)
    rng, kept = random.Random(kills), []
    for _ in range(kills):
        process = goldpan.start(*RUN)
        time.sleep(rng.uniform(1.5, 4))
        process.send_signal(signal.SIGKILL)
        process.wait()
        rows = rows_of(goldpan.folder)
        assert rows[: len(kept)] == kept
        kept = rows
    report = goldpan.json(*RUN)
    rows = rows_of(goldpan.folder)
    assert rows[: len(kept)] == kept
    assert (report["rows_in"], report["already_done"], report["failed"]) == (ROWS, len(kept), 0)
    keys = {tuple(row[name] for name in ("engine", "setting", "k", "mode", "round")) for row in rows}
    assert len(keys) == len(rows) == ROWS
    assert {row["status"] for row in rows} == {"ok"}
    assert goldpan.json(*RUN)["already_done"] == ROWS
    check_report(goldpan)


def check_report(goldpan: Shell) -> None:
    """Make the report, compare the results with themselves, and look at both."""
    goldpan("bench", "report", "results", "-o", "report", "--against", "results", "--reference", "flat")
    page = (goldpan.folder / "report/index.html").read_text()
    assert page.count("<svg") == 2 + 1 + 1  # speed and latency, recalls of queries, builds
    assert "Three engines" in page
    for outside in ("http-equiv", "<script", "src=", "<link"):
        assert outside not in page
    with (goldpan.folder / "report/against_settings.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == ROWS / 2
    assert {float(line["ratio"]) for line in lines} == {1.0}
    with (goldpan.folder / "report/speed_at_recall.csv").open() as file:
        speeds = [line for line in csv.DictReader(file) if line["setting"] != "not reached"]
    assert {line["engine"] for line in speeds} == {"flat", "hnswlib@M=8", "faiss:IVF64,Flat"}
    assert all(float(line["recall"]) >= float(line["recall ≥"]) for line in speeds)
    assert {line["ratio"] for line in speeds if line["engine"] == "flat"} == {"1.0"}


def test_a_report_of_nothing_but_failures(goldpan: Shell) -> None:
    text = EXPERIMENT[: EXPERIMENT.index("[[engine]]")] + '[[engine]]\nspec = "faiss:PQ7"\n'
    (goldpan.folder / "e.toml").write_text(text)
    report = goldpan.json(*RUN, code=3)
    assert (report["failures"], report["tables"]["overview"]) == ({"engine_failed": 1}, [])
    assert report["tables"]["failures"][0]["status"] == "error"
    goldpan("bench", "report", "results", "-o", "report")
    assert "Nothing could be measured" in (goldpan.folder / "report/index.html").read_text()


def test_what_a_person_types_wrong(goldpan: Shell) -> None:
    (goldpan.folder / "e.toml").write_text(EXPERIMENT.replace("nprobe", "probes"))
    assert "no search parameter 'probes' to sweep; it has: nprobe" in goldpan(*RUN, code=2).stderr
    assert "holds no results" in goldpan("bench", "report", "nowhere", "-o", "report", code=2).stderr
    (goldpan.folder / "e.toml").write_text(EXPERIMENT)
    assert "--allow-load" in goldpan(*RUN[:-1], 0, code=2).stderr
