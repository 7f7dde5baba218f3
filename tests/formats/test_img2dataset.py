"""Shards in img2dataset's layout: names and keys, what is in each file, kills at any byte, full disks."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goldpan.core.errors import FormatError, InputError, StageError
from goldpan.formats.img2dataset.bodies import Kind, class_folder
from goldpan.formats.img2dataset.journal import Entry, Place, read_journal
from goldpan.formats.img2dataset.layout import Layout, Slot, read_stats
from goldpan.formats.img2dataset.shard import Shard, finished_entries, reopen
from goldpan.formats.img2dataset.tables import OUTCOME, listed_schema, read_images, read_rows
from goldpan.formats.img2dataset.tar import TarFile, places

LISTED = pa.schema([("similarity", pa.float64()), ("caption", pa.string()), ("url", pa.string())])
KINDS: tuple[Kind, ...] = get_args(Kind)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path, per_shard=10)


def row(layout: Layout, number: int, status: str = "success", error: str | None = None) -> dict[str, Any]:
    listed = {"similarity": number / 8, "caption": f"caption {number}", "url": f"http://example.org/{number}"}
    outcome = dict.fromkeys(OUTCOME.names) | {"key": layout.key(Slot(0, number)), "status": status}
    return listed | outcome | {"error_message": error, "width": 4}


def image(number: int) -> bytes:
    return bytes([number]) * (500 + 7 * number)


def fill(shard: Shard, numbers: range) -> Iterator[Entry]:
    """Add an image for each number; every third is missed."""
    for number in numbers:
        if number % 3 == 2:
            shard.miss(row(shard.layout, number, "failed_to_download", "not_found: the server says 404"))
        else:
            caption, label = f"caption {number}", ("cat", "dog/wolf")[number % 2]
            yield shard.add(row(shard.layout, number), image(number), "jpg", caption=caption, label=label)


def whole(layout: Layout, kind: Kind) -> list[Entry]:
    """Write a finished shard of ten rows."""
    shard = Shard(layout, 0, kind)
    entries = list(fill(shard, range(10)))
    shard.sync()
    shard.seal(10, LISTED)
    shard.complete()
    return entries


def images_of(layout: Layout, kind: Kind) -> dict[str, bytes]:
    """Read back the images of shard 0 by key, as an outsider would."""
    if kind == "parquet":
        return dict(read_images(layout.table(0)))
    if kind == "webdataset":
        with tarfile.open(layout.folder / "00000.tar") as tar:
            return {info.name[:-4]: tar.extractfile(info).read() for info in tar if info.name.endswith(".jpg")}  # type: ignore[union-attr]
    return {path.stem: path.read_bytes() for path in layout.folder.glob("*/*.jpg")}


def test_keys_are_those_of_the_formula() -> None:
    assert Layout(Path()).key(Slot(12, 34)) == "000120034"
    assert Layout(Path(), per_shard=1000).key(Slot(0, 7)) == "00000007"
    assert Layout(Path(), per_shard=1001).key(Slot(1, 7)) == "000010007"
    assert Layout(Path(), per_shard=1, digits=2).key(Slot(3, 0)) == "03"
    assert Layout(Path(), digits=3).name(1234) == "1234"


@pytest.mark.parametrize("kind", KINDS)
def test_a_finished_shard(layout: Layout, kind: Kind) -> None:
    whole(layout, kind)
    wanted = {layout.key(Slot(0, number)): image(number) for number in range(10) if number % 3 != 2}
    assert images_of(layout, kind) == wanted
    rows = read_rows(layout.table(0))
    assert [one["key"] for one in rows] == [layout.key(Slot(0, number)) for number in range(10)]
    assert [one["status"] for one in rows].count("failed_to_download") == 3
    assert rows[4]["similarity"] == 0.5
    assert rows[2]["error_message"] == "not_found: the server says 404"
    assert layout.finished() == [0]
    assert not list(layout.folder.glob(".*")), "nothing that only helped is left"


def test_columns_are_those_of_img2dataset(layout: Layout) -> None:
    whole(layout, "webdataset")
    assert pq.read_schema(layout.table(0)).names == [
        *("similarity", "caption", "url", "key", "status", "error_message", "width", "height"),
        *("original_width", "original_height", "exif", "sha256"),
    ]
    assert pq.read_schema(layout.table(0)).field("width").type == pa.int32()


def test_statistics_are_those_of_img2dataset(layout: Layout) -> None:
    whole(layout, "files")
    stats = read_stats(layout.stats(0))
    assert list(stats) == [
        *("count", "successes", "failed_to_download", "failed_to_resize"),
        *("duration", "start_time", "end_time", "status_dict"),
    ]
    assert [stats[name] for name in list(stats)[:4]] == [10, 7, 3, 0]
    assert stats["status_dict"] == {"success": 7, "not_found": 3}
    assert 0 <= stats["duration"] == stats["end_time"] - stats["start_time"]
    layout.stats(1).write_text("[]")
    with pytest.raises(FormatError, match="not the statistics of a shard"):
        read_stats(layout.stats(1))


def test_members_of_a_tar(layout: Layout) -> None:
    entries = whole(layout, "webdataset")
    path = layout.folder / "00000.tar"
    with tarfile.open(path) as tar:
        names = tar.getnames()
        assert names[:3] == ["000000.jpg", "000000.txt", "000000.json"]
        assert tar.extractfile("000001.txt").read() == b"caption 1"  # type: ignore[union-attr]
        assert json.loads(tar.extractfile("000001.json").read()) == row(layout, 1)  # type: ignore[union-attr]
        assert {info.mode for info in tar} == {0o444}
    assert path.stat().st_size % tarfile.RECORDSIZE == 0
    place = entries[1].place
    assert place is not None
    assert path.read_bytes()[place.offset : place.offset + place.size] == image(1)  # type: ignore[operator]
    assert dict(places(path))["000001"] == place


def test_folders_of_classes(layout: Layout) -> None:
    whole(layout, "imagefolder")
    folders = {path.name for path in layout.folder.iterdir() if path.is_dir()}
    assert folders == {"cat", class_folder("dog/wolf")}
    assert {path.suffix for path in layout.folder.glob("*/*")} == {".jpg"}
    assert {one["file"] for one in read_rows(layout.table(0)) if one["file"]} == {
        str(path.relative_to(layout.folder)) for path in layout.folder.glob("*/*.jpg")
    }


def test_a_class_never_leads_out_of_the_folder() -> None:
    hostile = [
        "..",
        "../../etc",
        "/etc",
        ".hidden",
        "a\nb",
        "a\u202eb",
        "x" * 900,
        "é" * 300,
        "con:",
        " ",
        "a/b",
        "a_b",
    ]
    folders = [class_folder(label) for label in hostile]
    assert len(set(folders)) == len(hostile)
    for folder in folders:
        assert Path(folder).name == folder
        assert not folder.startswith(".")
        assert len(folder.encode()) < 250
        assert folder.isprintable()
    assert class_folder("great white shark, white shark") == "great white shark, white shark"
    assert class_folder(None) == class_folder("") == "unlabeled"


@pytest.mark.parametrize("kind", KINDS)
def test_goes_on_after_a_break(layout: Layout, kind: Kind) -> None:
    shard = Shard(layout, 0, kind)
    list(fill(shard, range(5)))
    shard.sync()
    shard.close()
    _, held = read_journal(layout.journal(0))
    assert sorted(held) == [layout.key(Slot(0, number)) for number in range(5)]
    assert not layout.is_finished(0)
    shard = Shard(layout, 0, kind)
    list(fill(shard, range(5, 10)))
    shard.seal(10, LISTED)
    shard.complete()
    assert images_of(layout, kind).keys() == {layout.key(Slot(0, number)) for number in range(10) if number % 3 != 2}
    assert read_stats(layout.stats(0))["successes"] == 7


@pytest.mark.parametrize("kind", ["webdataset", "parquet"])
def test_a_cut_at_any_byte_loses_what_was_not_whole(layout: Layout, kind: Kind) -> None:
    shard = Shard(layout, 0, kind)
    list(fill(shard, range(10)))
    shard.sync()
    shard.close()
    journal = layout.journal(0).read_bytes()
    tar = next(path for path in layout.folder.glob("*.tar"))
    bytes_ = tar.read_bytes()
    for cut in range(0, len(journal), 97):
        layout.journal(0).write_bytes(journal[:cut])
        tar.write_bytes(bytes_ + b"half of a sample"[: cut % 17])
        shard = Shard(layout, 0, kind)
        _, held = read_journal(layout.journal(0))
        left = [number for number in range(10) if layout.key(Slot(0, number)) not in held]
        assert len(left) == 10 - journal[:cut].count(b'"row"', 0, journal[:cut].rfind(b"\n") + 1)
        for number in left:
            list(fill(shard, range(number, number + 1)))
        shard.seal(10, LISTED)
        shard.complete()
        assert images_of(layout, kind) == {
            layout.key(Slot(0, number)): image(number) for number in range(10) if number % 3 != 2
        }
        layout.stats(0).unlink()


def test_an_end_that_was_written_already_is_no_obstacle(layout: Layout) -> None:
    shard = Shard(layout, 0, "webdataset")
    list(fill(shard, range(9)))
    with pytest.raises(StageError, match=r"00000.parquet: 9 of 10 rows are known"):
        shard.seal(10, LISTED)
    list(fill(shard, range(9, 10)))
    shard.seal(10, LISTED)
    shard.close()  # killed before `complete`
    shard = Shard(layout, 0, "webdataset")
    shard.seal(10, LISTED)
    shard.complete()
    assert len(images_of(layout, "webdataset")) == 7


@pytest.mark.parametrize("kind", KINDS)
def test_a_finished_shard_is_opened_for_more(layout: Layout, kind: Kind) -> None:
    whole(layout, kind)
    reopen(layout, 0, kind)
    assert not layout.is_finished(0)
    shard = Shard(layout, 0, kind)
    shard.add(row(layout, 2), image(2), "jpg", label="cat")
    shard.seal(10, LISTED)
    shard.complete()
    wanted = {layout.key(Slot(0, number)): image(number) for number in range(10) if number % 3 != 2 or number == 2}
    assert images_of(layout, kind) == wanted
    assert read_stats(layout.stats(0))["successes"] == 8
    assert finished_entries(layout, 0, kind)["000002"].row["status"] == "success"


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_that_is_gone_is_noticed(layout: Layout, kind: Kind) -> None:
    whole(layout, kind)
    if kind == "parquet":
        layout.table(0).write_bytes(b"PAR1")
    elif kind == "webdataset":
        tar = TarFile(layout.folder / "00000.tar", 1024)
        tar.finish()
    else:
        next(layout.folder.glob("*/*.jpg")).unlink()
    with pytest.raises(FormatError):
        finished_entries(layout, 0, kind)


def test_what_kills_left_is_removed(layout: Layout) -> None:
    whole(layout, "parquet")
    Shard(layout, 1, "parquet").close()
    left = [".00000.journal", ".00000.tar", ".00001.parquet.0a1b2c3d.tmp", ".00000_stats.json.0a1b2c3d.tmp"]
    kept = [".lock", ".shards.toml", ".00001.journal", ".00001.tar", ".mine.tmp", ".bashrc"]
    for name in (*left, *kept):
        (layout.folder / name).touch()
    layout.clean()
    assert sorted(path.name for path in layout.folder.glob(".*")) == sorted(kept)


def test_a_folder_keeps_its_settings(layout: Layout) -> None:
    layout.claim("files")
    layout.claim("files")
    with pytest.raises(
        InputError, match='was begun as kind = "files", per_shard = 10, digits = 5, not kind = "parquet"'
    ):
        layout.claim("parquet")
    with pytest.raises(InputError, match="per_shard = 11"):
        Layout(layout.folder, 11).claim("files")


def test_a_tar_that_lost_its_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "00000.tar").write_bytes(bytes(512))
    with pytest.raises(FormatError, match="512 bytes, but images were written up to byte 1,024"):
        TarFile(tmp_path / "00000.tar", 1024)
    (tmp_path / "1.tar").write_bytes(b"no tar" * 100)
    with pytest.raises(FormatError, match="not a readable tar file"):
        list(places(tmp_path / "1.tar"))


@pytest.mark.parametrize("is_read_soon", [False, True])
def test_a_tar_is_written_back_while_it_grows(tmp_path: Path, is_read_soon: bool) -> None:
    tar = TarFile(tmp_path / "0.tar", 0, is_read_soon=is_read_soon)
    images = [bytes([number]) * (1 << 20) for number in range(40)]
    with ThreadPoolExecutor(1) as beside:
        under_way, kept = [], []
        for number, image in enumerate(images):
            kept.append(tar.append(f"{number:05}", {"jpg": image}))
            if tar.is_dirty:
                under_way.append(beside.submit(tar.write_back))
                under_way[-1].result() if number % 2 else None
        assert under_way
        tar.write_back()
        assert not tar.is_dirty
        under_way.append(beside.submit(tar.write_back))
        tar.finish()
        under_way.append(beside.submit(tar.write_back))  # it is closed: nothing to do
    assert not any(done.exception() for done in under_way)
    assert [place for _, place in places(tmp_path / "0.tar")] == kept
    assert [place.read(tmp_path) for place in kept] == images


def test_types_of_columns() -> None:
    rows = [{"a": 1, "b": None, "c": "x", "d": [1, 2]}, {"a": 2, "b": None, "c": 3, "d": None}]
    assert listed_schema(rows) == pa.schema(
        [("a", pa.int64()), ("b", pa.string()), ("c", pa.string()), ("d", pa.list_(pa.int64()))]
    )


def test_a_value_that_does_not_fit_its_column_makes_it_text(layout: Layout) -> None:
    shard = Shard(layout, 0, "files")
    for number in range(10):
        shard.miss(row(layout, number, "failed_to_download", "cut_off") | {"similarity": "high" if number else 0.5})
    shard.seal(10, LISTED)
    shard.complete()
    assert [one["similarity"] for one in read_rows(layout.table(0))] == ["0.5", *["high"] * 9]


def test_places_of_a_tar_with_long_headers(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("1.json", "1.jpg", "2.jpg"):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = 5, 1.5  # type: ignore[assignment]  img2dataset's of old: a PAX header each
            tar.addfile(info, io.BytesIO(b"12345"))
    found = dict(places(tmp_path / "x.tar"))
    data = (tmp_path / "x.tar").read_bytes()
    assert list(found) == ["1", "2"]
    assert {data[place.offset : place.offset + place.size] for place in found.values()} == {b"12345"}  # type: ignore[operator]
    assert found["2"] == Place("x.tar", found["2"].offset, 5, found["2"].offset + 512)  # type: ignore[operator]


FULL = """
import sys
from pathlib import Path
from goldpan.core.errors import StageError
from goldpan.formats.img2dataset import shard as shards
from goldpan.formats.img2dataset.layout import Layout
shards._ROOM = 0
layout = Layout(Path(sys.argv[1]))
shard, added = shards.Shard(layout, 0, sys.argv[2]), 0
try:
    while True:
        shard.add({"key": f"{added:09d}", "url": "u", "status": "success", "error_message": None}, bytes(40_000), "jpg")
        shard.sync()
        added += 1
except StageError as error:
    print(added, error)
"""


@pytest.mark.parametrize("kind", ["webdataset", "files"])
def test_a_full_disk(tmp_path: Path, kind: Kind) -> None:
    """Two megabytes of disk: what was written stays whole."""
    words = f"mount -t tmpfs -o size=2m none {tmp_path} && {sys.executable} - {tmp_path} {kind} && cp -r {tmp_path} $0"
    copy = tmp_path.parent / f"copy-{kind}"
    made = subprocess.run(["unshare", "-rm", "sh", "-c", words, copy], input=FULL, capture_output=True, text=True)
    if made.returncode and "oldpan" not in made.stderr:
        pytest.skip(f"this machine mounts no small disk: {made.stderr.strip()}")
    added, _, message = made.stdout.partition(" ")
    assert int(added) > 20
    assert message.startswith("No space is left for")
    layout = Layout(copy)
    assert len(read_journal(layout.journal(0))[1]) >= int(added)
    shard = Shard(layout, 0, kind)
    count = len(read_journal(layout.journal(0))[1])
    shard.seal(count, pa.schema([("url", pa.string())]))
    shard.complete()
    assert len(finished_entries(layout, 0, kind)) == count
