"""Random streams through the exact engine, in this process: every search is answered rightly, whatever came before."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from goldpan.core.progress import Silent
from goldpan.core.records import Metric
from goldpan.formats.runbook import Delete, Insert, Replace, Runbook, Search, Step, check_runbook
from goldpan.stages.stream.config import StreamConfig
from goldpan.stages.stream.data import Data, Rows
from goldpan.stages.stream.gold import compute_gold, drifts
from goldpan.stages.stream.live import Live
from goldpan.stages.stream.play import Player
from goldpan.stages.stream.score import score_searches

ROWS, DIM = 60, 3


def random_runbook(rng: np.random.Generator) -> Runbook:
    """Return 25 steps that are possible: ranges of dead tags go in, of live ones out, or stand for any rows."""
    steps: list[Step] = [Insert(0, 12), Search()]
    live = np.arange(ROWS) < 12
    while len(steps) < 25:
        start = int(rng.integers(ROWS))
        end = int(rng.integers(start, ROWS)) + 1
        kind = rng.integers(5)
        if kind == 0 and not live[start:end].any():
            steps.append(Insert(start, end))
            live[start:end] = True
        elif kind == 1 and live[start:end].all():
            steps.append(Delete(start, end))
            live[start:end] = False
        elif kind == 2 and live[start:end].all():
            rows = int(rng.integers(ROWS - (end - start) + 1))
            steps.append(Replace(start, end, rows, rows + end - start))
        elif kind == 3:
            steps.append(Search())
    return Runbook("toy", ROWS, (*steps, Search()))


@pytest.mark.parametrize("seed", range(12))
def test_the_exact_engine_scores_one(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    runbook = random_runbook(rng)
    check_runbook(Path("toy.yaml"), runbook, ROWS)
    base = rng.integers(-2, 3, (ROWS, DIM)).astype(np.float32)  # many ties, many copies
    data = Data("toy", Rows(base), rng.normal(size=(7, DIM)).astype(np.float32), Metric.L2, None)
    config = StreamConfig(
        runbook="toy.yaml",
        dataset="toy",
        engine=("flat",),
        output=tmp_path,
        k=4,
        truth_k=9,
        batch=int(rng.integers(1, 20)),
        repeats=1,
        latency_queries=1,
        threads=1,
        probes=3,
    )
    gold = compute_gold(tmp_path / "truth", runbook, data, 9, "key", Silent())
    Player(config, "flat", runbook, data, tmp_path).play()
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, len(runbook.steps) + 1))
    answers = {step: np.load(tmp_path / f"step{step}.npy") for step in runbook.search_steps}
    scored, faults = score_searches(answers, runbook, gold, drifts(runbook, data), 4)
    assert {row["recall"] for row in scored.values()} == {1.0}
    assert {row["recall_strict"] for row in scored.values()} == {1.0}
    assert faults == []
    state = Live(runbook)
    for number, step in enumerate(runbook.steps, 1):
        state.apply(step)
        if number in answers:
            tags = state.tags
            apart = np.linalg.norm(base[state.row_of[tags]].astype(float) - data.queries[:, None].astype(float), axis=2)
            true = tags[np.argsort(apart, axis=1, kind="stable")][:, :9]
            np.testing.assert_array_equal(gold.at(number).ids[:, : true.shape[1]], true)
            assert (gold.at(number).ids[:, true.shape[1] :] == -1).all()
            assert scored[number]["live"] == len(tags)
