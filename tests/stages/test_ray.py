"""Stages on a real Ray cluster of two workers: the tables are those of one machine, row for row."""

import asyncio
import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import goldpan
from goldpan.compute.ray import RayExecutor
from goldpan.core.errors import InputError
from goldpan.stages.acquire.config import FolderConfig
from goldpan.stages.acquire.intake import Inspector
from goldpan.store.workspace import Workspace
from tests.fetch.serving import serve
from tests.hostile import Ask, HostileServer
from tests.hostile_cases import png

pytest.importorskip("ray", reason="ray is not installed; type: pip install 'goldpan[ray]'")
pytestmark = pytest.mark.slow
HOSTS = [f"host{number}" for number in range(6)]
EXECUTORS = ("local", "ray")


class Web:
    """Answers `/7.png` with one of eleven images, each fifth time with none; counts what goes on at once."""

    def __init__(self) -> None:
        self.active: Counter[str] = Counter()
        self.most = 0

    async def __call__(self, ask: Ask) -> None:
        self.active[ask.host] += 1
        self.most = max(self.most, self.active[ask.host])
        await asyncio.sleep(0.02)
        self.active[ask.host] -= 1
        number = int(ask.path.strip("/").removesuffix(".png"))
        if number % 5 == 4:
            await ask.reply(status="404 Not Found")
        else:
            await ask.reply(png(f"#{number % 11 * 997:06x}"))


@pytest.fixture
def web() -> Iterator[tuple[Web, HostileServer]]:
    answer = Web()
    with serve(**dict.fromkeys(HOSTS, answer)) as server:
        yield answer, server


@pytest.fixture
def pair(tmp_path: Path, ray_cluster: None) -> dict[str, Workspace]:
    return {name: Workspace(tmp_path / name, create=True) for name in EXECUTORS}


def listed(path: Path, server: HostileServer) -> Path:
    """Write a list with repeats, bad rows, and ids for some."""
    rows = [{"url": server.url(host, f"/{n}.png"), "caption": f"{n} of {host}"} for n in range(40) for host in HOSTS]
    rows += [{"url": rows[5]["url"], "caption": "again"}, {"url": "ftp://x/1.png"}, {"url": ""}, {"caption": "none"}]
    rows += [{"url": rows[0]["url"], "sha256": "0" * 64, "caption": "promised"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows_of(ws: Workspace) -> dict[str, dict[str, Any]]:
    rows = {row["id"]: row | {"extra": json.loads(row["extra"] or "{}")} for row in ws.images.to_table().to_pylist()}
    assert len(rows) == ws.images.count()
    for row in rows.values():
        row["extra"].pop("fetched_at", None)
    return rows


def failures_of(ws: Workspace) -> dict[str, tuple[Any, ...]]:
    rows = ws.failures.to_table().to_pylist()
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: tuple(row[name] for name in ("scope", "reason", "detail", "attempts")) for row in rows}


def blobs_of(ws: Workspace) -> dict[str, bytes]:
    rows = ws.blobs.table.to_table()
    found = dict(zip(rows["sha256"].to_pylist(), rows["bytes"].to_pylist(), strict=True))
    assert len(found) == len(rows)
    return found


def same(pair: dict[str, Workspace]) -> None:
    local, ray = pair.values()
    assert rows_of(local) == rows_of(ray)
    assert failures_of(local) == failures_of(ray)
    assert blobs_of(local) == blobs_of(ray)
    assert not [path for path in (ray.path / ".staged").rglob("*") if path.is_file()]


def test_urls(pair: dict[str, Workspace], web: tuple[Web, HostileServer], tmp_path: Path) -> None:
    answer, server = web
    path = listed(tmp_path / "list.jsonl", server)
    reach = {"lists": [path], "allow_private": True, "ports": [server.port], "retries": 0, "robots": "obey"}
    for name, ws in pair.items():
        server.asked.clear()
        report = goldpan.acquire_urls(ws, **reach, executor=name, workers=2)
        assert (report.rows_in, report.rows_out + report.failed) == (245, 245)
        assert sorted(ask.path for ask in server.asked).count("/robots.txt") == len(HOSTS)
    assert answer.most == 2
    same(pair)
    assert len(blobs_of(pair["ray"])) == 11
    server.asked.clear()
    again = goldpan.acquire_urls(pair["ray"], **reach, executor="ray")
    assert again.already_done == report.rows_out
    assert not server.asked
    retried = goldpan.acquire_urls(pair["ray"], **reach, executor="ray", retry=["not_found"])
    assert retried.failures == report.failures
    assert {ask.path for ask in server.asked} == {"/robots.txt", *(f"/{n}.png" for n in range(4, 40, 5))}
    assert {row[3] for row in failures_of(pair["ray"]).values() if row[1] == "not_found"} == {2}


def test_urls_to_shards(tmp_path: Path, pair: dict[str, Workspace], web: tuple[Web, HostileServer]) -> None:
    _, server = web
    path = listed(tmp_path / "list.jsonl", server)
    reach = {"lists": [path], "allow_private": True, "ports": [server.port], "retries": 0}
    tars = {}
    for name, ws in pair.items():
        shards = {"output": tmp_path / f"{name}-out", "output_format": "webdataset", "per_shard": 100}
        goldpan.acquire_urls(ws, **reach, **shards, image_size=16, executor=name, workers=2)
        for tar in sorted((tmp_path / f"{name}-out").glob("*.tar")):
            with tarfile.open(tar) as file:
                members = {info.name: file.extractfile(info).read() for info in file}
            tars[name, tar.name] = {key: data for key, data in members.items() if not key.endswith(".json")}
    assert len(tars) == 6
    for number in range(3):
        assert tars["local", f"{number:05}.tar"] == tars["ray", f"{number:05}.tar"]
    assert failures_of(pair["local"]) == failures_of(pair["ray"])


@pytest.mark.parametrize("copied", [False, True])
def test_folders_and_shards(pair: dict[str, Workspace], photos: Path, tmp_path: Path, copied: bool) -> None:
    (photos / "cat" / "bad.png").write_bytes(b"no image")
    (photos / "dog" / "same.png").write_bytes((photos / "cat" / "0.png").read_bytes())
    with tarfile.open(tmp_path / "s.tar.gz", "w:gz") as tar:
        tar.add(photos, arcname="in")
    for name, ws in pair.items():
        goldpan.acquire_folder(ws, folder=photos, copy_bytes=copied, executor=name)
        report = goldpan.acquire_webdataset(ws, shards=[tmp_path / "s.tar.gz"], executor=name, id_prefix="w/")
        assert (report.rows_in, report.rows_out) == (14, 13)
    same(pair)
    local, ray = (ws.images.to_table() for ws in pair.values())
    assert local.equals(ray)  # in the same order


def test_embed(pair: dict[str, Workspace], photos: Path) -> None:
    for name, ws in pair.items():
        goldpan.acquire_folder(ws, folder=photos)
        (photos / "cat" / "1.png").rename(photos / "cat" / "away")
        report = goldpan.embed(ws, encoder="pixels:4", batch_size=2, executor=name)
        assert (report.rows_out, report.failures) == (11, {"missing_file": 1})
        (photos / "cat" / "away").rename(photos / "cat" / "1.png")
        report = goldpan.embed(ws, encoder="pixels:4", batch_size=2, executor=name, retry_failures=True)
        assert (report.rows_out, report.already_done, report.failures) == (12, 11, {})
    local, ray = (ws.vectors_table("pixels_4").to_table() for ws in pair.values())
    assert local.equals(ray)
    assert local.schema.equals(ray.schema, check_metadata=True)
    assert failures_of(pair["ray"]) == {}


def test_a_workspace_that_the_workers_do_not_see(ray_cluster: None, tmp_path: Path) -> None:
    ws = Workspace(tmp_path / "here", create=True)
    work = Inspector(ws, FolderConfig(folder=tmp_path), "folder:x", None)
    (tmp_path / "here" / "goldpan.json").unlink()
    with pytest.raises(InputError, match=r"does not see what this machine sees: .*here is not a goldpan workspace"):
        list(RayExecutor().map(work, [[]]))
