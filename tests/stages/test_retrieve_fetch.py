"""retrieve fetch: what was found is fetched, each row with its class, from a real server on loopback."""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from goldpan.core.errors import InputError
from goldpan.core.records import Report
from goldpan.formats.chunks import write_chunks
from goldpan.stages.acquire.retrieved import STAGE as fetch
from goldpan.store.workspace import Workspace
from tests.fetch.serving import serve
from tests.hostile import Ask, HostileServer


def photo(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (40, 60, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


async def answer(ask: Ask) -> None:
    """Serve `/3.jpg`; `/none` is not there."""
    name = ask.path.strip("/")
    if name == "none":
        await ask.reply(status="404 Not Found")
    else:
        await ask.reply(photo(int(name[0])), content_type="image/jpeg")


@pytest.fixture(scope="module")
def server() -> Iterator[HostileServer]:
    with serve(web=answer, other=answer) as running:
        yield running


@pytest.fixture(autouse=True)
def _forgets(server: HostileServer) -> None:
    server.asked.clear()


def asked(server: HostileServer) -> list[str]:
    return sorted(path for path in server.paths("web") if path != "/robots.txt")


def run(ws: Workspace, server: HostileServer, *found: Path, **settings: Any) -> Report:
    usual = {"allow_private": True, "ports": [server.port], "retries": 0, "workers": 1}
    report = fetch(ws, found=list(found), **usual | settings)
    assert report.rows_in == report.rows_out + report.failed
    return report


@pytest.fixture
def found(tmp_path: Path, server: HostileServer) -> Path:
    """Two classes: one image is of both, one stands there twice, one is marked NSFW, one is not there."""
    folder = tmp_path / "found"
    folder.mkdir()
    url = {name: server.url("web", f"/{name}") for name in ("1.jpg", "2.jpg", "3.jpg", "4.jpg", "none")}
    write_chunks(
        folder,
        [
            {
                "QUERY": "C/V van",
                "URL": url["1.jpg"],
                "TEXT": "a van",
                "SAMPLE_ID": 7,
                "NSFW": "UNSURE",
                "similarity": 0.3,
            },
            {
                "QUERY": "C/V van",
                "URL": url["2.jpg"],
                "TEXT": "two",
                "SAMPLE_ID": 8,
                "NSFW": "NSFW",
                "similarity": 0.29,
            },
            {"QUERY": "C/V van", "URL": url["1.jpg"], "TEXT": "a van again", "SAMPLE_ID": 9, "NSFW": "UNLIKELY"},
            {"QUERY": "ox", "URL": url["1.jpg"], "TEXT": "an ox in a van", "SAMPLE_ID": 7, "NSFW": None},
            {"QUERY": "ox", "URL": url["3.jpg"], "TEXT": "an ox", "SAMPLE_ID": 10, "WIDTH": 400},
            {"QUERY": "ox", "URL": url["none"], "TEXT": "none", "SAMPLE_ID": 11},
            {"QUERY": "ox", "URL": url["4.jpg"], "TEXT": "four", "SAMPLE_ID": 12},
        ],
        rows_a_file=3,
    )
    (folder / "summary.json").write_text("{}")
    return folder


def labels(ws: Workspace) -> Counter[str]:
    return Counter(ws.images.to_table(columns=["label"])["label"].to_pylist())


def test_a_class_of_another_day_has_what_was_fetched(
    ws: Workspace, server: HostileServer, found: Path, tmp_path: Path
) -> None:
    run(ws, server, found)
    server.asked.clear()
    (tmp_path / "more").mkdir()
    write_chunks(tmp_path / "more", [{"QUERY": "cow", "URL": server.url("web", f"/{n}.jpg")} for n in (1, 3, 5)])
    for _ in range(2):
        assert run(ws, server, tmp_path / "more").rows_out == 3
    assert asked(server) == ["/5.jpg"]
    assert labels(ws) == {"C/V van": 2, "ox": 3, "cow": 3}


def test_rows_have_their_class_and_caption(ws: Workspace, server: HostileServer, found: Path) -> None:
    report = run(ws, server, found)
    assert (report.rows_in, report.rows_out, report.failures) == (6, 5, {"not_found": 1})
    assert report.details == {"nsfw_left_out": 1, "beyond_per_class": 0, "classes": 2}
    assert report.outputs["left out"] == "1 rows marked NSFW, 0 beyond --per-class"
    assert labels(ws) == {"C/V van": 2, "ox": 3}
    assert asked(server) == ["/1.jpg", "/3.jpg", "/4.jpg", "/none"]
    url = server.url("web", "/1.jpg")
    key = hashlib.sha256(f"{url}\nox".encode()).hexdigest()[:16]
    (ox,) = ws.images.to_table(f"id = '{key}'").to_pylist()
    extra = json.loads(ox["extra"])
    assert (ox["label"], ox["caption"], ox["source"]) == ("ox", "an ox in a van", "retrieved")
    assert (extra["url"], extra["SAMPLE_ID"]) == (url, "7")
    assert ws.blobs.read(ox["uri"]) == photo(1)
    (listed,) = ws.images.to_table("caption = 'an ox'").to_pylist()
    assert json.loads(listed["extra"])["WIDTH"] == 400


def test_the_same_again_fetches_nothing(ws: Workspace, server: HostileServer, found: Path) -> None:
    first = run(ws, server, found)
    server.asked.clear()
    versions = ws.images.version, ws.failures.version
    again = run(ws, server, found)
    assert (again.already_done, again.failures) == (5, first.failures)
    assert server.asked == []
    assert versions == (ws.images.version, ws.failures.version)


def test_more_that_is_found_later_in_another_order_is_added(
    ws: Workspace, server: HostileServer, found: Path, tmp_path: Path
) -> None:
    run(ws, server, found)
    before = ws.images.to_table(columns=["id", "label", "caption"]).to_pylist()
    more = tmp_path / "more.json"
    url = server.url("web", "/1.jpg")
    more.write_text(json.dumps({"fox": [{"URL": url, "TEXT": "a fox"}], "C/V van": [{"URL": url, "TEXT": "a van"}]}))
    report = run(ws, server, more, found)
    after = ws.images.to_table(columns=["id", "label", "caption"]).to_pylist()
    assert [row for row in after if row in before] == before
    assert labels(ws) == {"C/V van": 3, "ox": 3, "fox": 1}
    assert (report.rows_in, report.already_done) == (8, 5)


def test_a_most_of_each_class_counts_after_what_is_left_out(ws: Workspace, server: HostileServer, found: Path) -> None:
    report = run(ws, server, found, per_class=2, keep_nsfw=False)
    assert labels(ws) == {"C/V van": 2, "ox": 2}
    assert report.details == {"nsfw_left_out": 1, "beyond_per_class": 2, "classes": 2}


def test_rows_marked_nsfw_come_when_asked_for(ws: Workspace, server: HostileServer, found: Path) -> None:
    report = run(ws, server, found, keep_nsfw=True)
    assert labels(ws)["C/V van"] == 3
    assert report.details["nsfw_left_out"] == 0


def test_an_imagefolder_holds_each_image_in_all_of_its_classes_once(
    ws: Workspace, server: HostileServer, found: Path, tmp_path: Path
) -> None:
    out = tmp_path / "images"
    report = run(ws, server, found, imagefolder=out)
    told = json.loads((out / "metadata.json").read_text())
    files = {path.stem: path for path in out.rglob("*.jpg")}
    assert files.keys() == told.keys()
    assert Counter(told[path.stem]["QUERY"] for path in files.values()) == {"C/V van": 1, "ox": 3}
    folders = {path.parent for path in files.values()}
    assert {path.name.split("~")[0] for path in folders} == {"C_V van", "ox"}
    assert {path.parent for path in folders} == {out}
    url = server.url("web", "/1.jpg")
    both = [key for key, about in told.items() if about["url"] == url]
    assert [files[key].read_bytes() for key in both] == [photo(1)] * 2
    van = next(about for about in told.values() if about["QUERY"] == "C/V van")
    assert van == {
        "similarity": 0.3, "QUERY": "C/V van", "caption": "a van", "url": url, "width": 60, "height": 40,
        "original_width": 60, "original_height": 40, "sha256": hashlib.sha256(photo(1)).hexdigest(),
    }  # fmt: skip
    assert (report.details["imagefolder_repeated"], report.details["imagefolder_lost"]) == (1, 0)


def test_an_imagefolder_is_completed_and_its_files_are_left_alone(
    ws: Workspace, server: HostileServer, found: Path, tmp_path: Path
) -> None:
    out = tmp_path / "images"
    run(ws, server, found, imagefolder=out)
    gone, *stay = sorted(out.rglob("*.jpg"))
    gone.unlink()
    times = [path.stat().st_mtime_ns for path in stay]
    run(ws, server, found, imagefolder=out)
    assert gone.is_file()
    assert [path.stat().st_mtime_ns for path in stay] == times


def test_resized_images_tell_their_first_size(
    ws: Workspace, server: HostileServer, found: Path, tmp_path: Path
) -> None:
    run(ws, server, found, imagefolder=tmp_path / "images", image_size=32, resize_mode="keep_ratio")
    told = json.loads((tmp_path / "images" / "metadata.json").read_text())
    assert {(each["width"], each["height"], each["original_width"]) for each in told.values()} == {(48, 32, 60)}
    for path in (tmp_path / "images").rglob("*.jpg"):
        with Image.open(path) as image:
            assert image.size == (48, 32)


def test_shards_are_written_with_the_columns_of_the_rows(
    ws: Workspace, server: HostileServer, found: Path, tmp_path: Path
) -> None:
    run(ws, server, found, output=tmp_path / "shards", output_format="webdataset")
    rows = pq.read_table(tmp_path / "shards" / "00000.parquet").to_pylist()
    assert Counter(row["QUERY"] for row in rows) == {"C/V van": 2, "ox": 4}
    assert (tmp_path / "shards" / "00000.tar").is_file()


def test_nothing_found_is_said(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    write_chunks(tmp_path, [])
    with pytest.raises(InputError, match="No rows to fetch in"):
        run(ws, server, tmp_path)
    with pytest.raises(InputError, match="There is no file"):
        run(ws, server, tmp_path / "none")
    (tmp_path / "rows.json").write_text('[{"TEXT": "x"}]')
    with pytest.raises(InputError, match="no column of URLs"):
        run(ws, server, tmp_path / "rows.json")


def test_rows_without_a_url_are_failures(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    url = server.url("web", "/1.jpg")
    (tmp_path / "rows.json").write_text(json.dumps([{"URL": url, "QUERY": "ox"}, {"URL": None, "QUERY": "ox"}, 3]))
    report = run(ws, server, tmp_path / "rows.json")
    assert report.failures == {"bad_row": 2}
