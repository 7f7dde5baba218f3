"""`goldpan bench laion-like`: whole shards, resumed, equal bytes."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import goldpan
from goldpan.core.errors import InputError
from goldpan.search.generators.laion import BLOCK_ROWS

ROWS = 2 * BLOCK_ROWS + 700
SETTINGS = {"vectors": "both", "dim": 8, "shard_rows": BLOCK_ROWS}


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    said = [f"the {color} {animal} sleeps" for color in ("red", "blue") for animal in ("cat", "dog", "eel")] * 6
    path = tmp_path / "captions.parquet"
    pq.write_table(pa.table({"url": [f"http://a.org/{i}.jpg" for i in range(len(said))], "caption": said}), path)
    return path


def sums(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_folders_are_those_of_clip_retrieval(captions: Path, tmp_path: Path) -> None:
    report = goldpan.bench_laion_like(captions=captions, output=tmp_path / "pool", rows=ROWS, **SETTINGS)
    assert report.rows_in == report.rows_out == ROWS
    assert report.already_done == 0
    texts = goldpan.open_vectors(f"{tmp_path / 'pool'}:text_emb")
    images = goldpan.open_vectors(f"{tmp_path / 'pool'}:img_emb")
    assert (images.n, images.dim, images.dtype) == (ROWS, 8, np.float16)
    assert texts.n == ROWS
    numbers = [row for table in images.metadata() for row in table["SAMPLE_ID"].to_pylist()]
    assert numbers == list(range(ROWS))


def test_again_does_nothing_and_more_rows_are_added(captions: Path, tmp_path: Path) -> None:
    def make(rows: int, folder: str) -> int:
        return goldpan.bench_laion_like(captions=captions, output=tmp_path / folder, rows=rows, **SETTINGS).already_done

    make(BLOCK_ROWS + 5, "grown")
    before = sums(tmp_path / "grown")
    assert make(BLOCK_ROWS + 5, "grown") == BLOCK_ROWS + 5
    assert make(ROWS, "grown") == BLOCK_ROWS  # the second shard was shorter
    make(ROWS, "at_once")
    after = sums(tmp_path / "grown")
    assert after == sums(tmp_path / "at_once")
    assert after["img_emb/img_emb_0000.npy"] == before["img_emb/img_emb_0000.npy"]


def test_other_settings_are_refused(captions: Path, tmp_path: Path) -> None:
    goldpan.bench_laion_like(captions=captions, output=tmp_path / "pool", rows=10, vectors="none")
    with pytest.raises(InputError, match="made with seed 1234, not 7"):
        goldpan.bench_laion_like(captions=captions, output=tmp_path / "pool", rows=10, vectors="none", seed=7)
    with pytest.raises(InputError, match="multiple of 20000"):
        goldpan.bench_laion_like(captions=captions, output=tmp_path / "pool", shard_rows=30)


def test_a_kill_costs_one_shard_at_most(captions: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "goldpan", "bench", "laion-like", str(captions), "-o", str(tmp_path / "pool")]
    command += ["--rows", str(20 * BLOCK_ROWS), "--shard-rows", str(BLOCK_ROWS), "--dim", "8"]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    third = tmp_path / "pool/img_emb/img_emb_0002.npy"
    until = time.monotonic() + 30
    while not third.exists() and time.monotonic() < until:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert third.exists()
    done = goldpan.bench_laion_like(
        captions=captions, output=tmp_path / "pool", rows=20 * BLOCK_ROWS, shard_rows=BLOCK_ROWS, dim=8
    )
    assert done.already_done >= 3 * BLOCK_ROWS
    assert goldpan.open_vectors(tmp_path / "pool").n == 20 * BLOCK_ROWS
