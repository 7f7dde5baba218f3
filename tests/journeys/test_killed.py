"""kill -9 at random moments: nothing is lost, nothing is there twice, and the end is that of an undisturbed run."""

import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from goldpan.store.workspace import Workspace
from tests.journeys.conftest import Shell


def kill_and_resume(goldpan: Shell, words: tuple[object, ...], rounds: int, longest_s: float, seed: int) -> int:
    """Start a command and kill it, again and again; then let it end. Returns how many runs were really killed."""
    rng = random.Random(seed)
    killed = 0
    for _ in range(rounds):
        process = goldpan.start(*words)
        time.sleep(rng.uniform(0.3, longest_s))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    goldpan(*words)
    return killed


@pytest.mark.slow
@pytest.mark.parametrize(("rounds", "photos"), [(10, 1000)])
def test_embed_survives(goldpan: Shell, shared: Path, rounds: int, photos: int) -> None:
    encoder = f"onnx:{shared}/models/dual-encoder"
    (goldpan.folder / "photos").mkdir()
    for photo in sorted((shared / "data/imagenet1k").iterdir())[:photos]:
        shutil.copy(photo, goldpan.folder / "photos")
    for name in ("calm", "storm"):
        goldpan("init", name)
        goldpan("acquire", "folder", name, "photos")
    goldpan("embed", "calm", "--encoder", encoder)
    assert kill_and_resume(goldpan, ("embed", "storm", "--encoder", encoder), rounds, photos * 0.006, seed=rounds) > 0
    calm, storm = (Workspace(goldpan.folder / name).vectors(encoder) for name in ("calm", "storm"))
    np.testing.assert_array_equal(calm.ids, storm.ids)
    np.testing.assert_array_equal(calm.array, storm.array)
    statuses = [run["status"] for run in goldpan.json("log", "storm") if run["stage"] == "embed"]
    assert statuses[-1] == "done"


@pytest.mark.slow
def test_acquire_survives(goldpan: Shell, shared: Path) -> None:
    for name in ("calm", "storm"):
        goldpan("init", name)
    words = ("acquire", "folder", "storm", shared / "data", "--max-failures", "100%", "--copy-bytes")
    goldpan("acquire", "folder", "calm", *words[3:])
    kill_and_resume(goldpan, words, 5, 3.0, seed=1)
    calm, storm = (Workspace(goldpan.folder / name) for name in ("calm", "storm"))
    assert calm.images.to_table().equals(storm.images.to_table())
    assert calm.blobs.table.count() == storm.blobs.table.count()


@pytest.mark.slow
def test_shards_make_the_same_table(goldpan: Shell, shared: Path) -> None:
    goldpan("init", "ws")
    goldpan("acquire", "folder", "ws", shared / "data/bsds500")
    processes = [goldpan.start("embed", "ws", "--encoder", "phash:8", "--shard", f"{i}/3") for i in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    goldpan("embed", "ws", "--encoder", "phash:8", "--name", "whole")
    ws = Workspace(goldpan.folder / "ws")
    parts, whole = ws.vectors("phash:8"), ws.vectors("whole")
    assert len(parts.ids) == len(set(parts.ids)) == 300
    assert dict(zip(parts.ids, map(bytes, parts.array), strict=True)) == dict(
        zip(whole.ids, map(bytes, whole.array), strict=True)
    )
    assert goldpan.json("embed", "ws", "--encoder", "phash:8", "--job-index", 1, "--total-jobs", 3)["already_done"] > 0
