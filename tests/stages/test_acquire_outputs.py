"""acquire urls --output: shards that the workspace's rows point into, finished once, gone on with, taken over."""

import hashlib
import io
import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import goldpan
from goldpan.core.errors import InputError
from goldpan.core.progress import Facts, Silent
from goldpan.core.records import Report
from goldpan.formats.img2dataset.bodies import Kind
from goldpan.formats.img2dataset.layout import Layout, read_stats
from goldpan.formats.img2dataset.tables import read_rows
from goldpan.store.workspace import Workspace
from tests.fetch.serving import serve
from tests.hostile import Ask, HostileServer

KINDS: tuple[Kind, ...] = get_args(Kind)
TWO_KINDS = [pytest.param(kind, marks=[] if kind in ("webdataset", "files") else pytest.mark.slow) for kind in KINDS]
"""One file of many images, and a file each; the others in CI."""
PER_SHARD = 5


def photo(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (40, 60, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


async def answer(ask: Ask) -> None:
    """Serve `/7.jpg`; what ends in 3 is not there, what ends in 8 is no image, `/busy` is not yet."""
    name = ask.path.strip("/").removesuffix(".jpg")
    if name.endswith("3"):
        await ask.reply(status="404 Not Found")
    elif name.endswith("8"):
        await ask.reply(b"<html>", content_type="text/html")
    elif name == "busy" and ask.nth == 1:
        await ask.reply(status="503 Service Unavailable")
    else:
        await ask.reply(photo(int(name) if name.isdigit() else 99), content_type="image/jpeg")


@pytest.fixture(scope="module")
def server() -> Iterator[HostileServer]:
    with serve(web=answer) as running:
        yield running


@pytest.fixture(autouse=True)
def _forgets(server: HostileServer) -> None:
    server.asked.clear()
    server._counts.clear()


def listing(path: Path, server: HostileServer, names: list[str]) -> Path:
    rows = [
        {"kind": f"k{i % 2}", "score": i / 4, "TEXT": f"caption {name}", "URL": server.url("web", f"/{name}.jpg")}
        for i, name in enumerate(names)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.fixture
def numbers(tmp_path: Path, server: HostileServer) -> Path:
    """Twelve URLs: shards of 5, 5 and 2; 3 of them fail."""
    return listing(tmp_path / "list.parquet", server, [str(number) for number in range(12)])


def acquire(ws: Workspace, server: HostileServer, listed: Path, kind: Kind, **settings: Any) -> Report:
    usual = {"allow_private": True, "ports": [server.port], "retries": 0, "workers": 1, "robots": "ignore"}
    usual |= {"output": ws.path.parent / "out", "output_format": kind, "per_shard": PER_SHARD, "label_column": "kind"}
    report = goldpan.acquire_urls(ws, lists=[listed], **usual | settings)
    assert report.rows_in == report.rows_out + report.failed
    return report


def table(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of all shards; what their statistics say must be the same."""
    layout = Layout(folder, PER_SHARD)
    shards = [read_rows(layout.table(shard)) for shard in layout.finished()]
    for shard, rows in zip(layout.finished(), shards, strict=True):
        stats, statuses = read_stats(layout.stats(shard)), Counter(row["status"] for row in rows)
        assert stats["count"] == len(rows) == sum(stats["status_dict"].values())
        assert stats["successes"] == statuses["success"]
        assert stats["failed_to_resize"] == statuses["failed_to_resize"]
    assert {path.name for path in folder.glob(".*")} == {".lock", ".shards.toml"}
    return [row for rows in shards for row in rows]


def check_images(ws: Workspace) -> int:
    """Every row's bytes are where it points, and are what it says; return how many rows there are."""
    rows = ws.images.to_table().to_pylist()
    for row in rows:
        found = ws.blobs.read(row["uri"])
        data = found.read_bytes() if isinstance(found, Path) else found
        assert hashlib.sha256(data).hexdigest() == row["sha256"]
        with Image.open(io.BytesIO(data)) as image:
            assert image.size == (row["width"], row["height"])
    return len(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_in_shards_and_nowhere_else(ws: Workspace, server: HostileServer, numbers: Path, kind: Kind) -> None:
    report = acquire(ws, server, numbers, kind, image_size=32, resize_mode="keep_ratio")
    assert report.failures == {"not_found": 1, "not_an_image": 1}
    assert report.outputs == {"images": "10 rows", str(ws.path.parent / "out"): f"3 shards, {kind}"}
    assert check_images(ws) == 10
    assert not ws.blobs.table.exists
    rows = table(ws.path.parent / "out")
    assert [row["key"] for row in rows] == ["000000", "000001", "000002", "000003", "000004", "000010", "000011",
                                            "000012", "000013", "000014", "000020", "000021"]  # fmt: skip
    first = rows[0] | {"file": None}
    original = hashlib.sha256(photo(0)).hexdigest()
    outcome = {"key": "000000", "status": "success", "error_message": None, "exif": None, "file": None}
    sizes = {"width": 48, "height": 32, "original_width": 60, "original_height": 40}
    listed = {"kind": "k0", "score": 0.0, "caption": "caption 0", "url": server.url("web", "/0.jpg")}
    assert first == listed | outcome | sizes | {"sha256": original}
    assert [row["status"] for row in rows if row["status"] != "success"] == ["failed_to_download", "failed_to_resize"]
    assert rows[3]["error_message"].startswith("not_found: http://")
    assert goldpan.embed(ws, encoder="phash:8").rows_out == 10


def test_again_fetches_nothing(ws: Workspace, server: HostileServer, numbers: Path) -> None:
    acquire(ws, server, numbers, "webdataset")
    before = {path: path.stat().st_mtime_ns for path in (ws.path.parent / "out").iterdir()}
    server.asked.clear()
    report = acquire(ws, server, numbers, "webdataset")
    assert (report.already_done, report.failed, server.asked) == (10, 2, [])
    lock = {ws.path.parent / "out/.lock": 0}
    assert {path: path.stat().st_mtime_ns for path in before} | lock == before | lock


@pytest.mark.parametrize("kind", TWO_KINDS)
def test_what_failed_is_tried_again_in_its_shard(
    ws: Workspace, server: HostileServer, tmp_path: Path, kind: Kind
) -> None:
    listed = listing(tmp_path / "list.parquet", server, ["0", "1", "busy", "3", "4", "5"])
    assert acquire(ws, server, listed, kind).failures == {"server_error": 1, "not_found": 1}
    server.asked.clear()
    assert acquire(ws, server, listed, kind, retry=["transient"]).failures == {"not_found": 1}
    assert [ask.path for ask in server.asked] == ["/busy.jpg"]
    assert check_images(ws) == 5
    assert [row["status"] for row in table(tmp_path / "out")][2:4] == ["success", "failed_to_download"]
    assert acquire(ws, server, listed, kind, retry=["all"]).failures == {"not_found": 1}
    assert check_images(ws) == 5
    assert len(table(tmp_path / "out")) == 6


@pytest.mark.parametrize("kind", TWO_KINDS)
def test_finished_shards_are_taken_over(ws: Workspace, server: HostileServer, numbers: Path, kind: Kind) -> None:
    acquire(ws, server, numbers, kind, image_size=32)
    server.asked.clear()
    other = Workspace(ws.path.parent / "other", create=True)
    report = acquire(other, server, numbers, kind, image_size=32)
    assert report.failures == {"not_found": 1, "not_an_image": 1}
    assert server.asked == []
    assert check_images(other) == 10
    mine, theirs = ({row["id"]: row for row in each.images.to_table().to_pylist()} for each in (ws, other))
    assert mine.keys() == theirs.keys()
    for key, row in mine.items():
        extra, other_extra = json.loads(row.pop("extra")), json.loads(theirs[key].pop("extra"))
        assert row == theirs[key]
        assert {name: extra[name] for name in other_extra} == other_extra


def test_rows_that_are_passed_by_are_told_of_on_the_way(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    listed = listing(tmp_path / "list.parquet", server, ["1"] * 600)
    acquire(ws, server, listed, "webdataset", per_shard=100)

    class Counts(Silent):
        told: ClassVar[list[int]] = []

        def advance(self, done: int = 1, failed: int = 0) -> None:
            self.told.append(done)

    server.asked.clear()
    other = Workspace(ws.path.parent / "other", create=True)
    assert acquire(other, server, listed, "webdataset", per_shard=100, progress=Counts()).rows_out == 600
    assert acquire(other, server, listed, "webdataset", per_shard=100, progress=Counts()).already_done == 600
    assert sum(Counts.told) == 1200
    assert len(Counts.told) >= 4
    assert server.asked == []
    assert other.images.count() == 600


@pytest.mark.parametrize("kind", TWO_KINDS)
def test_a_list_that_grew_fills_its_last_shard(
    ws: Workspace, server: HostileServer, tmp_path: Path, kind: Kind
) -> None:
    listed = listing(tmp_path / "list.parquet", server, [str(number) for number in range(7)])
    acquire(ws, server, listed, kind)
    server.asked.clear()
    listing(listed, server, [str(number) for number in range(12)])
    acquire(ws, server, listed, kind)
    assert len(server.asked) == 5
    assert check_images(ws) == 10
    assert len(table(tmp_path / "out")) == 12


class Stops(Silent):
    """Interrupts when eight rows are done with."""

    done = 0

    def advance(self, done: int = 1, failed: int = 0) -> None:
        self.done += done
        if self.done >= 8:
            raise KeyboardInterrupt


@pytest.mark.parametrize("kind", TWO_KINDS)
def test_a_shard_that_was_broken_off_is_taken_over(
    ws: Workspace, server: HostileServer, numbers: Path, kind: Kind
) -> None:
    """By another workspace, with the list in another place."""
    with pytest.raises(KeyboardInterrupt):
        acquire(ws, server, numbers, kind, progress=Stops(), per_host=1)
    asked = {ask.path for ask in server.asked}
    server.asked.clear()
    other = Workspace(ws.path.parent / "other", create=True)
    moved = numbers.rename(numbers.with_name("moved.parquet"))
    acquire(other, server, moved, kind)
    assert len(asked & {ask.path for ask in server.asked}) <= 4, "at most what was on its way"
    assert check_images(other) == 10
    assert set(other.images.to_table()["source"].to_pylist()) == {f"urls:{moved}"}


@pytest.mark.parametrize("kind", TWO_KINDS)
def test_a_shard_that_was_broken_off_is_gone_on_with(
    ws: Workspace, server: HostileServer, numbers: Path, kind: Kind
) -> None:
    """Stopped in the middle: what came is not asked for again, also where the workspace was not told of it."""

    with pytest.raises(KeyboardInterrupt):
        acquire(ws, server, numbers, kind, progress=Stops(), per_host=1)
    asked = {ask.path for ask in server.asked}
    server.asked.clear()
    acquire(ws, server, numbers, kind)
    again = {ask.path for ask in server.asked}
    assert len(asked & again) <= 4, "at most what was on its way"
    assert check_images(ws) == 10
    assert len(table(ws.path.parent / "out")) == 12


def test_rows_that_are_never_fetched_are_in_the_table_too(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    url = server.url("web", "/1.jpg")
    (tmp_path / "list.csv").write_text(f"id,url\na,{url}\nb,\nc,{url}\nd,file:///etc/passwd\ne,{url}\nf,{url},more\n")
    report = acquire(ws, server, tmp_path / "list.csv", "files", label_column=None)
    assert report.failures == {"bad_row": 2, "scheme_not_allowed": 1}
    rows = table(tmp_path / "out")
    assert [row["status"] for row in rows].count("success") == 3
    assert [(row["error_message"] or "").partition(":")[0] for row in rows] == [
        *("", "bad_row", "", "scheme_not_allowed", "", "bad_row")
    ]
    assert len(server.asked) == 3, "every row has an image of its own"
    assert check_images(ws) == 3


def test_a_file_of_a_list_begins_a_new_shard(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    for name, many in (("a", 7), ("b", 2)):
        listing(tmp_path / f"lists/{name}.parquet", server, [f"{name}{number}" for number in range(many)])
    acquire(ws, server, tmp_path / "lists", "webdataset")
    layout = Layout(tmp_path / "out", PER_SHARD)
    assert [read_stats(layout.stats(shard))["count"] for shard in layout.finished()] == [5, 2, 2]


def test_names_of_files_come_from_nowhere_but_the_key(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    rows = [{"url": server.url("web", f"/{i}.jpg?../../x"), "label": label} for i, label in enumerate(["../up", "a/b"])]
    (tmp_path / "list.json").write_text(json.dumps(rows))
    acquire(ws, server, tmp_path / "list.json", "imagefolder", label_column=None)
    files = [path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.jpg")]
    assert sorted(path.name for path in files) == ["000000.jpg", "000001.jpg"]
    assert all(len(path.parts) == 2 for path in files)
    assert check_images(ws) == 2


def test_a_folder_is_gone_on_with_as_it_was_begun(ws: Workspace, server: HostileServer, numbers: Path) -> None:
    acquire(ws, server, numbers, "webdataset")
    with pytest.raises(InputError, match='begun as kind = "webdataset", per_shard = 5'):
        acquire(ws, server, numbers, "webdataset", per_shard=6)
    with pytest.raises(InputError, match='not kind = "files"'):
        acquire(ws, server, numbers, "files")
    with pytest.raises(InputError, match="has images of this list elsewhere"):
        acquire(ws, server, numbers, "webdataset", output=ws.path.parent / "other")
    other = Workspace(ws.path.parent / "other_ws", create=True)
    listing(numbers, server, ["1", "0"])
    with pytest.raises(InputError, match="was made from another list"):
        acquire(other, server, numbers, "webdataset")
    with pytest.raises(InputError, match="go together"):
        acquire(ws, server, numbers, "webdataset", output=None)
    with pytest.raises(InputError, match="is in a bucket"):
        acquire(ws, server, numbers, "webdataset", output="s3://bucket/out")


def test_shards_that_went_away_are_noticed(ws: Workspace, server: HostileServer, numbers: Path) -> None:
    acquire(ws, server, numbers, "webdataset")
    shutil.rmtree(ws.path.parent / "out")
    with pytest.raises(InputError, match=r"but .*00000\.parquet has none"):
        acquire(ws, server, numbers, "webdataset")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["00001.parquet", "00001_stats.json", "00001.tar", "00001"])
def test_a_file_of_a_finished_shard_that_is_not_there(
    ws: Workspace, server: HostileServer, numbers: Path, kind: Kind, name: str
) -> None:
    acquire(ws, server, numbers, kind)
    path, away = ws.path.parent / "out" / name, ws.path.parent / "away"
    if not path.exists():
        assert (kind, name) not in {("webdataset", "00001.tar"), ("files", "00001")}
        return
    path.rename(away)
    server.asked.clear()
    with pytest.raises(InputError, match=rf"^{name} of a finished shard is not in .*out; bring it back"):
        acquire(ws, server, numbers, kind)
    assert server.asked == []
    away.rename(path)
    assert acquire(ws, server, numbers, kind).already_done == 10


def test_what_a_watcher_is_told(ws: Workspace, server: HostileServer, numbers: Path) -> None:
    class Watches(Silent):
        def __init__(self) -> None:
            self.total: int | None = None
            self.counts: Counter[str] = Counter()
            self.seen: list[Facts] = []

        def start(self, label: str, total: int | None = None) -> None:
            self.total = total

        def watch(self, facts: Any) -> None:
            self.facts = facts

        def advance(self, done: int = 1, failed: int = 0) -> None:
            self.counts.update(done=done, failed=failed)
            self.seen.append(self.facts())

    told = Watches()
    acquire(ws, server, numbers, "webdataset", progress=told)
    assert told.total == 12
    assert told.counts == {"done": 12, "failed": 2}
    last = told.seen[-1]
    assert last.failures == {"not_found": 1, "not_an_image": 1}
    assert last.arrived_bytes > 10 * len(photo(1)) // 2
    assert [(host.name, host.done, host.failed) for host in last.hosts] == [(server.home("web"), 11, 1)]


def logged(path: Path) -> Iterator[bytes]:
    """Yield the records of a file that wandb keeps where it is offline: a log of LevelDB after seven bytes."""
    data, at, record = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        record += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b""


def test_weights_and_biases(
    ws: Workspace, server: HostileServer, numbers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed; type: pip install 'goldpan[wandb]'")
    from wandb.proto.wandb_internal_pb2 import Record

    for name, value in {"MODE": "offline", "DIR": str(ws.path.parent), "SILENT": "true"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    acquire(ws, server, numbers, "webdataset", wandb="photos")
    (written,) = ws.path.parent.glob("wandb/offline-run-*/*.wandb")
    told: dict[str, Any] = {}
    end = time.monotonic() + 30
    while "status/nrows" not in told and time.monotonic() < end:  # a process of wandb's own writes it when it can
        time.sleep(0.05)
        for record in map(Record.FromString, logged(written)):
            if record.WhichOneof("record_type") == "run":
                assert record.run.project == "photos"
            items = record.history.item
            told |= {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}
    assert told["total/count"] == 12
    assert told["total/success"] == pytest.approx(10 / 12)
    assert told["total/failed_to_download"] == told["total/failed_to_resize"] == pytest.approx(1 / 12)
    assert told["total/img_per_sec"] > 0
    assert {"worker/count", "worker/success", "worker/img_per_sec"} <= told.keys()
    assert (told["status/ncols"], told["status/nrows"]) == (3, 3)
