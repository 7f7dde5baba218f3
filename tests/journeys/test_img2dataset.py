"""img2dataset itself as the judge: what one of us finished is done for the other, and its readers read ours.

Set GOLDPAN_IMG2DATASET to the Python of an environment that has img2dataset 1.47 (and with it webdataset) and Pillow.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from goldpan.formats.img2dataset.layout import Layout
from goldpan.formats.img2dataset.tables import read_rows
from goldpan.store.workspace import Workspace
from tests.hostile import Ask, Case, HostileServer, no_robots
from tests.hostile_cases import png
from tests.journeys.conftest import Shell

IMAGES, PER_SHARD = 23, 5
DOWNLOAD = """
import json, sys
from img2dataset import download
if __name__ == "__main__":
    download(**json.loads(sys.argv[1]))
"""
READ = """
import json, sys, webdataset as wds
samples = wds.WebDataset(sys.argv[1], shardshuffle=False).decode("rgb").to_tuple("__key__", "jpg", "txt", "json")
print(json.dumps([[key, list(image.shape), text, row] for key, image, text, row in samples]))
"""


@pytest.fixture(scope="module")
def peer() -> Path:
    named = os.environ.get("GOLDPAN_IMG2DATASET")
    if named is None:
        pytest.skip("no Python with img2dataset 1.47; set GOLDPAN_IMG2DATASET")
    return Path(named)


async def answer(ask: Ask) -> None:
    """Answer `/7.png` with the seventh image; each fifth is not there, each seventh no image."""
    number = int(ask.path.strip("/").removesuffix(".png"))
    if number % 5 == 4:
        await ask.reply(status="404 Not Found")
    else:
        await ask.reply(b"no image" if number % 7 == 6 else png(f"#{number * 997:06x}"))


@pytest.fixture(scope="module")
def server() -> Iterator[HostileServer]:
    with HostileServer([Case("web", answer, None, None, "/", no_robots)]) as running:
        yield running


@pytest.fixture
def listed(goldpan: Shell, server: HostileServer) -> Path:
    goldpan("init", "ws")
    server.asked.clear()
    rows = [f"{server.url('web', f'/{number}.png')},caption {number}\n" for number in range(IMAGES)]
    (goldpan.folder / "list.csv").write_text("url,caption\n" + "".join(rows))
    return goldpan.folder / "list.csv"


def ours(goldpan: Shell, server: HostileServer, listed: Path, kind: str, *more: str) -> Any:
    words = ("--output", goldpan.folder / "out", "--output-format", kind, "--per-shard", PER_SHARD, "--retries", 0)
    words += ("--allow-private", "--ports", server.port, "--robots", "ignore", "--image-size", 32, "--max-failures", 50)
    return goldpan.json("acquire", "urls", "ws", listed, *words, *more)


def theirs(peer: Path, listed: Path, kind: str, folder: Path) -> str:
    settings = {"url_list": str(listed), "output_folder": str(folder), "input_format": "csv", "caption_col": "caption"}
    settings |= {"output_format": kind, "number_sample_per_shard": PER_SHARD, "processes_count": 1, "thread_count": 4}
    script = folder.parent / "download.py"
    script.write_text(DOWNLOAD)
    words = [peer, script, json.dumps(settings | {"image_size": 32})]
    quiet = os.environ | {"NO_ALBUMENTATIONS_UPDATE": "1"}
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, env=quiet, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    assert "failed to parse stats" not in done.stdout + done.stderr
    return done.stdout


KINDS = ("webdataset", "parquet", "files")


@pytest.mark.parametrize("kind", KINDS)
def test_what_we_finished_is_done_for_img2dataset(
    goldpan: Shell, server: HostileServer, listed: Path, peer: Path, kind: str
) -> None:
    ours(goldpan, server, listed, kind)
    layout = Layout(goldpan.folder / "out", PER_SHARD)
    for path in goldpan.folder.glob("out/00002*"):  # one shard is left to do
        if path.is_file():
            path.unlink()
    tables = {shard: layout.table(shard).read_bytes() for shard in (0, 1, 3, 4)}
    server.asked.clear()
    theirs(peer, listed, kind, goldpan.folder / "out")
    assert {ask.path for ask in server.asked} == {f"/{number}.png" for number in range(10, 15)}
    assert layout.finished() == [0, 1, 2, 3, 4]
    assert {shard: layout.table(shard).read_bytes() for shard in tables} == tables
    mine, other = (pq.read_schema(layout.table(shard)) for shard in (0, 2))
    assert mine.remove_metadata() == other.remove_metadata()


@pytest.mark.parametrize("kind", KINDS)
def test_what_img2dataset_finished_is_done_for_us(
    goldpan: Shell, server: HostileServer, listed: Path, peer: Path, kind: str
) -> None:
    theirs(peer, listed, kind, goldpan.folder / "out")
    server.asked.clear()
    (goldpan.folder / "out/00001_stats.json").unlink()  # a shard that it did not finish
    report = ours(goldpan, server, listed, kind)
    assert {ask.path for ask in server.asked} == {f"/{number}.png" for number in range(5, 10)}
    assert report["rows_in"] == IMAGES == report["rows_out"] + report["failed"]
    assert report["failures"] == {"not_found": 4, "not_an_image": 1, "corrupt": 2}
    goldpan("embed", "ws", "--encoder", "phash:8")
    assert Workspace(goldpan.folder / "ws").vectors("phash:8").array.shape[0] == report["rows_out"]


@pytest.mark.parametrize("kind", KINDS)
def test_both_write_the_same_of_the_same(
    goldpan: Shell, server: HostileServer, listed: Path, peer: Path, kind: str
) -> None:
    ours(goldpan, server, listed, kind, "--extract-exif")
    theirs(peer, listed, kind, goldpan.folder / "theirs")
    mine, other = (Layout(goldpan.folder / name, PER_SHARD) for name in ("out", "theirs"))
    names = ({path.name for path in each.folder.iterdir() if path.name[0] not in "._"} for each in (mine, other))
    assert next(names) == next(names)
    for shard in other.finished():
        rows = zip(read_rows(mine.table(shard)), sorted(read_rows(other.table(shard)), key=key_of), strict=True)
        for row, their_row in rows:
            same = {"url", "caption", "key", "status", "width", "height", "original_width", "original_height", "sha256"}
            assert {name: row[name] for name in same} == {name: their_row[name] for name in same}
        ours_said, they_said = (json.loads(each.stats(shard).read_text()) for each in (mine, other))
        assert list(ours_said) == list(they_said)
        for name in ("count", "successes", "failed_to_download", "failed_to_resize"):
            assert ours_said[name] == they_said[name]


def key_of(row: dict[str, Any]) -> str:
    return str(row["key"])


def test_webdataset_reads_our_tars(goldpan: Shell, server: HostileServer, listed: Path, peer: Path) -> None:
    ours(goldpan, server, listed, "webdataset")
    found = []
    for shard in range(5):
        words = [peer, "-c", READ, str(goldpan.folder / f"out/{shard:05d}.tar")]
        found += json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    rows = [row for shard in range(5) for row in read_rows(Layout(goldpan.folder / "out").table(shard))]
    wanted = {row["key"]: row for row in rows if row["status"] == "success"}
    assert {key: row for key, _, _, row in found} == wanted
    assert {tuple(shape) for _, shape, _, _ in found} == {(32, 32, 3)}
    assert {text for _, _, text, _ in found} == {row["caption"] for row in wanted.values()}
