"""acquire flickr against a Flickr of our own: walks, moods of the API, resume, the search results written."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from goldpan.cli.main import run as cli
from goldpan.core.errors import InputError, StageError
from goldpan.core.records import Report
from goldpan.formats.flickr_search import batch_key, class_photo_id, layout_of, photo_id, read_search, write_search
from goldpan.formats.json_text import read_json
from goldpan.stages.acquire.flickr import run as stage
from goldpan.store.workspace import Workspace
from tests.flickr_server import KEY, SECRET, Flickr, Photo, jpeg

CLASSES = {"n01443537": ["goldfish", "Carassius auratus"], "n02510455": ["panda"]}


@pytest.fixture
def flickr() -> Iterator[Flickr]:
    """25 goldfish, 5 of them of the other name too, 4 pandas, one of them with a goldfish."""
    photos = [Photo(str(100 + i), "a goldfish" + (" Carassius auratus" if i < 5 else "")) for i in range(25)]
    photos += [Photo(str(200 + i), "panda") for i in range(3)] + [Photo("203", "panda and goldfish")]
    photos += [Photo("300", "panda", sizes="qst"), Photo("301", "panda", taken="2015-01-01")]
    with Flickr(photos, cap=10) as server:
        yield server


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "classes.json").write_text(json.dumps(CLASSES))
    (tmp_path / "key.json").write_text(json.dumps([KEY, SECRET]))
    return tmp_path


def search(ws: Workspace, flickr: Flickr, place: Path, **fields: Any) -> Report:
    given = {"classes": place / "classes.json", "api_key_file": place / "key.json", "endpoint": flickr.endpoint}
    return stage.STAGE(ws, **given | {"requests_per_hour": 1e9, "search_only": True} | fields)


def found(report: Report) -> list[dict[str, Any]]:
    return read_search(Path(report.outputs["search_json"]))


def asked(flickr: Flickr) -> list[tuple[str, int]]:
    return [(query["text"], int(query["page"])) for query in flickr.queries]


def test_one_walk_a_class_and_synonym(ws: Workspace, flickr: Flickr, place: Path) -> None:
    report = search(ws, flickr, place)
    walks = [("goldfish", 1), ("goldfish", 2), ("goldfish", 3), ("Carassius auratus", 1), ("panda", 1)]
    assert asked(flickr) == walks
    assert {query["per_page"] for query in flickr.queries} == {"1000"}
    assert {query["sort"] for query in flickr.queries} == {"date-posted-asc"}
    entries = found(report)
    assert {layout_of(entry) for entry in entries} == {"ours"}
    assert len(entries) == report.rows_in == 26 + 4
    # The five that both synonyms find are there once; the photo of both classes is there twice.
    assert report.details["found_again"] == 5
    assert report.details["without_address"] == 1
    both = [(entry["id_ours"], entry["wnid"]) for entry in entries if entry["id_search_engine"] == "203"]
    assert both == [(photo_id("203"), "n01443537"), (class_photo_id("203", "n02510455"), "n02510455")]
    assert entries[0] | {"date_upload_our_db": ""} == {
        "id_ours": photo_id("100"),
        "id_search_engine": "100",
        "url": f"http://127.0.0.1:{flickr.port}/photos/100_o.jpg",
        "url_type": "url_o",
        "wnid": "n01443537",
        "search_key": "goldfish",
        "search_engine": "flickr",
        "uploader": "",
        "date_upload_our_db": "",
        "date_taken": "2012-09-01 10:00:00",
        "date_upload_search_engine": "2012-10-01 10:00:00",
        "width": "60",
        "height": "40",
        "max_taken_date": "2013-07-11",
        "max_uploaded_date": "2013-07-11",
        "min_taken_date": "2012-07-11",
        "min_uploaded_date": "2012-07-11",
        "search_sort": "date-posted-asc",
        "max_images": None,
        "license": "4",
        "owner": "12037949754@N01",
        "owner_name": "Ann Other",
    }


def test_the_share_of_a_term_is_the_images_by_the_terms(ws: Workspace, flickr: Flickr, place: Path) -> None:
    report = search(ws, flickr, place, max_images=25)
    assert asked(flickr) == [("goldfish", 1), ("goldfish", 2), ("Carassius auratus", 1), ("panda", 1)]
    assert report.details["photos"] == 12 + 5 + 5
    assert {entry["max_images"] for entry in found(report)} == {25}


def test_what_was_answered_is_not_asked_again(ws: Workspace, flickr: Flickr, place: Path) -> None:
    first = search(ws, flickr, place)
    text = Path(first.outputs["search_json"]).read_text()
    flickr.queries.clear()
    again = search(ws, flickr, place)
    assert asked(flickr) == []
    assert again.outputs == first.outputs
    assert Path(again.outputs["search_json"]).read_text() == text
    # Fewer photos of a class need no new answers, but are another search.
    fewer = search(ws, flickr, place, max_images=4)
    assert asked(flickr) == []
    assert fewer.outputs != first.outputs
    search(ws, flickr, place, round="next year")
    assert len(asked(flickr)) == 5


def test_other_bounds_and_order(ws: Workspace, flickr: Flickr, place: Path) -> None:
    (place / "classes.json").write_text('{"n02510455": ["panda"]}')
    fields = {"min_date_taken": "2013-07-11", "max_date_taken": "none", "search_sort": "date-posted-desc"}
    report = search(ws, flickr, place, **fields, search_json=place / "found.json")
    assert report.outputs["search_json"] == str(place / "found.json")
    assert [(entry["id_search_engine"], entry["max_taken_date"]) for entry in found(report)] == [("301", None)]


@pytest.mark.parametrize("mood", [105, 10, 429, 503, "html", "half"])
def test_troubles_that_pass(
    ws: Workspace, flickr: Flickr, place: Path, mood: str | int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda least, most: 0.0)
    flickr.moods = [mood, mood, "ok", mood]
    report = search(ws, flickr, place)
    assert len(found(report)) == 30
    assert len(flickr.queries) == 5 + 3
    assert report.details["pages_asked"] == 5


def test_troubles_that_stay_stop_the_stage_and_lose_nothing(
    ws: Workspace, flickr: Flickr, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda least, most: 0.0)
    flickr.moods = ["ok", "ok", *["html"] * 5]
    with pytest.raises(StageError, match=r"no answer of use.*no JSON.*type the command again"):
        search(ws, flickr, place)
    flickr.queries.clear()
    search(ws, flickr, place)
    assert asked(flickr)[0] == ("goldfish", 3)


def test_a_refused_key_is_told_and_nowhere_shown(
    ws: Workspace, flickr: Flickr, place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (place / "key.json").write_text(json.dumps([KEY[::-1], SECRET]))
    with pytest.raises(InputError, match=r"refuses the API key.*--api-key-file") as error:
        search(ws, flickr, place)
    with pytest.raises(StageError) as unreachable:
        search(ws, flickr, place, endpoint=flickr.endpoint.replace("rest", "nowhere"))
    assert len(flickr.queries) == 1
    written = b"".join(path.read_bytes() for path in ws.path.rglob("*") if path.is_file())
    for text in (str(error.value), str(unreachable.value), caplog.text, repr(ws.runs.all()), written.decode("latin-1")):
        assert KEY[::-1] not in text
        assert SECRET not in text


def test_the_key_is_in_no_table_and_no_file(ws: Workspace, flickr: Flickr, place: Path) -> None:
    search(ws, flickr, place)
    tables = [table.to_table().to_pylist() for table in ws.tables().values()]
    written = b"".join(path.read_bytes() for path in ws.path.rglob("*") if path.is_file())
    assert KEY not in repr(tables)
    assert KEY.encode() not in written


def test_flickr_gives_only_the_first_thousands(ws: Workspace, flickr: Flickr, place: Path) -> None:
    flickr.gives = 20
    report = search(ws, flickr, place)
    assert asked(flickr)[:3] == [("goldfish", 1), ("goldfish", 2), ("goldfish", 3)]
    assert report.details["cut_short"] == {"goldfish": (20, 26)}


def test_a_search_that_is_killed_goes_on(ws: Workspace, flickr: Flickr, place: Path) -> None:
    code = (
        "import sys; from goldpan.stages.acquire.flickr.run import STAGE\n"
        "STAGE(sys.argv[1], classes=sys.argv[2], api_key_file=sys.argv[3], endpoint=sys.argv[4], search_only=True,"
        " requests_per_hour=3600)"
    )
    paths = [str(ws.path), str(place / "classes.json"), str(place / "key.json"), flickr.endpoint]
    process = subprocess.Popen([sys.executable, "-c", code, *paths])
    while len(flickr.queries) < 3 and process.poll() is None:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = ws.searches.count()
    assert kept >= 2
    flickr.queries.clear()
    report = search(ws, flickr, place)
    assert len(flickr.queries) == 5 - kept
    assert len(found(report)) == 30


def acquire(ws: Workspace, flickr: Flickr, place: Path, **fields: Any) -> Report:
    return search(ws, flickr, place, **{"search_only": False, "allow_private": True} | fields)


def test_photos_are_downloaded_with_all_that_is_known_of_them(ws: Workspace, flickr: Flickr, place: Path) -> None:
    report = acquire(ws, flickr, place)
    assert (report.rows_in, report.rows_out, report.failures) == (30, 30, {})
    rows = {row["id"]: row for row in ws.images.to_table().to_pylist()}
    row = rows[photo_id("100")]
    assert (row["label"], row["author"], row["license"]) == ("n01443537", "Ann Other", "CC-BY-2.0")
    assert (row["taken_at"], row["source"]) == ("2012-09-01 10:00:00", "flickr:photos")
    assert ws.blobs.read(row["uri"]) == jpeg(flickr.photos[0])
    extra = json.loads(row["extra"])
    assert extra["license_url"] == "https://creativecommons.org/licenses/by/2.0/"
    entries = found(report)
    assert extra["search"]["id_search_engine"] == "100"
    # The photo of two classes came once and is two rows.
    assert flickr.fetched["203"] == 1
    copy = rows[class_photo_id("203", "n02510455")]
    assert (copy["label"], copy["sha256"]) == ("n02510455", rows[photo_id("203")]["sha256"])
    assert {(entry["width"], entry["height"]) for entry in entries} == {(60, 40)}


def test_the_same_again_fetches_nothing(ws: Workspace, flickr: Flickr, place: Path) -> None:
    flickr.gone = {"101"}
    first = acquire(ws, flickr, place)
    assert (first.rows_out, first.failures) == (29, {"not_found": 1})
    text = Path(first.outputs["search_json"]).read_text()
    flickr.queries.clear(), flickr.fetched.clear()
    again = acquire(ws, flickr, place)
    assert (again.rows_in, again.rows_out, again.already_done, again.failures) == (30, 29, 29, {"not_found": 1})
    assert not flickr.queries
    assert not flickr.fetched
    assert Path(again.outputs["search_json"]).read_text() == text
    flickr.gone.clear()
    assert acquire(ws, flickr, place, retry=["not_found"]).rows_out == 30


def test_private_addresses_need_leave(ws: Workspace, flickr: Flickr, place: Path) -> None:
    report = acquire(ws, flickr, place, allow_private=False, ports=[flickr.port])
    assert (report.rows_out, set(report.failures)) == (0, {"private_address"})
    assert not flickr.fetched


def test_search_results_are_downloaded_without_searching(ws: Workspace, flickr: Flickr, place: Path) -> None:
    path = place / "found.json"
    search(ws, flickr, place, search_json=path)
    text = path.read_text()
    flickr.queries.clear()
    (place / "blacklist.json").write_text(json.dumps({photo_id("100"): "a drawing", "0" * 40: "of another search"}))
    given = {"from_search": [path], "allow_private": True, "ports": [flickr.port]}
    report = stage.STAGE(ws, **given, blacklist=place / "blacklist.json")
    assert (report.rows_in, report.rows_out, report.failures) == (30, 29, {"filtered": 1})
    assert not flickr.queries
    assert not flickr.fetched["100"]
    assert path.read_text() == text
    failure = ws.failures.to_table().to_pylist()[0]
    assert (failure["id"], failure["detail"]) == (photo_id("100"), "blacklisted: a drawing")
    assert report.mishaps == 0
    # Another search finds some of the same photos: they are here already.
    write_search(place / "more" / "b.json", read_search(path)[:3])
    again = stage.STAGE(ws, from_search=[place / "more"], allow_private=True, ports=[flickr.port])
    assert (again.rows_in, again.already_done, again.failures) == (3, 2, {"filtered": 1})


def test_results_of_the_original_are_downloaded(ws: Workspace, shared: Path) -> None:
    path = shared / "data/imagenetv2/search_results/2018-11-15-09-50-25.json"
    entries = read_search(path)
    listed = read_json(shared / "data/imagenetv2/metadata/candidate_blacklist.json", "the blacklist")
    unwanted = sum(entry["id_ours"] in listed for entry in entries)
    with Flickr([Photo(entry["id_ours"], "") for entry in entries]) as mirror:
        report = stage.STAGE(
            ws,
            from_search=[path],
            blacklist=shared / "data/imagenetv2/metadata/candidate_blacklist.json",
            mirror=f"http://127.0.0.1:{mirror.port}/photos/{{id}}.jpg",
        )
    assert (report.rows_in, report.rows_out) == (14, 14 - unwanted)
    row = ws.images.to_table(limit=1).to_pylist()[0]
    assert (row["label"], row["license"], row["author"]) == ("n04392985", None, None)
    entry = next(entry for entry in entries if entry["id_ours"] == row["id"])
    assert json.loads(row["extra"])["search"] == entry | {"source_filename": path.name}


def test_a_photo_of_an_earlier_search_for_another_class_gets_a_copy(ws: Workspace, flickr: Flickr, place: Path) -> None:
    acquire(ws, flickr, place)
    (place / "classes.json").write_text('{"n09999999": ["Carassius"]}')
    report = acquire(ws, flickr, place)
    assert [entry["id_ours"] for entry in found(report)] == [
        class_photo_id(str(100 + i), "n09999999") for i in range(5)
    ]
    assert report.rows_out == 5


def test_copies_in_two_sizes_and_batches(ws: Workspace, flickr: Flickr, place: Path) -> None:
    flickr.gone = {"101"}
    report = acquire(ws, flickr, place, copies=["scaled", "mturk"], batch=True)
    assert report.details["copies"] == 2 * 29
    folder = ws.path / "flickr"
    with Image.open(folder / "scaled" / f"{photo_id('100')}.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (256, 256))
    with Image.open(folder / "mturk" / f"{photo_id('100')}.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (500, 333))
    entries = found(report)
    assert {layout_of(entry) for entry in entries} == {"ours, batched"}
    key = batch_key([entry["id_ours"] for entry in entries])
    assert {entry["batch"] for entry in entries} == {key}
    with tarfile.open(folder / "batches" / f"{key}.tar") as tar:
        assert len(tar.getnames()) == 29
        assert tar.getnames()[0] == f"{photo_id('100')}.jpg"
    made = (folder / "scaled" / f"{photo_id('100')}.jpg").stat().st_mtime_ns
    (folder / "mturk" / f"{photo_id('102')}.jpg").unlink()
    assert acquire(ws, flickr, place, copies=["scaled", "mturk"], batch=True).details["copies"] == 2 * 29
    assert (folder / "mturk" / f"{photo_id('102')}.jpg").is_file()
    assert (folder / "scaled" / f"{photo_id('100')}.jpg").stat().st_mtime_ns == made


def test_the_command(flickr: Flickr, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ws = place / "cli"
    assert cli(["init", str(ws)]) == 0
    words = ["acquire", "flickr", str(ws), "--classes", str(place / "classes.json")]
    words += ["--api-key-file", str(place / "key.json"), "--endpoint", flickr.endpoint, "--allow-private"]
    words += ["--requests-per-hour", "1e9", "--json"]
    assert cli(words) == 0
    shown = capsys.readouterr()
    report = json.loads(shown.out)
    assert (report["rows_in"], report["rows_out"], report["pages_asked"]) == (30, 30, 5)
    assert KEY not in shown.out + shown.err


def test_shards_of_what_was_found(ws: Workspace, flickr: Flickr, place: Path) -> None:
    report = acquire(ws, flickr, place, output=place / "shards", output_format="webdataset", copies=["scaled"])
    assert (report.rows_out, report.details["copies"]) == (30, 30)
    with tarfile.open(place / "shards" / "00000.tar") as tar:
        assert len([name for name in tar.getnames() if name.endswith(".jpg")]) == 30
