"""kill -9 while URLs are fetched, again and again: the end is that of an undisturbed run; nothing is fetched twice."""

import asyncio
import csv
import hashlib
import json
import random
import signal
import tarfile
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from goldpan.store.workspace import Workspace
from tests.hostile import Ask, Case, HostileServer, no_robots
from tests.hostile_cases import numbered
from tests.journeys.conftest import Shell

HOSTS = 20
SECONDS = 0.15


def serving() -> HostileServer:
    answer = numbered(SECONDS)
    return HostileServer([Case(f"host{i}", answer, None, None, "/", no_robots) for i in range(HOSTS)])


async def nothing(ask: Ask) -> None:
    await asyncio.sleep(SECONDS)
    await ask.reply(status="404 Not Found")


def listed(path: Path, server: HostileServer, many: int) -> Path:
    """Write a list of so many images of each host; each tenth row is one of the rows before once more."""
    hosts = [case.name for case in server.cases]
    urls = [server.url(host, f"/{number * HOSTS + at}.png") for number in range(many) for at, host in enumerate(hosts)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["url", "caption"])
        for number, url in enumerate(urls):
            writer.writerow([url, f"number {number}"])
            if number % 10 == 9:
                writer.writerow([urls[number // 2], "again"])
    return path


def settled(folder: Path) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return the rows of a workspace by id, without the hour, and the reasons of its failures."""
    ws = Workspace(folder)
    rows = {row["id"]: row | {"extra": json.loads(row["extra"])} for row in ws.images.to_table().to_pylist()}
    failures = {row["id"]: row["reason"] for row in ws.failures.to_table().to_pylist()}
    assert len(rows) == ws.images.count()
    assert len(failures) == ws.failures.count()
    for row in rows.values():
        del row["extra"]["fetched_at"]
    return rows, failures


@pytest.mark.parametrize(("rounds", "many"), [(1, 60), pytest.param(50, 800, marks=pytest.mark.slow)])
def test_acquire_urls_survives(goldpan: Shell, rounds: int, many: int) -> None:
    rng = random.Random(3)
    killed = 0
    with serving() as server:
        words = (listed(goldpan.folder / "list.csv", server, many), "--allow-private", "--ports", server.port)
        for name in ("calm", "storm"):
            goldpan("init", name)
        goldpan("acquire", "urls", "calm", *words, code=3)
        for _ in range(rounds):
            process = goldpan.start("acquire", "urls", "storm", *words)
            time.sleep(rng.uniform(1.5, 5.0))
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
            rows, _ = settled(goldpan.folder / "storm")
            known = {row["extra"]["final_url"] for row in rows.values()}
            asked_before = len(server.asked)
        goldpan("acquire", "urls", "storm", *words, code=3)
        asked_again = {f"http://{ask.headers['host']}{ask.path}" for ask in server.asked[asked_before:]}
    assert killed
    assert not asked_again & known
    assert settled(goldpan.folder / "storm") == settled(goldpan.folder / "calm")
    calm, storm = (Workspace(goldpan.folder / name) for name in ("calm", "storm"))
    assert calm.blobs.table.count() == storm.blobs.table.count()


def shards(folder: Path) -> dict[str, Any]:
    """Return what shards hold: rows of Parquet files, and the SHA-256 of each file of a tar."""
    held: dict[str, Any] = {path.name: pq.read_table(path).to_pylist() for path in folder.glob("*.parquet")}
    for path in folder.glob("*.tar"):
        with tarfile.open(path) as tar:
            held[path.name] = {entry.name: hashlib.sha256(tar.extractfile(entry).read()).hexdigest() for entry in tar}
    return held


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [6])
def test_shards_survive(goldpan: Shell, rounds: int) -> None:
    rng = random.Random(rounds)
    killed = 0
    with serving() as server:
        many = 60 * rounds
        words = (listed(goldpan.folder / "list.csv", server, many), "--allow-private", "--ports", server.port)
        words += ("--output-format", "webdataset", "--per-shard", 100)
        for name in ("calm", "storm"):
            goldpan("init", name)
        goldpan("acquire", "urls", "calm", *words, "--output", "calm-shards", code=3)
        calm = len(server.asked)
        for _ in range(rounds):
            process = goldpan.start("acquire", "urls", "storm", *words, "--output", "storm-shards")
            time.sleep(rng.uniform(2.0, 7.0))
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
        goldpan("acquire", "urls", "storm", *words, "--output", "storm-shards", code=3)
    assert killed
    assert shards(goldpan.folder / "storm-shards") == shards(goldpan.folder / "calm-shards")
    assert settled(goldpan.folder / "storm")[1] == settled(goldpan.folder / "calm")[1]
    assert len(server.asked) - calm < calm + killed * (calm // rounds)  # a few seconds of each round at most


def test_misses_are_kept_as_they_come(goldpan: Shell) -> None:
    goldpan("init", "ws")
    with HostileServer([Case(f"host{i}", nothing, None, None, "/", no_robots) for i in range(HOSTS)]) as server:
        urls = [server.url(case.name, f"/{number}.png") for number in range(200) for case in server.cases]
        (goldpan.folder / "list.txt").write_text("\n".join(urls))
        process = goldpan.start("acquire", "urls", "ws", "list.txt", "--allow-private", "--ports", server.port)
        kept, until = 0, time.monotonic() + 60
        while not kept and time.monotonic() < until:
            time.sleep(0.5)
            kept = Workspace(goldpan.folder / "ws").failures.count()
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert 0 < kept < len(urls)
