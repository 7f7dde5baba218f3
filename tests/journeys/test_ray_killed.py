"""A worker of a cluster is killed in the midst of its work, or the command itself: the end is that of one machine."""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from goldpan.store.workspace import Workspace
from tests.fetch.serving import serve
from tests.hostile import HostileServer
from tests.hostile_cases import numbered
from tests.journeys.conftest import GOLDPAN, Shell
from tests.ray_head import RayHead

pytestmark = pytest.mark.slow
PHOTOS, SIDE = 240, 500
HOSTS = [f"host{number}" for number in range(12)]


@pytest.fixture
def spread(ray_head: RayHead, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Return the words that name the cluster."""
    for name, value in ray_head.environment.items():
        monkeypatch.setenv(name, value)
    return "--executor", "ray", "--address", ray_head.address


@pytest.fixture
def photos(goldpan: Shell) -> None:
    rng = np.random.default_rng(5)
    (goldpan.folder / "photos").mkdir()
    for number in range(PHOTOS):
        small = Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8))
        small.resize((SIDE, SIDE)).save(goldpan.folder / "photos" / f"{number:03}.jpg")


def start(goldpan: Shell, *words: object) -> subprocess.Popen[bytes]:
    with (goldpan.folder / "stderr").open("wb") as stderr:
        return subprocess.Popen([*GOLDPAN, *map(str, words)], cwd=goldpan.folder, stderr=stderr)


def finish(goldpan: Shell, process: subprocess.Popen[bytes], code: int = 0) -> None:
    assert process.wait(timeout=120) == code, (goldpan.folder / "stderr").read_text()


def left(folder: Path) -> list[Path]:
    return [path for path in (folder / ".staged").rglob("*") if path.is_file()]


@pytest.mark.usefixtures("photos")
def test_embed(goldpan: Shell, ray_head: RayHead, spread: tuple[str, ...]) -> None:
    for ws in ("calm", "storm"):
        goldpan("init", ws)
        goldpan("acquire", "folder", ws, "photos")
    words = ("--encoder", "phash:8", "--batch-size", 8)
    goldpan("embed", "calm", *words)
    process = start(goldpan, "embed", "storm", *words, *spread)
    ray_head.kill_a_worker("_call")
    finish(goldpan, process)
    calm, storm = (Workspace(goldpan.folder / ws) for ws in ("calm", "storm"))
    assert calm.vectors_table("phash_8").to_table().equals(storm.vectors_table("phash_8").to_table())
    assert not left(storm.path)
    process = start(goldpan, "embed", "storm", *words, "--name", "again", *spread)
    while not left(storm.path):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    goldpan("embed", "storm", *words, "--name", "again", *spread)
    assert calm.vectors_table("phash_8").to_table().equals(storm.vectors_table("again").to_table())
    assert not left(storm.path)


@pytest.mark.usefixtures("photos")
def test_acquire_folder(goldpan: Shell, ray_head: RayHead, spread: tuple[str, ...]) -> None:
    for ws in ("calm", "storm"):
        goldpan("init", ws)
    (goldpan.folder / "photos" / "100.jpg").write_bytes(b"no image")
    goldpan("acquire", "folder", "calm", "photos", "--copy-bytes", code=3)
    process = start(goldpan, "acquire", "folder", "storm", "photos", "--copy-bytes", *spread)
    ray_head.kill_a_worker("_call")
    finish(goldpan, process, code=3)
    calm, storm = (Workspace(goldpan.folder / ws) for ws in ("calm", "storm"))
    assert calm.images.to_table().equals(storm.images.to_table())
    assert calm.blobs.table.to_table().sort_by("sha256").equals(storm.blobs.table.to_table().sort_by("sha256"))
    assert not left(storm.path)


def listed(path: Path, server: HostileServer) -> Path:
    urls = [server.url(host, f"/{n * len(HOSTS) + at}.png") for n in range(100) for at, host in enumerate(HOSTS)]
    path.write_text("\n".join(urls) + "\n")
    return path


def settled(folder: Path) -> tuple[list[dict[str, Any]], list[tuple[str, ...]], list[str]]:
    """Return the images without the hour, the failures and the blobs of a workspace, sorted."""
    ws = Workspace(folder)
    images = [row | {"extra": json.loads(row["extra"])} for row in ws.images.to_table().to_pylist()]
    for row in images:
        del row["extra"]["fetched_at"]
    failures = [(row["id"], row["reason"], row["detail"]) for row in ws.failures.to_table().to_pylist()]
    blobs = ws.blobs.table.to_table(columns=["sha256"])["sha256"].to_pylist()
    return sorted(images, key=lambda row: row["id"]), sorted(failures), sorted(blobs)


def test_acquire_urls(goldpan: Shell, ray_head: RayHead, spread: tuple[str, ...]) -> None:
    for ws in ("calm", "storm"):
        goldpan("init", ws)
    with serve(**dict.fromkeys(HOSTS, numbered(0.1))) as server:
        words = (listed(goldpan.folder / "list.txt", server), "--allow-private", "--ports", server.port)
        goldpan("acquire", "urls", "calm", *words, code=3)
        process = start(goldpan, "acquire", "urls", "storm", *words, *spread)
        ray_head.kill_a_worker("_Worker.turn")
        finish(goldpan, process, code=3)
        assert settled(goldpan.folder / "storm") == settled(goldpan.folder / "calm")
        assert not left(goldpan.folder / "storm")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_acquire_urls_itself_is_ended(goldpan: Shell, spread: tuple[str, ...], how: signal.Signals) -> None:
    for ws in ("calm", "storm"):
        goldpan("init", ws)
    with serve(**dict.fromkeys(HOSTS, numbered(0.1))) as server:
        words = (listed(goldpan.folder / "list.txt", server), "--allow-private", "--ports", server.port)
        process = start(goldpan, "acquire", "urls", "storm", *words, *spread)
        while not (known := Workspace(goldpan.folder / "storm").images.count()):
            time.sleep(0.05)
        process.send_signal(how)
        began = time.monotonic()
        finish(goldpan, process, 130 if how == signal.SIGINT else -how)
        assert time.monotonic() - began < 15
        assert known < 960
        report = goldpan.json("acquire", "urls", "storm", *words, *spread, code=3)
        assert report["already_done"] >= known
        goldpan("acquire", "urls", "calm", *words, code=3)
        assert settled(goldpan.folder / "storm") == settled(goldpan.folder / "calm")


def test_truth(goldpan: Shell, ray_head: RayHead, spread: tuple[str, ...]) -> None:
    rng = np.random.default_rng(7)
    np.save(goldpan.folder / "base.npy", rng.standard_normal((300_000, 16), np.float32))
    np.save(goldpan.folder / "queries.npy", rng.standard_normal((3000, 16), np.float32))
    words = ("truth", "base.npy", "queries.npy", "--metric", "l2", "-k", 10)
    goldpan(*words, "-o", "calm.ibin")
    process = start(goldpan, *words, "-o", "storm.ibin", *spread)
    ray_head.kill_a_worker("_call")
    finish(goldpan, process)
    assert (goldpan.folder / "calm.ibin").read_bytes() == (goldpan.folder / "storm.ibin").read_bytes()
