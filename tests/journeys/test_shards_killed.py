"""kill -9 while shards are written, and a disk that fills up: nothing is lost, nothing is half."""

import hashlib
import io
import json
import random
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import get_args

import pytest
from PIL import Image

from goldpan.formats.img2dataset.bodies import Kind
from goldpan.formats.img2dataset.journal import read_journal
from goldpan.formats.img2dataset.layout import Layout, read_stats
from goldpan.formats.img2dataset.tables import read_rows
from goldpan.store.workspace import Workspace
from tests.hostile import Case, HostileServer, no_robots
from tests.hostile_cases import numbered, png
from tests.journeys.conftest import Shell

HOSTS, PER_SHARD = 20, 150


def serving() -> HostileServer:
    return HostileServer([Case(f"host{i}", numbered(0.3), None, None, "/", no_robots) for i in range(HOSTS)])


def listed(path: Path, server: HostileServer, images: int) -> Path:
    rows = (f"{server.url(f'host{i % HOSTS}', f'/{i}.png')},caption {i},k{i % 3}\n" for i in range(images))
    path.write_text("url,caption,label\n" + "".join(rows))
    return path


def check(folder: Path, out: Path, images: int) -> None:
    """Every row of the list is in its shard and in the workspace, once, and every image is what it is to be."""
    ws, layout = Workspace(folder), Layout(out, PER_SHARD)
    rows = ws.images.to_table().to_pylist()
    assert len({row["id"] for row in rows}) == len(rows) == images - images // 5
    assert ws.failures.count() == images // 5
    for row in rows:
        number = int(json.loads(row["extra"])["url"].rpartition("/")[2].removesuffix(".png"))
        found = ws.blobs.read(row["uri"])
        data = found.read_bytes() if isinstance(found, Path) else found
        assert hashlib.sha256(data).hexdigest() == row["sha256"]
        with (
            Image.open(io.BytesIO(data)) as image,
            Image.open(io.BytesIO(png(f"#{number * 997 % 0xFFFFFF:06x}"))) as sent,
        ):
            assert image.tobytes() == sent.tobytes()
    tables = [read_rows(layout.table(shard)) for shard in layout.finished()]
    keys = [row["key"] for table in tables for row in table]
    assert len(keys) == len(set(keys)) == images
    assert sum(read_stats(layout.stats(shard))["successes"] for shard in layout.finished()) == len(rows)
    assert {path.name for path in out.glob(".*")} == {".lock", ".shards.toml"}
    for path in out.glob("*.tar"):
        with tarfile.open(path) as tar:
            names = tar.getnames()
        assert len(names) == len(set(names))


def known(folder: Path) -> set[str]:
    """Return the URLs whose fate is written down: in the workspace, or in the journals of unfinished shards."""
    urls = set()
    if (folder / "ws/images.lance").exists():
        rows = Workspace(folder / "ws").images.to_table(columns=["extra"])["extra"].to_pylist()
        urls = {json.loads(row)["url"] for row in rows}
    for path in folder.glob("out/.*.journal"):
        _, entries = read_journal(path)
        urls |= {entry.row["url"] for entry in entries.values()}
    return urls


@pytest.mark.slow
@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize(("rounds", "images"), [(15, 2400)])
def test_shards_survive(goldpan: Shell, kind: Kind, rounds: int, images: int) -> None:
    rng, killed, came = random.Random(11), 0, set()
    goldpan("init", "ws")
    with serving() as server:
        words = ("acquire", "urls", "ws", listed(goldpan.folder / "list.csv", server, images), "--allow-private")
        words += ("--ports", server.port, "--output", "out", "--output-format", kind, "--per-shard", PER_SHARD)
        for _ in range(rounds):
            process = goldpan.start(*words)
            time.sleep(rng.uniform(1.5, 4.0))
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
            came = known(goldpan.folder)
            asked = len(server.asked)
        goldpan(*words, code=3)
        again = {f"http://{ask.headers['host']}{ask.path}" for ask in server.asked[asked:]}
    assert killed
    assert not again & came, "what the workspace or a shard knew is not fetched again"
    check(goldpan.folder / "ws", goldpan.folder / "out", images)


@pytest.mark.slow
def test_a_disk_that_fills_up(goldpan: Shell) -> None:
    """Shards on a disk of 70 MB, too small; then there is more room, and the same command ends well."""
    images = 400
    goldpan("init", "ws")
    with serving() as server:
        words = ["acquire", "urls", "ws", str(listed(goldpan.folder / "list.csv", server, images)), "--allow-private"]
        words += ["--ports", str(server.port), "--output", "out", "--output-format", "webdataset", "--per-shard", "150"]
        words += ["--max-failures", "100%", "--encode-format", "png", "--encode-quality", "0", "--image-size", "400"]
        fetch = f"{sys.executable} -m goldpan {' '.join(words)}"
        script = f"""
            mkdir out && mount -t tmpfs -o size=70m none out || exit 77
            {fetch}; echo "first $?"
            mount -o remount,size=1g out || exit 77
            {fetch} && cp -r out copy"""
        done = subprocess.run(
            ["unshare", "-rm", "sh", "-c", script], cwd=goldpan.folder, capture_output=True, text=True, timeout=120
        )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"this machine mounts no small disk: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert "first 1" in done.stdout
    assert "No space is left for" in done.stderr
    assert "Traceback" not in done.stderr
    (goldpan.folder / "out").rmdir()
    (goldpan.folder / "copy").rename(goldpan.folder / "out")
    ws = Workspace(goldpan.folder / "ws")
    assert ws.images.count() == 320
    for row in ws.images.to_table().to_pylist():
        assert hashlib.sha256(ws.blobs.read(row["uri"])).hexdigest() == row["sha256"]
    assert Layout(goldpan.folder / "out").finished() == [0, 1, 2]
