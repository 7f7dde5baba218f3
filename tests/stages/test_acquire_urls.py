"""acquire urls: each row of a list is an image or a failure, fetched once, from a real server on loopback."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import goldpan
from goldpan.core.errors import FormatError, InputError
from goldpan.core.records import Report
from goldpan.store.workspace import Workspace
from tests.fetch.serving import serve
from tests.hostile import Ask, HostileServer


def photo(number: int, size: tuple[int, int] = (60, 40)) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (size[1], size[0], 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


async def answer(ask: Ask) -> None:
    """Serve `/3.jpg`; `/none` is not there, `/busy` is not yet, `/page` is no image."""
    name = ask.path.strip("/")
    if name == "none":
        await ask.reply(status="404 Not Found")
    elif name == "busy" and ask.nth == 1:
        await ask.reply(status="503 Service Unavailable")
    elif name == "page":
        await ask.reply(b"<html>sorry</html>", content_type="text/html")
    else:
        number = int(name[0]) if name[0].isdigit() else 0
        await ask.reply(photo(number), content_type="image/jpeg", etag='"e"')


@pytest.fixture(scope="module")
def server() -> Iterator[HostileServer]:
    with serve(web=answer, other=answer) as running:
        yield running


@pytest.fixture(autouse=True)
def _forgets(server: HostileServer) -> None:
    server.asked.clear()
    server._counts.clear()


def asked(server: HostileServer) -> list[str]:
    return sorted(path for path in server.paths("web") if path != "/robots.txt")


def acquire(ws: Workspace, server: HostileServer, *lists: Path, **settings: Any) -> Report:
    usual = {"allow_private": True, "ports": [server.port], "retries": 0, "workers": 1}
    report = goldpan.acquire_urls(ws, lists=list(lists), **usual | settings)
    assert report.rows_in == report.rows_out + report.failed
    return report


def listing(path: Path, *rows: dict[str, Any]) -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    return path


def rows_of(ws: Workspace) -> dict[str, dict[str, Any]]:
    rows = ws.images.to_table().to_pylist()
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row | {"extra": json.loads(row["extra"])} for row in rows}


def reasons_of(ws: Workspace) -> dict[str, str]:
    return {row["id"]: row["reason"] for row in ws.failures.to_table().to_pylist()}


def test_a_row_keeps_the_bytes_and_says_where_they_are_from(
    ws: Workspace, server: HostileServer, tmp_path: Path
) -> None:
    url = server.url("web", "/1.jpg")
    table = pa.table({"URL": [url], "TEXT": ["a cat"], "LICENSE": ["?"], "NSFW": ["UNLIKELY"], "status": ["ok"]})
    pq.write_table(table, tmp_path / "list.parquet")
    acquire(ws, server, tmp_path / "list.parquet")
    (row,) = rows_of(ws).values()
    extra = row["extra"]
    assert row["id"] == hashlib.sha256(url.encode()).hexdigest()[:16]
    assert ws.blobs.read(row["uri"]) == photo(1)
    assert (row["width"], row["height"], row["format"], row["caption"]) == (60, 40, "JPEG", "a cat")
    assert (row["license"], row["source"]) == ("?", f"urls:{tmp_path}/list.parquet")
    assert (extra["url"], extra["final_url"], extra["etag"], extra["status"]) == (url, url, '"e"', 200)
    assert (extra["NSFW"], extra["listed_status"]) == ("UNLIKELY", "ok")
    assert extra["fetched_at"].endswith("+00:00")


def test_the_same_again_asks_for_nothing(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    rows = [{"url": server.url("web", path)} for path in ("/1.jpg", "/none", "/page", "/1.jpg")]
    path = listing(tmp_path / "list.csv", *rows, {"url": "ftp://x"}, {"url": ""})
    first = acquire(ws, server, path)
    assert first.failures == {"not_found": 1, "not_an_image": 1, "scheme_not_allowed": 1, "bad_row": 1}
    assert asked(server) == ["/1.jpg", "/none", "/page"]
    (html,) = ws.failures.to_table("reason = 'not_an_image'").to_pylist()
    assert html["detail"].startswith(rows[2]["url"])
    assert html["detail"].endswith("(sent as text/html)")
    server.asked.clear()
    versions = ws.images.version, ws.failures.version
    again = acquire(ws, server, path)
    assert (again.rows_out, again.already_done, again.failures) == (2, 2, first.failures)
    assert server.asked == []
    assert (ws.images.version, ws.failures.version) == versions


def test_a_url_that_repeats_is_fetched_once(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    good, bad = server.url("web", "/1.jpg"), server.url("web", "/none")
    rows = [{"url": url, "caption": f"caption {i}"} for i, url in enumerate([good, bad, good, good, bad])]
    path = listing(tmp_path / "list.csv", *rows)
    for _ in range(2):
        report = acquire(ws, server, path)
        assert (report.rows_out, report.failures) == (3, {"not_found": 2})
    assert asked(server) == ["/1.jpg", "/none"]
    key, missing = (hashlib.sha256(url.encode()).hexdigest()[:16] for url in (good, bad))
    found = rows_of(ws)
    assert {name: row["caption"] for name, row in found.items()} == {
        key: "caption 0", f"{key}-2": "caption 2", f"{key}-3": "caption 3",
    }  # fmt: skip
    assert found[f"{key}-3"]["extra"] == found[key]["extra"] | {"duplicate_of": key}
    assert len({row["uri"] for row in found.values()}) == ws.blobs.table.count() == 1
    assert reasons_of(ws) == {missing: "not_found", f"{missing}-2": "not_found"}


def test_a_url_that_two_lists_name(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    url = server.url("web", "/1.jpg")
    lists = [listing(tmp_path / f"{name}.csv", {"url": url}) for name in "abc"]
    acquire(ws, server, *lists[:2])
    assert asked(server) == ["/1.jpg"]
    acquire(ws, server, lists[2])
    for some in (lists, lists[1:2], lists[::-1]):
        assert acquire(ws, server, *some).already_done == len(some)
    key = hashlib.sha256(url.encode()).hexdigest()[:16]
    assert {name: row["source"][-5:] for name, row in rows_of(ws).items()} == {
        key: "a.csv", f"{key}-2": "b.csv", f"{key}-3": "c.csv",
    }  # fmt: skip


def test_ids_of_the_list(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    first, second = server.url("web", "/1.jpg"), server.url("web", "/2.jpg")
    urls = [("7", first), ("7", first), ("7", second), ("8", first), ("", second)]
    path = listing(tmp_path / "list.csv", *({"SAMPLE_ID": key, "URL": url} for key, url in urls))
    for _ in range(2):
        acquire(ws, server, path, id_prefix="a/")
    unnamed = hashlib.sha256(second.encode()).hexdigest()[:16]
    assert set(rows_of(ws)) == {"a/7", "a/7-2", "a/8", f"a/{unnamed}"}
    assert reasons_of(ws) == {"a/7#2": "duplicate_id"}
    assert asked(server) == ["/1.jpg", "/2.jpg"]
    other = listing(tmp_path / "other.csv", {"SAMPLE_ID": "a/7", "URL": second})
    assert acquire(ws, server, other).failures == {"duplicate_id": 1}


def test_a_list_of_another_day_shares_what_is_there(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    urls = [server.url("web", f"/{n}.jpg") for n in range(5)]
    key = [hashlib.sha256(url.encode()).hexdigest()[:16] for url in urls]
    first = [{"id": "", "url": urls[0]}, {"id": "7", "url": urls[1]}, {"id": "8", "url": urls[2]}]
    acquire(ws, server, listing(tmp_path / "a.csv", *first))
    server.asked.clear()
    second = [{"id": "", "url": urls[n], "caption": str(n)} for n in (0, 1, 1, 3)]
    second += [
        {"id": "7", "url": urls[1]},
        {"id": "8", "url": urls[4]},
        {"id": "9", "url": urls[2], "sha256": "0" * 64},
    ]
    path = listing(tmp_path / "b.csv", *second)
    report = acquire(ws, server, path)
    assert (report.rows_out, report.failures) == (5, {"duplicate_id": 1, "wrong_hash": 1})
    assert asked(server) == ["/3.jpg"]
    of = {name: row["extra"].get("duplicate_of") for name, row in rows_of(ws).items() if row["source"][-5:] == "b.csv"}
    assert of == {f"{key[0]}-2": key[0], key[1]: "7", f"{key[1]}-2": "7", key[3]: None, "7-2": "7"}
    assert reasons_of(ws) == {"8": "duplicate_id", "9": "wrong_hash"}
    assert ws.blobs.table.count() == 4
    server.asked.clear()
    for lists in ([path], [tmp_path / "a.csv", path]):
        again = acquire(ws, server, *lists)
        assert again.already_done == again.rows_out == 5 + 3 * (len(lists) - 1)
    assert server.asked == []


def test_what_is_to_be_made_otherwise_or_is_blurred_is_not_shared(
    ws: Workspace, server: HostileServer, tmp_path: Path
) -> None:
    rows = [{"url": server.url("web", "/1.jpg"), "faces": "[[0, 0, 0.5, 1]]"}, {"url": server.url("web", "/2.jpg")}]
    blurred = listing(tmp_path / "blurred.csv", *rows)
    plain = [listing(tmp_path / f"{n}.csv", *({"url": row["url"]} for row in rows)) for n in range(3)]
    acquire(ws, server, blurred, image_size=20, box_column="faces")
    acquire(ws, server, plain[0], image_size=20)
    assert asked(server) == ["/1.jpg", "/1.jpg", "/2.jpg"]
    acquire(ws, server, plain[1], image_size=20)
    assert len(asked(server)) == 3
    acquire(ws, server, plain[2])
    assert len(asked(server)) == 5
    sizes = {(row["source"][-5:], row["width"]) for row in rows_of(ws).values()}
    assert sizes == {("d.csv", 20), ("0.csv", 20), ("1.csv", 20), ("2.csv", 60)}


def test_shards_share_nothing(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    lists = [listing(tmp_path / f"{n}.csv", {"url": server.url("web", "/1.jpg")}) for n in range(3)]
    acquire(ws, server, lists[0], output=tmp_path / "out", output_format="webdataset")
    acquire(ws, server, lists[1])
    acquire(ws, server, lists[2], output=tmp_path / "out2", output_format="webdataset")
    assert len(asked(server)) == 3


def test_other_sizes_than_those_of_then_are_told(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    path = listing(tmp_path / "list.csv", {"url": server.url("web", "/1.jpg")})
    assert "made_otherwise" not in acquire(ws, server, path, image_size=20).details
    for _ in range(2):
        report = acquire(ws, server, path, image_size=30, encode_format="png")
        assert report.details["made_otherwise"] == {"image_size": [20, 30], "encode_format": ["jpg", "png"]}
        assert report.outputs["not made anew"].startswith(
            "1 rows that were there; an earlier run had encode_format jpg, not png, image_size 20, not 30."
        )
    assert "made_otherwise" not in acquire(ws, server, path, image_size=20).details
    other = listing(tmp_path / "other.csv", {"url": server.url("web", "/1.jpg")})
    assert "made_otherwise" not in acquire(ws, server, other).details


def test_which_flag_lets_through_what_was_refused(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    path = listing(tmp_path / "list.csv", {"url": server.url("web", "/1.jpg")}, {"url": "http://127.0.0.1/1.jpg"})
    report = acquire(ws, server, path, ports=[80], allow_private=False)
    assert report.failures == {"port_not_allowed": 1, "private_address": 1}
    port, private = report.next_steps
    assert "--retry port_not_allowed --ports 80 --ports PORT" in port
    assert "--retry private_address --allow-private" in private
    assert acquire(ws, server, path, retry=["port_not_allowed"]).rows_out == 1


def test_numbers_that_pandas_made_floats(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    url = server.url("web", "/1.jpg")
    pq.write_table(pa.table({"SAMPLE_ID": [12.0, np.nan], "url": [url, url]}), tmp_path / "list.parquet")
    acquire(ws, server, tmp_path / "list.parquet")
    assert set(rows_of(ws)) == {"12", hashlib.sha256(url.encode()).hexdigest()[:16]}


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_bytes_are_those_that_were_promised(ws: Workspace, server: HostileServer, tmp_path: Path, kind: str) -> None:
    sums = [hashlib.new(kind, photo(number)).hexdigest().upper() for number in (1, 2)]
    urls = [server.url("web", path) for path in ("/1.jpg", "/2.jpg", "/3.jpg")]
    rows = [(urls[0], sums[0]), (urls[1], sums[0]), (urls[2], ""), (urls[0], sums[0]), (urls[0], sums[1])]
    path = listing(tmp_path / "list.csv", *({"url": url, kind: expected} for url, expected in rows))
    report = acquire(ws, server, path)
    assert (report.rows_out, report.failures) == (3, {"wrong_hash": 2})
    assert all(sums[0].lower() in row["detail"] for row in ws.failures.to_table().to_pylist())


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_a_wrong_promise_is_that_of_its_row_alone(
    ws: Workspace, server: HostileServer, tmp_path: Path, kind: str
) -> None:
    wrong, right = (hashlib.new(kind, photo(number)).hexdigest() for number in (2, 1))
    rows = [{"url": server.url("web", "/1.jpg"), kind: text, "caption": text} for text in (wrong, "", wrong, right)]
    path = listing(tmp_path / "list.csv", *rows)
    for _ in range(2):
        report = acquire(ws, server, path)
        assert (report.rows_in, report.rows_out, report.failures) == (4, 2, {"wrong_hash": 2})
    assert {row["caption"] or "" for row in rows_of(ws).values()} == {"", right}
    assert asked(server) == ["/1.jpg"] * 3


def test_images_are_made_smaller_where_that_is_asked_for(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    path = listing(tmp_path / "list.csv", *[{"url": server.url("web", "/1.jpg")}] * 2)
    acquire(ws, server, path, image_size=20, resize_mode="keep_ratio", encode_format="png", extract_exif=True)
    first, second = rows_of(ws).values()
    data = ws.blobs.read(first["uri"])
    assert isinstance(data, bytes)
    assert first["sha256"] == hashlib.sha256(data).hexdigest()
    assert (first["width"], first["height"], first["format"]) == (30, 20, "PNG")
    assert Image.open(io.BytesIO(data)).size == (30, 20)
    original = {name: value for name, value in second["extra"].items() if name.startswith("original")}
    assert original == {
        "original_width": 60, "original_height": 40, "original_format": "JPEG",
        "original_sha256": hashlib.sha256(photo(1)).hexdigest(),
    }  # fmt: skip


@pytest.mark.parametrize(("settings", "keeps"), [
    ({}, True), ({"keep_bytes": False}, False), ({"encode_format": "jpg"}, False),
    ({"image_size": 20, "keep_bytes": True}, True), ({"skip_reencode": True}, True),
])  # fmt: skip
def test_bytes_are_kept_unless_others_are_asked_for(
    ws: Workspace, server: HostileServer, tmp_path: Path, settings: dict[str, Any], keeps: bool
) -> None:
    acquire(ws, server, listing(tmp_path / "list.csv", {"url": server.url("web", "/1.jpg")}), **settings)
    (row,) = rows_of(ws).values()
    assert (ws.blobs.read(row["uri"]) == photo(1)) is keeps
    assert ws.runs.all()[-1].config["keep_bytes"] is keeps


def test_rules_leave_images_out(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    path = listing(tmp_path / "list.csv", {"url": server.url("web", "/1.jpg")})
    report = acquire(ws, server, path, min_image_size=50)
    assert (report.failures, report.mishaps) == ({"image_too_small": 1}, 0)


def test_boxes_are_blurred(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    boxes = [[0.0, 0.0, 0.5, 1.0]]
    rows = [
        {"url": server.url("web", f"/{i}.jpg"), "face_bboxes": text}
        for i, text in enumerate([json.dumps(boxes), "", "[[1, 2]]", "nobody"], start=1)
    ]
    assert acquire(ws, server, listing(tmp_path / "list.csv", *rows)).failures == {"bad_row": 2}
    rows = sorted(rows_of(ws).values(), key=lambda row: row["extra"]["url"])
    assert [row["extra"].get("face_bboxes") for row in rows] == [boxes, None]
    blurred, kept = (ws.blobs.read(row["uri"]) for row in rows)
    assert kept == photo(2)
    assert isinstance(blurred, bytes)
    pixels, original = (np.asarray(Image.open(io.BytesIO(data)), float) for data in (blurred, photo(1)))
    assert pixels.shape == original.shape
    assert pixels[:, :20].std() < 0.5 * original[:, :20].std()
    assert pixels[:, 45:].std() > 0.9 * original[:, 45:].std()


@pytest.mark.parametrize("is_blurred_first", [False, True])
def test_a_url_that_repeats_is_blurred_where_each_row_says(
    ws: Workspace, server: HostileServer, tmp_path: Path, is_blurred_first: bool
) -> None:
    boxes = ["", "[[0.0, 0.0, 0.5, 1.0]]", "[[0.5, 0.0, 1.0, 1.0]]", "[[30, 0, 60, 40]]"]
    boxes = boxes[::-1] if is_blurred_first else boxes
    rows = [{"url": server.url("web", "/1.jpg"), "face_bboxes": text} for text in boxes]
    assert acquire(ws, server, listing(tmp_path / "list.csv", *rows)).failures == {"bad_box": 1}
    images = [np.asarray(Image.open(io.BytesIO(ws.blobs.read(row["uri"])))) for row in rows_of(ws).values()]
    blurred, kept, right = sorted(float(image[:, :15].std() / image[:, 45:].std()) for image in images)
    assert blurred < 0.5 < kept < 2 < right


@pytest.mark.parametrize("image_size", [None, 20])
def test_a_sum_that_only_a_later_row_promises(
    ws: Workspace, server: HostileServer, tmp_path: Path, image_size: int | None
) -> None:
    sums = ["", hashlib.md5(photo(1)).hexdigest(), hashlib.md5(photo(2)).hexdigest()]
    rows = [{"url": server.url("web", "/1.jpg"), "md5": text} for text in sums]
    settings = {} if image_size is None else {"image_size": image_size}
    report = acquire(ws, server, listing(tmp_path / "list.csv", *rows), **settings)
    assert (report.rows_out, report.failures) == (2, {"wrong_hash": 1})
    assert asked(server) == ["/1.jpg"]


def test_cells_of_bytes_are_texts_and_extra_is_json(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    cells = {"url": server.url("web", "/1.jpg").encode(), "caption": "ü".encode(), "raw": b"\xff\xfe"}
    table = {name: [value] for name, value in cells.items()} | {"score": [np.inf], "list": [[1.5, np.nan]]}
    pq.write_table(pa.table(table), tmp_path / "list.parquet")
    acquire(ws, server, tmp_path / "list.parquet")
    (row,) = ws.images.to_table().to_pylist()
    extra = json.loads(row["extra"], parse_constant=pytest.fail)
    assert (row["caption"], extra["raw"], extra["score"], extra["list"]) == ("ü", "fffe", "Infinity", [1.5, "NaN"])


def test_what_may_pass_is_tried_again(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    rows = [{"url": server.url("web", path)} for path in ("/busy", "/none", "/busy")]
    path = listing(tmp_path / "a list.csv", *rows)
    report = acquire(ws, server, path)
    assert report.failures == {"server_error": 2, "not_found": 1}
    command = f"goldpan acquire urls {ws.path} '{path}' --retry transient "
    assert report.next_steps[0].startswith(command)
    assert f" --allow-private --ports {server.port}" in report.next_steps[0]
    assert "keep-bytes" not in report.next_steps[0]
    assert acquire(ws, server, path, retry=["not_found"]).failures == report.failures
    again = acquire(ws, server, path, retry=["transient"])
    assert (again.rows_out, again.failures) == (2, {"not_found": 1})
    assert not any("--retry" in step for step in again.next_steps)
    assert asked(server) == ["/busy", "/busy", "/none", "/none"]
    assert [row["attempts"] for row in ws.failures.to_table().to_pylist()] == [2]


def test_a_mirror_is_asked_instead(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    sums = [hashlib.sha256(photo(number)).hexdigest() for number in (0, 1)]
    urls = ["https://far.example/a b/1.jpg?size=2", "http://[nobody", "https://far.example/2.jpg"]
    path = listing(tmp_path / "list.csv", *({"url": url, "sha256": sums[0]} for url in urls))
    template = server.url("web", "/1/{host}/{path}/{query}/{sha256}")
    settings = {"allow_private": False, "ports": [80], "robots": "obey"}
    report = acquire(ws, server, path, mirror=template, **settings)
    assert report.failures == {"bad_url": 1, "wrong_hash": 2}
    assert server.paths("web") == [f"/1/far.example/a%20b/1.jpg/size=2/{sums[0]}", f"/1/far.example/2.jpg//{sums[0]}"]
    report = acquire(ws, server, path, mirror=server.url("web", "/{url}"), retry=["all"], **settings)
    assert server.paths("web")[2] == "/https%3A%2F%2Ffar.example%2Fa%20b%2F1.jpg%3Fsize%3D2"
    assert report.rows_out == 2
    assert {row["extra"]["url"] for row in rows_of(ws).values()} == {urls[0], urls[2]}


@pytest.mark.parametrize("template", ["http://a/{sha1}", "ftp://a/{url}", "http://{host}/{path}", "{url}"])
def test_a_mirror_that_is_none(ws: Workspace, server: HostileServer, tmp_path: Path, template: str) -> None:
    with pytest.raises(InputError, match="mirror"):
        acquire(ws, server, listing(tmp_path / "list.csv", {"url": "http://a/"}), mirror=template)


def test_a_mirror_that_needs_what_the_list_does_not_say(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    path = listing(tmp_path / "list.csv", {"url": "http://far.example/1.jpg"})
    assert acquire(ws, server, path, mirror=server.url("web", "/{sha256}")).failures == {"bad_row": 1}


def test_chunks_of_retrieval_and_tables(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    (tmp_path / "chunks").mkdir()
    for number in (0, 1):
        row = {"SAMPLE_ID": number, "URL": server.url("web", f"/{number}.jpg"), "TEXT": "a fish", "HEIGHT": 40}
        row |= {"WIDTH": 60, "LICENSE": "?", "NSFW": "UNLIKELY", "similarity": 0.3, "QUERY": "tench"}
        (tmp_path / "chunks" / f"chunk_{number}.json").write_text(json.dumps([row]))
    acquire(ws, server, tmp_path / "chunks")
    found = rows_of(ws)
    assert {key: row["label"] for key, row in found.items()} == {"0": "tench", "1": "tench"}
    assert (found["1"]["extra"]["HEIGHT"], found["1"]["extra"]["similarity"]) == (40, 0.3)
    lance.write_dataset(pa.table({"url": [server.url("other", "/5.jpg")]}), str(ws.path / "found.lance"))
    assert acquire(ws, server, Path("found")).rows_out == 1


def test_what_is_wrong_with_a_list_is_one_sentence(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    path = listing(tmp_path / "list.csv", {"address": server.url("web", "/1.jpg"), "n": 1})
    with pytest.raises(InputError, match="no column of URLs; give one of its columns as --url-column: address, n"):
        acquire(ws, server, path)
    with pytest.raises(InputError, match="no column 'words' for --caption-column"):
        acquire(ws, server, path, url_column="address", caption_column="words")
    with pytest.raises(InputError, match="There is no file none"):
        acquire(ws, server, Path("none.csv"))
    assert acquire(ws, server, path, url_column="address").rows_out == 1
    for name, text in {"empty.txt": "", "empty.csv": "", "empty.json": "[]"}.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match="No URLs"):
            acquire(ws, server, tmp_path / name)


def test_a_chunk_of_nothing_found_and_one_of_no_records(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    for number, rows in enumerate([[], ["a text"], [{"url": server.url("web", "/1.jpg")}]]):
        (tmp_path / f"chunk_{number}.json").write_text(json.dumps(rows))
    report = acquire(ws, server, tmp_path)
    assert (report.rows_in, report.rows_out, report.failures) == (2, 1, {"bad_row": 1})


def test_a_quote_that_is_not_closed_takes_no_row_along(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    rows = [server.url("web", f"/{n}.jpg") + (',"five inches' if n == 2 else ",a fish") for n in range(1, 5)]
    (tmp_path / "list.csv").write_text("\n".join(["url,caption", *rows]) + "\n")
    report = acquire(ws, server, tmp_path / "list.csv")
    assert (report.rows_in, report.failures) == (4, {"bad_row": 1})
    (failure,) = ws.failures.to_table().to_pylist()
    assert failure["detail"] == "row 1 of list.csv has a quote on line 3 of the file that is not closed"


def test_what_came_before_a_list_breaks_off_is_kept(ws: Workspace, server: HostileServer, tmp_path: Path) -> None:
    url = server.url("web", "/1.jpg")
    (tmp_path / "list.json").write_text(json.dumps([{"url": f"{url}?{i}"} for i in range(1500)])[:-20])
    with pytest.raises(FormatError, match=r"list\.json at row 1499"):
        acquire(ws, server, tmp_path / "list.json", per_host=50)
    assert ws.runs.all()[-1].status == "failed"
