"""Hostile files on the real command line: each is a counted row, none takes the run down or much memory."""

import struct
import subprocess
import zlib
from pathlib import Path

from PIL import Image

from goldpan.store.workspace import Workspace
from tests.journeys.conftest import GOLDPAN


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header claims a size; its pixels are missing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def test_a_folder_of_traps(tmp_path: Path) -> None:
    traps = tmp_path / "traps"
    traps.mkdir()
    Image.new("RGB", (30, 30), "green").save(traps / "good.png")
    whole = (traps / "good.png").read_bytes()
    (traps / "bomb.png").write_bytes(png_of(50_000, 50_000))
    (traps / "zip.jpg").write_bytes(b"PK\x03\x04" + b"\0" * 300)
    (traps / "eps.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nquit\n")
    (traps / "svg.png").write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    (traps / "html.gif").write_bytes(b"<html>not found</html>")
    (traps / "cut.png").write_bytes(whole[:40])
    (traps / "empty.webp").touch()
    (traps / "folder.jpg").mkdir()
    (traps / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (traps / "new\nline.png").write_bytes(whole)
    ws = tmp_path / "ws"
    subprocess.run([*GOLDPAN, "init", str(ws)], check=True, capture_output=True)
    limited = ["sh", "-c", 'ulimit -d 2097152; exec "$@"', "sh"]  # two gigabytes
    words = [*limited, *GOLDPAN, "acquire", "folder", str(ws), str(traps)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3, done.stderr
    reasons = {row["id"]: row["reason"] for row in Workspace(ws).failures.to_table().to_pylist()}
    assert reasons == {
        "bomb.png": "too_many_pixels",
        "zip.jpg": "not_an_image",
        "eps.jpg": "not_an_image",
        "svg.png": "not_an_image",
        "html.gif": "not_an_image",
        "cut.png": "truncated",
        "empty.webp": "empty_file",
        "gone.jpg": "missing_file",
    }
    assert set(Workspace(ws).images.to_table()["id"].to_pylist()) == {"good.png", "new\nline.png"}
