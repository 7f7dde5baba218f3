"""Large files: whole or not at all, on from where they broke off, and what they are said to be."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from goldpan.core.errors import InputError, Reason
from goldpan.fetch.client import Fetcher, FetchError
from goldpan.fetch.part import Part
from tests.fetch.serving import options, serve
from tests.hostile import Ask, Hangup

FILE = hashlib.shake_128(b"a file").digest(300_000)
OTHER = hashlib.shake_128(b"another").digest(300_000)
SHA256 = hashlib.sha256(FILE).hexdigest()


class Mirror:
    """Serves a file as good servers do: ranges, If-Range; cut short the first `cuts` times.

    Attributes:
        file: served.
        etag: of the file.
        sent: of each request, its range and its If-Range.
    """

    def __init__(self, cuts: int = 0, etag: str | None = '"one"', ranges: bool = True) -> None:
        self.file, self.etag, self.cuts, self.ranges = FILE, etag, cuts, ranges
        self.knows_no_conditions = False
        self.sent: list[tuple[str | None, str | None]] = []

    async def __call__(self, ask: Ask) -> None:
        wanted, condition = ask.headers.get("range"), ask.headers.get("if-range")
        self.sent.append((wanted, condition))
        tag = {"etag": self.etag} if self.etag else {}
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.ranges else 0
        if condition and condition != self.etag and not self.knows_no_conditions:
            start = 0
        if start >= len(self.file):
            await ask.reply(status="416 Range Not Satisfiable", content_range=f"bytes */{len(self.file)}")
            return
        rest, status = self.file[start:], "200 OK"
        if start:
            status, tag["content-range"] = "206 Partial Content", f"bytes {start}-{len(self.file) - 1}/{len(self.file)}"
        if self.cuts:
            self.cuts -= 1
            await ask.reply(rest[:100_000], status, content_length=str(len(rest)), **tag)
            raise Hangup
        await ask.reply(rest, status, **tag)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_comes_whole(tmp_path: Path) -> None:
    counted: list[int] = []
    with serve(mirror=Mirror()) as server, Fetcher(options(server)) as fetcher:
        path = fetcher.download(server.url("mirror"), tmp_path / "sub" / "file.bin", on_bytes=counted.append)
    assert path.read_bytes() == FILE
    assert names(path.parent) == {"file.bin"}
    assert sum(counted) == len(FILE)


def test_it_goes_on_where_it_broke_off(tmp_path: Path) -> None:
    mirror, counted = Mirror(cuts=2), list[int]()
    with serve(mirror=mirror) as server, Fetcher(options(server, retries=1)) as fetcher:
        path = fetcher.download(server.url("mirror"), tmp_path / "file.bin", sha256=SHA256, on_bytes=counted.append)
    assert path.read_bytes() == FILE
    assert mirror.sent == [(None, None), ("bytes=100000-", '"one"'), ("bytes=200000-", '"one"')]
    assert sum(counted) == len(FILE)


def test_what_came_is_kept_for_another_run(tmp_path: Path) -> None:
    mirror = Mirror(cuts=2)
    with serve(mirror=mirror) as server, Fetcher(options(server, retries=0)) as fetcher:
        with pytest.raises(FetchError) as caught:
            fetcher.download(server.url("mirror"), tmp_path / "file.bin")
        assert caught.value.reason == Reason.CUT_OFF
        assert names(tmp_path) == {"file.bin.part", "file.bin.part.etag"}


def test_another_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(FILE[:120_000])
    (tmp_path / "file.bin.part.etag").write_text('"one"')
    mirror = Mirror()
    with serve(mirror=mirror) as server, Fetcher(options(server)) as fetcher:
        path = fetcher.download(server.url("mirror"), tmp_path / "file.bin")
    assert path.read_bytes() == FILE
    assert mirror.sent == [("bytes=120000-", '"one"')]
    assert names(tmp_path) == {"file.bin"}


@pytest.mark.parametrize("known", [True, False])
def test_a_changed_file_begins_anew(tmp_path: Path, known: bool) -> None:
    (tmp_path / "file.bin.part").write_bytes(OTHER[:120_000])
    if known:
        (tmp_path / "file.bin.part.etag").write_text('"zero"')
    counted: list[int] = []
    with serve(mirror=Mirror()) as server, Fetcher(options(server)) as fetcher:
        path = fetcher.download(server.url("mirror"), tmp_path / "file.bin", on_bytes=counted.append)
    assert path.read_bytes() == FILE
    assert sum(counted) == len(FILE)


def test_a_changed_file_is_noticed_where_the_server_does_not(tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(OTHER[:120_000])
    (tmp_path / "file.bin.part.etag").write_text('"zero"')
    mirror, counted = Mirror(), list[int]()
    mirror.knows_no_conditions = True
    with serve(mirror=mirror) as server, Fetcher(options(server, retries=1)) as fetcher:
        path = fetcher.download(server.url("mirror"), tmp_path / "file.bin", on_bytes=counted.append)
    assert path.read_bytes() == FILE
    assert mirror.sent == [("bytes=120000-", '"zero"'), (None, None)]
    assert sum(counted) == len(FILE)


@pytest.mark.parametrize("etag", ['W/"weak"', '"caf\u00e9"', '"two"\n"tags"'])
def test_validators_that_are_none(tmp_path: Path, etag: str) -> None:
    mirror = Mirror(cuts=1, etag=etag)
    with serve(mirror=mirror) as server, Fetcher(options(server, retries=1)) as fetcher:
        assert fetcher.download(server.url("mirror"), tmp_path / "file.bin").read_bytes() == FILE
    assert mirror.sent == [(None, None), (None, None)]


def test_a_sum_stands_in_for_a_validator(tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(FILE[:120_000])
    mirror = Mirror(etag=None)
    with serve(mirror=mirror) as server, Fetcher(options(server)) as fetcher:
        path = fetcher.download(server.url("mirror"), tmp_path / "file.bin", md5=hashlib.md5(FILE).hexdigest().upper())
    assert path.read_bytes() == FILE
    assert mirror.sent == [("bytes=120000-", None)]


def test_a_beginning_of_another_file_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(OTHER[:120_000])
    mirror = Mirror(etag=None)
    with serve(mirror=mirror) as server, Fetcher(options(server)) as fetcher:
        path = fetcher.download(server.url("mirror"), tmp_path / "file.bin", sha256=SHA256)
    assert path.read_bytes() == FILE
    assert mirror.sent == [("bytes=120000-", None), (None, None)]


@pytest.mark.parametrize("there", [len(FILE), len(FILE) + 5])
def test_a_part_that_is_whole_or_too_long(tmp_path: Path, there: int) -> None:
    (tmp_path / "file.bin.part").write_bytes((FILE + b"more of it")[:there])
    (tmp_path / "file.bin.part.etag").write_text('"one"')
    with serve(mirror=Mirror()) as server, Fetcher(options(server)) as fetcher:
        path = fetcher.download(server.url("mirror"), tmp_path / "file.bin", sha256=SHA256)
    assert path.read_bytes() == FILE


def test_a_server_without_ranges(tmp_path: Path) -> None:
    mirror = Mirror(cuts=1, ranges=False)
    with serve(mirror=mirror) as server, Fetcher(options(server)) as fetcher:
        path = tmp_path / "file.bin"
        with pytest.raises(FetchError):
            fetcher.download(server.url("mirror"), path)
        assert fetcher.download(server.url("mirror"), path).read_bytes() == FILE


def test_beginning_anew_is_not_tried_for_ever(tmp_path: Path) -> None:
    asked = 0

    async def mirror(ask: Ask) -> None:
        nonlocal asked
        asked += 1
        await ask.reply(FILE[: 100_000 * (1 + asked % 2)], content_length=str(len(FILE)))
        raise Hangup

    with serve(mirror=mirror) as server, Fetcher(options(server, retries=2)) as fetcher, pytest.raises(FetchError):
        fetcher.download(server.url("mirror"), tmp_path / "file.bin")
    assert asked == 3


@pytest.mark.parametrize("wrong", [{"sha256": "0" * 64}, {"md5": "0" * 32}, {"size": 7}, {"size": 300_001}])
def test_what_it_is_not(tmp_path: Path, wrong: dict[str, str]) -> None:
    with serve(mirror=Mirror()) as server, Fetcher(options(server)) as fetcher, pytest.raises(FetchError) as caught:
        fetcher.download(server.url("mirror"), tmp_path / "file.bin", **wrong)
    assert caught.value.reason == Reason.WRONG_HASH
    assert not (tmp_path / "file.bin").exists()


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    mirror, path = Mirror(), tmp_path / "file.bin"
    path.write_bytes(FILE)
    with serve(mirror=mirror) as server, Fetcher(options(server)) as fetcher:
        assert fetcher.download(server.url("mirror"), path, sha256=SHA256, size=len(FILE)) == path
        assert mirror.sent == []
        path.write_bytes(OTHER)
        fetcher.download(server.url("mirror"), path, sha256=SHA256)
    assert path.read_bytes() == FILE


def test_no_resume(tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(FILE[:120_000])
    (tmp_path / "file.bin.part.etag").write_text('"one"')
    mirror = Mirror()
    with serve(mirror=mirror) as server, Fetcher(options(server)) as fetcher:
        fetcher.download(server.url("mirror"), tmp_path / "file.bin", resume=False)
    assert mirror.sent == [(None, None)]


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        serve(mirror=Mirror()) as server,
        Fetcher(options(server)) as fetcher,
        Part(tmp_path / "file.bin"),
        pytest.raises(InputError, match="by another process"),
    ):
        fetcher.download(server.url("mirror"), tmp_path / "file.bin")


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with (
        serve(mirror=Mirror()) as server,
        Fetcher(options(server)) as fetcher,
        pytest.raises(InputError, match="cannot be written"),
    ):
        fetcher.download(server.url("mirror"), tmp_path / "file" / "below.bin")


def test_where_there_is_no_more_room(tmp_path: Path) -> None:
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    with serve(mirror=Mirror()) as server, Fetcher(options(server)) as fetcher:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, usual[1]))
        try:
            with pytest.raises(InputError, match="cannot be written: File too large"):
                fetcher.download(server.url("mirror"), tmp_path / "file.bin")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        assert (tmp_path / "file.bin.part").stat().st_size == 100_000
        assert fetcher.download(server.url("mirror"), tmp_path / "file.bin").read_bytes() == FILE


def test_odd_answers(tmp_path: Path) -> None:
    async def another_part(ask: Ask) -> None:
        await ask.reply(b"x" * 9, "206 Partial Content", content_range="bytes 7-15/16")

    async def packed(ask: Ask) -> None:
        await ask.reply(FILE, content_encoding="gzip")

    async def missing(ask: Ask) -> None:
        await ask.reply(b"<html>", "404 Not Found")

    odd = {"another_part": Reason.BAD_RESPONSE, "packed": Reason.BAD_RESPONSE, "missing": Reason.NOT_FOUND}
    with (
        serve(another_part=another_part, packed=packed, missing=missing) as server,
        Fetcher(options(server)) as fetcher,
    ):
        for name, reason in odd.items():
            with pytest.raises(FetchError) as caught:
                fetcher.download(server.url(name), tmp_path / "file.bin")
            assert caught.value.reason == reason
    assert names(tmp_path) == set()


def test_a_file_of_nothing(tmp_path: Path) -> None:
    async def empty(ask: Ask) -> None:
        await ask.reply(b"")

    with serve(empty=empty) as server, Fetcher(options(server)) as fetcher:
        assert fetcher.download(server.url("empty"), tmp_path / "file.bin", size=0).read_bytes() == b""
    assert names(tmp_path) == {"file.bin"}


def test_redirects_are_followed_with_the_range(tmp_path: Path) -> None:
    mirror = Mirror()

    async def front(ask: Ask) -> None:
        await ask.reply(status="302 Found", location=f"http://{server.home('mirror')}:{server.port}/")

    (tmp_path / "file.bin.part").write_bytes(FILE[:120_000])
    with serve(front=front, mirror=mirror) as server, Fetcher(options(server)) as fetcher:
        path = fetcher.download(server.url("front"), tmp_path / "file.bin", sha256=SHA256)
    assert path.read_bytes() == FILE
    assert mirror.sent == [("bytes=120000-", None)]


def test_robots_are_not_asked_for_a_file_that_a_person_names(tmp_path: Path) -> None:
    async def all_closed(ask: Ask) -> None:
        await ask.reply(b"User-agent: *\nDisallow: /\n")

    with serve(all_closed, mirror=Mirror()) as server, Fetcher(options(server, robots="obey")) as fetcher:
        fetcher.download(server.url("mirror", "/file"), tmp_path / "file.bin")
        assert server.paths("mirror") == ["/file"]


CHILD = """
import sys
from goldpan.fetch.client import Fetcher, FetchOptions

url, path, port = sys.argv[1:]
with Fetcher(FetchOptions(allow_private=True, ports=[int(port)])) as fetcher:
    fetcher.download(url, path)
"""


def test_killed_at_any_moment(tmp_path: Path) -> None:
    async def slow(ask: Ask) -> None:
        start = int(ask.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        status = "206 Partial Content" if start else "200 OK"
        span = {"content_range": f"bytes {start}-{len(FILE) - 1}/{len(FILE)}"} if start else {}
        await ask.reply(status=status, content_length=str(len(FILE) - start), etag='"one"', **span)
        for at in range(start, len(FILE), 2000):
            await ask.send(FILE[at : at + 2000])
            time.sleep(0.01)

    path, part = tmp_path / "file.bin", tmp_path / "file.bin.part"
    with serve(slow=slow) as server:
        words = [sys.executable, "-c", CHILD, server.url("slow"), str(path), str(server.port)]
        sizes = []
        for _ in range(3):
            child = subprocess.Popen(words)
            before = part.stat().st_size if part.exists() else 0
            while not part.exists() or part.stat().st_size <= before:
                time.sleep(0.005)
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
            assert not path.exists()
            sizes.append(part.stat().st_size)
            assert part.read_bytes() == FILE[: sizes[-1]]
        subprocess.run(words, check=True)
    assert sizes == sorted(sizes)
    assert path.read_bytes() == FILE
    assert names(tmp_path) == {"file.bin"}
