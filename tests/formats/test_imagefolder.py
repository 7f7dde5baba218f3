"""ImageFolder and its metadata.json."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from goldpan.core.errors import ImageError, Reason
from goldpan.formats.imagefolder import Picture, Written, write_imagefolder


def row(key: str, label: str | None, data: bytes, **fields: Any) -> dict[str, Any]:
    sha256 = hashlib.sha256(data).hexdigest()
    usual = {"uri": f"blob:{sha256}", "caption": None, "width": 6, "height": 4, "format": "JPEG", "extra": None}
    return {"id": key, "label": label, "sha256": sha256} | usual | fields


class Bytes:
    """Gives bytes by address, and remembers which it was asked for."""

    def __init__(self, *known: bytes, **files: Any) -> None:
        self._known = {f"blob:{hashlib.sha256(data).hexdigest()}": data for data in known} | files
        self.asked: list[str] = []

    def read_all(self, uris: Sequence[str]) -> Iterator[bytes | Path | ImageError]:
        for uri in uris:
            self.asked.append(uri)
            yield self._known.get(uri) or ImageError(Reason.MISSING_FILE, "gone")


def write(folder: Path, rows: list[dict[str, Any]], source: Bytes) -> Written:
    return write_imagefolder(folder, map(Picture.of, rows), source.read_all)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_an_image_is_in_the_folder_of_its_class(tmp_path: Path) -> None:
    extra = json.dumps({"similarity": 0.3, "url": "http://a/1", "original_width": 60, "original_height": 40})
    rows = [
        row("a", "great white shark", b"one", caption="a shark", extra=extra),
        row("b.jpg", "ox", b"two"),
        row("c", None, b"three", format="TIFF"),
        row("d", "ox", b"one", format="PNG"),
    ]
    assert write(tmp_path, rows, Bytes(b"one", b"two", b"three")) == (4, 0, [])
    found = files(tmp_path)
    told = json.loads(found.pop("metadata.json"))
    assert found == {
        "great white shark/a.jpg": b"one", "ox/b.jpg": b"two", "ox/d.png": b"one", "unlabeled/c.tif": b"three",
    }  # fmt: skip
    assert list(told) == ["a", "b.jpg", "c", "d"]
    assert told["a"] == {
        "similarity": 0.3, "QUERY": "great white shark", "caption": "a shark", "url": "http://a/1", "width": 6,
        "height": 4, "original_width": 60, "original_height": 40, "sha256": hashlib.sha256(b"one").hexdigest(),
    }  # fmt: skip
    assert (told["b.jpg"]["url"], told["b.jpg"]["original_width"]) == (None, 6)


@pytest.mark.parametrize("name", ["..", "../../x", "/etc/x", "a/b", "\0", "CON.", "x" * 300, "é/ü", "~"])
def test_names_stay_within_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "out"
    write(folder, [row(name, "ox", b"one"), row("a", name, b"two")], Bytes(b"one", b"two"))
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    depths = {len(path.relative_to(folder).parts) for path in folder.rglob("*.jpg")}
    assert depths == {2}
    assert set(json.loads((folder / "metadata.json").read_text())) == {name, "a"}


def test_the_same_bytes_are_in_a_class_once(tmp_path: Path) -> None:
    rows = [row("a", "ox", b"one"), row("b", "ox", b"one"), row("c", "fox", b"one")]
    assert write(tmp_path, rows, Bytes(b"one")) == (2, 1, [])
    assert set(files(tmp_path)) == {"ox/a.jpg", "fox/c.jpg", "metadata.json"}


def test_files_that_are_there_are_not_read_again(tmp_path: Path) -> None:
    rows = [row(f"{i}", "ox", b"%d" % i) for i in range(200)]
    source = Bytes(*(b"%d" % i for i in range(200)))
    write(tmp_path, rows[:150], source)
    (tmp_path / "ox/7.jpg").unlink()
    source.asked.clear()
    assert write(tmp_path, rows, source).images == 200
    assert source.asked == [rows[7]["uri"], *(each["uri"] for each in rows[150:])]
    assert len(json.loads((tmp_path / "metadata.json").read_text())) == 200


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "there.jpg").write_bytes(b"file")
    source = Bytes(there=tmp_path / "there.jpg", gone=tmp_path / "gone.jpg")
    rows = [row("a", "ox", b"1", uri="there"), row("b", "ox", b"2", uri="gone"), row("c", "ox", b"3", uri="never")]
    images, repeated, lost = write(tmp_path / "out", rows, source)
    assert (images, repeated) == (1, 0)
    assert [(key, error.reason) for key, error in lost] == [("b", Reason.MISSING_FILE), ("c", Reason.MISSING_FILE)]
    assert set(files(tmp_path / "out")) == {"ox/a.jpg", "metadata.json"}
    assert set(json.loads((tmp_path / "out/metadata.json").read_text())) == {"a"}


def test_no_pictures_are_an_empty_record(tmp_path: Path) -> None:
    assert write(tmp_path, [], Bytes()) == (0, 0, [])
    assert files(tmp_path) == {"metadata.json": b"{}\n"}
