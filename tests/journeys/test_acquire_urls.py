"""The commands of the page: a list of URLs, the same again, Ctrl-C, and the rest from a mirror."""

import asyncio
import signal
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from goldpan.store.workspace import Workspace
from tests.fetch.serving import serve
from tests.hostile import Ask, HostileServer
from tests.hostile_cases import png
from tests.journeys.conftest import Shell

HOSTS = [f"host{number}" for number in range(8)]


async def slowly(ask: Ask) -> None:
    await asyncio.sleep(0.1)
    await ask.reply(png())


def listed(path: Path, server: HostileServer, many: int) -> Path:
    """Write a list as LAION's: so many images of each host."""
    urls = [server.url(host, f"/{number}.png") for number in range(many) for host in HOSTS]
    captions = [f"picture {number}" for number in range(len(urls))]
    pq.write_table(pa.table({"URL": urls, "TEXT": captions, "NSFW": ["UNLIKELY"] * len(urls)}), path)
    return path


def images(server: HostileServer) -> list[str]:
    return [f"{ask.host}{ask.path}" for ask in server.asked if ask.path.endswith(".png")]


def test_a_list_and_the_same_again_with_usual_names(goldpan: Shell) -> None:
    goldpan("init", "ws")
    with serve(**dict.fromkeys(HOSTS, slowly)) as server:
        words = ("acquire", "urls", "ws", listed(goldpan.folder / "urls.parquet", server, 5))
        reach = ("--allow-private", "--ports", server.port)
        named = ("--url-column", "URL", "--caption-column", "TEXT", "--image-size", 256, "--resize-mode", "keep_ratio")
        report = goldpan.json(*words, *named, *reach)
        assert (report["rows_in"], report["rows_out"], report["already_done"]) == (40, 40, 0)
        assert len(images(server)) == 40
        report = goldpan.json(*words, *reach)
        assert (report["rows_out"], report["already_done"]) == (40, 40)
        assert len(images(server)) == 40
    rows = Workspace(goldpan.folder / "ws").images.to_table().to_pylist()
    assert {min(row["width"], row["height"]) for row in rows} == {256}
    assert {row["caption"] for row in rows} == {f"picture {number}" for number in range(40)}


def test_ctrl_c_keeps_what_is_known(goldpan: Shell) -> None:
    goldpan("init", "ws")
    with serve(**dict.fromkeys(HOSTS, slowly)) as server:
        words = ("acquire", "urls", "ws", listed(goldpan.folder / "urls.parquet", server, 50))
        words = (*words, "--allow-private", "--ports", server.port)
        process = goldpan.start(*words)
        while len(images(server)) < 200:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        assert process.wait() == 130
        assert time.monotonic() - began < 60
        known = Workspace(goldpan.folder / "ws").images.count()
        assert known > 0
        before = len(images(server))
        report = goldpan.json(*words)
        assert (report["rows_out"], report["already_done"]) == (400, known)
        assert len(images(server)) == before + 400 - known


@pytest.mark.slow
def test_ten_thousand_rows_without_a_network(goldpan: Shell, shared: Path) -> None:
    """Every row of LAION ends as a counted failure where no name server answers; a mirror brings them."""
    table = pq.read_table(shared / "data/captions/laion_10000.parquet")
    pq.write_table(
        table.filter(pc.invert(pc.match_substring_regex(table["URL"], r"//[0-9.]+/"))), goldpan.folder / "l.parquet"
    )
    many = pq.read_metadata(goldpan.folder / "l.parquet").num_rows
    goldpan("init", "ws")
    words = ("acquire", "urls", "ws", "l.parquet", "--max-failures", "100%")
    began = time.monotonic()
    report = goldpan.json(*words, "--name-servers", "127.0.0.1:9")
    assert time.monotonic() - began < 300
    assert report["rows_in"] == report["failed"] == sum(report["failures"].values()) == many > 9_900
    assert report["failures"]["dns_failed"] > many - 10
    with serve(mirror=slowly) as server:
        mirror = ("--mirror", server.url("mirror", "/{host}/{path}"), "--per-host", 64)
        report = goldpan.json(*words, *mirror, "--retry", "transient")
        assert (report["rows_in"], report["failures"]) == (many, {"bad_url": 1})
        asked = len(server.asked)
        assert goldpan.json(*words, *mirror)["already_done"] == many - 1
        assert len(server.asked) == asked
