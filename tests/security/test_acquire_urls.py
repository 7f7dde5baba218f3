"""`goldpan acquire urls`, the real command, against hostile servers: each row its image or its reason."""

import csv
import json
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from goldpan.core.errors import Reason
from goldpan.store.workspace import Workspace
from tests.false_internet import BROKEN, NAMES, PRIVATE, PUBLIC, can_be_made, run_inside
from tests.hostile import Ask, Case, Hangup, HostileServer, no_robots
from tests.hostile_cases import CASES, png
from tests.journeys.conftest import GOLDPAN

AGAIN = {"once_unavailable", "once_cut_off"}


class Outcome(NamedTuple):
    """What a run left: its report, the reason of each failure by id (None: an image), and its peak memory, bytes."""

    report: dict[str, Any]
    reasons: dict[str, str | None]
    peak: int


def list_of(path: Path, urls: Iterable[tuple[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "url"), *urls])
    return path


def ended(folder: Path, code: int, out: str, error: str, peak: int = 0) -> Outcome:
    """Read what is in the workspace; check that every row that went in came out."""
    assert code in (0, 3), error
    assert "Traceback" not in error
    report = json.loads(out)
    ws = Workspace(folder / "ws")
    reasons: dict[str, str | None] = dict.fromkeys(ws.images.to_table()["id"].to_pylist())
    failures = ws.failures.to_table().to_pylist()
    assert not set(reasons) & {row["id"] for row in failures}
    reasons |= {row["id"]: row["reason"] for row in failures}
    assert report["rows_in"] == report["rows_out"] + sum(report["failures"].values()) == len(reasons)
    assert all(row["detail"].isprintable() for row in failures)
    return Outcome(report, reasons, peak)


def acquire(folder: Path, urls: Iterable[tuple[str, str]], port: int, *options: object) -> Outcome:
    """Run the command with settings with which loopback can be fetched from."""
    subprocess.run([*GOLDPAN, "init", str(folder / "ws")], check=True, capture_output=True)
    words = ["acquire", "urls", folder / "ws", list_of(folder / "list.csv", urls), "--allow-private", "--json"]
    words += ["--ports", 80, "--ports", port, *options]
    process = subprocess.Popen([*GOLDPAN, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    watch = Watch(process.pid)
    out, error = process.communicate(timeout=120)
    return ended(folder, process.returncode, out, error, watch.peak())


class Watch(threading.Thread):
    """Measures the memory of a process and of all that it starts."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self._process, self._peak = process, 0
        self.start()

    def peak(self) -> int:
        """Return the most it was, bytes, when the process is gone."""
        self.join()
        return self._peak

    def run(self) -> None:
        while now := sum(map(proportional_bytes, family(self._process))):
            self._peak = max(self._peak, now)
            time.sleep(0.05)


def family(process: int) -> Iterator[int]:
    """Yield a process and those it started, and they."""
    yield process
    with suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from family(int(child))


def proportional_bytes(process: int) -> int:
    """Return the memory of a process, its part of what it shares with others."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def test_every_case(tmp_path: Path) -> None:
    names = [name for name in CASES if name not in AGAIN]
    with HostileServer(list(CASES.values())) as server:
        urls = [(name, server.url(name)) for name in names]
        outcome = acquire(tmp_path, urls, server.port, "--timeout", 4, "--retries", 0, "--max-bytes", 16 << 20)
    expected = {name: CASES[name].dropped for name in names}
    # Within four seconds nothing is too slow yet.
    expected |= {name: Reason.TIMED_OUT for name in names if expected[name] == Reason.TOO_SLOW}
    assert outcome.reasons == expected
    assert outcome.peak < 1 << 30


def test_rows_that_are_no_use(tmp_path: Path) -> None:
    rows = {
        "list.csv row 0": ("", "bad_row"),
        "file": ("file:///etc/hostname", "scheme_not_allowed"),
        "data": ("data:image/png;base64,AAAA", "scheme_not_allowed"),
        "word": ("picture", "bad_url"),
        "user": ("http://a:b@127.1.0.1/", "bad_url"),
        "line": ("http://127.1.0.1/a\nb", "bad_url"),
        "port": ("http://127.1.0.1:22/", "port_not_allowed"),
        "metadata": ("http://169.254.169.254/latest/meta-data/", "private_address"),
        "right\u200fto\u202eleft": ("http://[::ffff:a9fe:a9fe]/", "private_address"),
        "new\nline": ("http://2852039166/", "private_address"),
    }
    outcome = acquire(tmp_path, [(name, url) for name, (url, _) in rows.items()], 80)
    assert outcome.reasons == {name: reason for name, (_, reason) in rows.items()}


def test_another_attempt_and_one_url_many_times(tmp_path: Path) -> None:
    with HostileServer([CASES[name] for name in (*AGAIN, "good", "not_found")]) as server:
        urls = [(name, server.url(name)) for name in AGAIN]
        urls += [(f"{name}{i}", server.url(name)) for i in range(50) for name in ("good", "not_found")]
        outcome = acquire(tmp_path, urls, server.port)
        asked = server.paths("good") + server.paths("not_found")
    assert outcome.reasons == {key: "not_found" if key.startswith("not_found") else None for key, _ in urls}
    assert asked == ["/robots.txt", "/image.png"] * 2


@pytest.mark.parametrize("many", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_urls_of_one_host(tmp_path: Path, many: int) -> None:
    with HostileServer([CASES["good"]]) as server:
        urls = [(str(i), server.url("good", f"/{i}.png")) for i in range(many)]
        outcome = acquire(tmp_path, urls, server.port)
        connections = server.connections.total()
    assert set(outcome.reasons.values()) == {None}
    assert len(outcome.reasons) == many
    assert connections < 20
    assert outcome.peak < 1 << 30


@pytest.mark.slow
@pytest.mark.parametrize("is_image", [False, True])
def test_many_large_bodies_at_once(tmp_path: Path, is_image: bool) -> None:
    """A hundred at once, 3 GB: of no image, and of images that are kept, no two alike."""
    piece, stored = bytes(1 << 20), png("red") if is_image else b""

    async def thirty_megabytes(ask: Ask) -> None:
        await ask.send(b"HTTP/1.1 200 OK\r\n\r\n", stored, *[piece] * 30, ask.host.encode())
        raise Hangup

    cases = [Case(f"large{i}", thirty_megabytes, None, None, "/a.png", no_robots) for i in range(100)]
    with HostileServer(cases) as server:
        outcome = acquire(tmp_path, [(case.name, server.url(case.name)) for case in cases], server.port)
    assert set(outcome.reasons.values()) == {None if is_image else "not_an_image"}
    assert outcome.peak < 1 << 30


@pytest.mark.skipif(not can_be_made(), reason="no network namespaces here (unshare, ip)")
def test_with_the_usual_settings_on_an_internet(tmp_path: Path) -> None:
    reasons = dict.fromkeys(NAMES, "private_address") | dict.fromkeys([*BROKEN, "silent.example"], "dns_failed")
    reasons |= dict.fromkeys(["to-metadata.example", "to-metadata-in-hex.example"], "private_address")
    reasons |= dict.fromkeys(["good.example", "rebinding.example", "once-unavailable.example"])
    reasons |= {"opted-out.example": "opted_out", "to-a-file.example": "bad_redirect", PUBLIC: None}
    subprocess.run([*GOLDPAN, "init", str(tmp_path / "ws")], check=True, capture_output=True)
    listed = list_of(tmp_path / "list.csv", [(name, f"http://{name}/image.png") for name in reasons])
    done, seen = run_inside([*GOLDPAN, "acquire", "urls", str(tmp_path / "ws"), str(listed), "--json"], 60)
    assert ended(tmp_path, done.returncode, done.stdout, done.stderr).reasons == reasons
    assert not set(seen["connections"]) & set(PRIVATE)
    assert ["rebinding.example", "/again"] in seen["asked"]
