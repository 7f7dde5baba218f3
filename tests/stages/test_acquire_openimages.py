"""Photos of Open Images that are missing come from the bucket's layout, wherever that is, and are then cut."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import goldpan
from goldpan.core.errors import InputError
from goldpan.core.records import Report
from goldpan.store.workspace import Workspace
from tests.stages.bulk.helpers import wait_for
from tests.stages.bulk.shelf import Shelf
from tests.stages.test_acquire_others import HEADER

IDS = [f"00000000000000{n:02x}" for n in range(12)]


def jpeg(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (60, 80, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture
def mirror() -> Shelf:
    return Shelf({f"/train/{image_id}.jpg": jpeg(n) for n, image_id in enumerate(IDS)})


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    """Write two boxes an image: one that is cut, and one that is too small."""
    path = tmp_path / "oidv6-train-annotations-bbox.csv"
    lines = (
        f"{image_id},freeform,/m/07j7r,1,{a},{b},0.2,0.9,0,0,0,0,0"
        for image_id in IDS
        for a, b in ((0.1, 0.9), (0, 0.1))
    )
    path.write_text("\n".join([HEADER, *lines]))
    return path


Get = Callable[..., Report]


@pytest.fixture
def get(ws: Workspace, boxes: Path) -> Get:
    def acquire(url: str, **fields: object) -> Report:
        usual = {"boxes": boxes, "allow_private": True, "retries": 0, "robots": "ignore"}
        return goldpan.acquire_openimages(ws, fetch_from=url, **usual | fields)

    return acquire


def test_missing_photos_come_and_are_cut(ws: Workspace, tmp_path: Path, mirror: Shelf, boxes: Path, get: Get) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / f"{IDS[0]}.jpg").write_bytes(mirror.files[f"/train/{IDS[0]}.jpg"])
    with mirror.open() as server:
        url = server.url("shelf", "/{split}/{id}.jpg")
        report = get(url, images=tmp_path / "photos")
        assert (report.rows_in, report.rows_out, report.failures) == (24, 12, {"box_too_small": 12})
        assert (report.details["images_fetched"], report.details["images_not_fetched"]) == (11, 0)
        assert f"/train/{IDS[0]}.jpg" not in server.paths("shelf")
        server.asked.clear()
        again = get(url, images=tmp_path / "photos")
        assert (again.already_done, again.details["images_fetched"], server.asked) == (12, 0, [])
    assert (tmp_path / "photos/train" / f"{IDS[3]}.jpg").read_bytes() == mirror.files[f"/train/{IDS[3]}.jpg"]
    fetched = {row["id"]: (row["sha256"], row["box"]) for row in ws.images.to_table().to_pylist()}
    local = Workspace(tmp_path / "other", create=True)
    goldpan.acquire_openimages(local, boxes=boxes, images=tmp_path / "photos")
    assert {row["id"]: (row["sha256"], row["box"]) for row in local.images.to_table().to_pylist()} == fetched


def test_a_photo_whose_boxes_stand_apart_is_asked_for_once(ws: Workspace, mirror: Shelf, boxes: Path, get: Get) -> None:
    lines = boxes.read_text().splitlines()
    boxes.write_text("\n".join([lines[0], *lines[1::2], *lines[2::2]]))
    with mirror.open() as server:
        get(server.url("shelf", "/{split}/{id}.jpg"), min_side=1)
        assert sorted(server.paths("shelf")) == sorted(mirror.files)
    assert ws.images.count() == 24


def test_only_photos_of_the_list_and_of_usable_boxes(ws: Workspace, tmp_path: Path, mirror: Shelf, get: Get) -> None:
    (tmp_path / "list.txt").write_text("".join(f"train/{image_id}\n" for image_id in IDS[2:5]))
    text = (
        (tmp_path / "oidv6-train-annotations-bbox.csv")
        .read_text()
        .replace(f"{IDS[4]},freeform,/m/07j7r,1,", f"{IDS[4]},x,/m/07j7r,0.5,")
    )
    (tmp_path / "boxes.csv").write_text(text)
    with mirror.open() as server:
        url = server.url("shelf", "/{split}/{id}.jpg")
        report = get(url, boxes=tmp_path / "boxes.csv", image_list=tmp_path / "list.txt")
        assert sorted(server.paths("shelf")) == [f"/train/{image_id}.jpg" for image_id in IDS[2:4]]
    assert report.failures == {"box_too_small": 2, "filtered": 2}
    assert (ws.path / "openimages/train" / f"{IDS[2]}.jpg").is_file()


def test_what_does_not_come_is_a_row_with_its_reason(ws: Workspace, tmp_path: Path, mirror: Shelf, get: Get) -> None:
    kept = mirror.files.pop(f"/train/{IDS[1]}.jpg")
    mirror.files[f"/train/{IDS[2]}.jpg"] = b"<html>no</html>"
    with mirror.open() as server:
        url = server.url("shelf", "/train/{id}.jpg")
        report = get(url)
        assert report.failures == {"box_too_small": 10, "not_found": 2, "not_an_image": 2}
        assert not (ws.path / "openimages/train" / f"{IDS[2]}.jpg").exists()
        details = {row["id"]: row["detail"] for row in ws.failures.to_table("reason = 'not_found'").to_pylist()}
        assert f"/train/{IDS[1]}.jpg" in details[f"{IDS[1]}_0"]
        server.asked.clear()
        assert get(url).failures == report.failures
        assert server.asked == []
        mirror.files[f"/train/{IDS[1]}.jpg"] = kept
        assert get(url, retry=["not_found"]).failures == {"box_too_small": 11, "not_an_image": 2}
        assert server.paths("shelf") == [f"/train/{IDS[1]}.jpg"]


def test_photos_that_were_not_there_come_now(
    ws: Workspace, tmp_path: Path, mirror: Shelf, boxes: Path, get: Get
) -> None:
    (tmp_path / "photos").mkdir()
    report = goldpan.acquire_openimages(ws, boxes=boxes, images=tmp_path / "photos")
    assert report.failures == {"image_not_found": 24}
    with mirror.open() as server:
        report = get(server.url("shelf", "/train/{id}.jpg"), images=tmp_path / "photos")
    assert (report.rows_out, report.failures) == (12, {"box_too_small": 12})


def test_from_a_folder_or_a_bucket(ws: Workspace, tmp_path: Path, mirror: Shelf, get: Get) -> None:
    del mirror.files[f"/train/{IDS[5]}.jpg"]
    for path, data in mirror.files.items():
        (tmp_path / "mirror" / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mirror" / path[1:]).write_bytes(data)
    report = get(f"file://{tmp_path}/mirror/{{split}}/{{id}}.jpg")
    assert (report.rows_out, report.failures) == (11, {"box_too_small": 11, "not_found": 2})


def test_from_a_bucket(ws: Workspace, mirror: Shelf, get: Get, bucket: str) -> None:
    import s3fs

    files = s3fs.S3FileSystem(skip_instance_cache=True)
    del mirror.files[f"/train/{IDS[5]}.jpg"]
    for path, data in mirror.files.items():
        files.pipe(bucket + path, data)
    report = get(f"{bucket}/{{split}}/{{id}}.jpg")
    assert (report.rows_out, report.failures) == (11, {"box_too_small": 11, "not_found": 2})


def test_ids_and_splits_stay_in_their_folder(ws: Workspace, tmp_path: Path, mirror: Shelf, get: Get) -> None:
    lines = (f"{image_id},freeform,/m/07j7r,1,0,1,0,1,0,0,0,0,0" for image_id in ("../out", IDS[0]))
    (tmp_path / "b.csv").write_text("\n".join([HEADER, *lines]))
    (tmp_path / "list.txt").write_text(f"../{IDS[0]}\n../../out\n")
    with mirror.open() as server:
        report = get(server.url("shelf", "/train/{id}.jpg"), boxes=tmp_path / "b.csv", image_list=tmp_path / "list.txt")
        assert server.paths("shelf") == [f"/train/{IDS[0]}.jpg"]
    assert (report.rows_out, (ws.path / f"openimages/{IDS[0]}.jpg").is_file()) == (1, True)
    assert not list(tmp_path.rglob("out.jpg"))


def test_what_cannot_be_asked(ws: Workspace, tmp_path: Path, boxes: Path, get: Get) -> None:
    with pytest.raises(InputError, match=r"with --images FOLDER, or where to --fetch-from"):
        goldpan.acquire_openimages(ws, boxes=boxes)
    with pytest.raises(InputError, match=r"Unknown name in --fetch-from 'ids'. Did you mean 'id'"):
        get("https://h.example/{ids}.jpg")
    with pytest.raises(InputError, match=r"is no URL with \{id\}"):
        get("https://h.example/a.jpg")
    (tmp_path / "b.csv").write_text(boxes.read_text())
    with pytest.raises(InputError, match=r"Nothing tells the split of 0000000000000000.*add --split train"):
        get("https://h.example/{split}/{id}.jpg", boxes=tmp_path / "b.csv")
    assert ws.failures.count() == 0


def test_it_is_a_command(ws: Workspace, mirror: Shelf, boxes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from goldpan.cli.main import run

    with mirror.open() as server:
        url = server.url("shelf", "/{split}/{id}.jpg")
        words = ["acquire", "openimages", f"{ws.path}", "--boxes", f"{boxes}", "--fetch-from", url, "--allow-private"]
        assert run([*words, "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["images_fetched"] == 12


def test_a_kill_loses_no_photo(ws: Workspace, tmp_path: Path, mirror: Shelf, boxes: Path) -> None:
    mirror.pause = 0.1
    folder = tmp_path / "photos"
    with mirror.open() as server:
        url = server.url("shelf", "/train/{id}.jpg")
        words = [f"{ws.path}", "--boxes", f"{boxes}", "--images", f"{folder}", "--fetch-from", url, "--allow-private"]
        command = [sys.executable, "-m", "goldpan", "acquire", "openimages", *words, "--per-host=2", "--quiet"]
        for count in (2, 6):
            run = subprocess.Popen(command)
            wait_for(lambda least=count: len(list(folder.rglob("*.jpg"))) >= least)
            run.kill()
            run.wait()
        there = {path.name for path in folder.rglob("*.jpg")}
        server.asked.clear()
        assert subprocess.run(command).returncode == 0
        assert {Path(path).name for path in server.paths("shelf") if path != "/robots.txt"} == {
            f"{image_id}.jpg" for image_id in IDS
        } - there
    assert ws.images.count() == 12
    assert {path.name: path.read_bytes() for path in folder.rglob("*.jpg")} == {
        Path(path).name: data for path, data in mirror.files.items()
    }
