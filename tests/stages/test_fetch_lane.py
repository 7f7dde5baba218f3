"""A worker of a fleet, in this process: what it tells, when, and which bytes it writes."""

import threading
import time
from pathlib import Path

import pytest

from goldpan.fetch.client import Request
from goldpan.formats.img2dataset.layout import Slot
from goldpan.stages.acquire.barn import Harvest
from goldpan.stages.acquire.config import UrlsConfig
from goldpan.stages.acquire.door import Fate
from goldpan.stages.acquire.fetch_lane import _MOST_BYTES, FetchLane, _Batch
from goldpan.stages.acquire.links import Link
from goldpan.stages.acquire.register import Ticket
from goldpan.store.workspace import Workspace
from tests.fetch.serving import serve
from tests.hostile import Ask
from tests.hostile_cases import png

ROWS = 60


def ticket(number: int, url: str = "") -> Ticket:
    return Ticket(f"{number:03}", Link("list", "", url, {}, {}), Fate.FRESH, Slot(0, number))


def test_bytes_are_written_once_and_all_is_told(tmp_path: Path) -> None:
    async def answer(ask: Ask) -> None:
        number = int(ask.path.strip("/").removesuffix(".png"))
        await ask.reply(png(f"#{number % 7:06x}"))

    ws, folder = Workspace(tmp_path / "ws", create=True), tmp_path / "staged"
    with serve(web=answer) as server:
        config = UrlsConfig(lists=[tmp_path], allow_private=True, ports=[server.port], robots="ignore")
        lane = FetchLane(ws, config, folder)
        told: dict[str, Harvest] = {}
        for start in range(0, ROWS, 20):
            tickets = [ticket(number, server.url("web", f"/{number}.png")) for number in range(start, start + 20)]
            asked = [Request(one, one.link.url) for one in tickets]
            while len(told) < start + 20:
                told |= {key: harvest for (_, key), harvest in lane.turn(asked).result.harvests}
                asked = []
        lane.stop()
    assert sorted(told) == [f"{number:03}" for number in range(ROWS)]
    assert not any(harvest.blobs for harvest in told.values())
    pieces = [piece for harvest in told.values() for piece in harvest.staged]
    assert len({sha256 for piece in pieces for sha256 in piece.sums}) == 7
    assert sum(len(piece.sums) for piece in pieces) == 7
    ws.blobs.adopt(pieces)
    assert {row["sha256"] for harvest in told.values() for row in harvest.rows} == {
        sha256 for piece in pieces for sha256 in piece.sums
    }
    assert all(isinstance(ws.blobs.read(row["uri"]), bytes) for harvest in told.values() for row in harvest.rows)


def harvest(size: int) -> Harvest:
    return Harvest("list", blobs={"a": bytes(size)})


class TestBatch:
    def test_it_is_taken_once_there_are_enough(self) -> None:
        batch = _Batch()
        for number in range(3):
            batch.put(ticket(number), harvest(1))
        assert [key for key, _ in batch.take(3, 60)] == [("list", f"{number:03}") for number in range(3)]
        later = threading.Timer(0.05, lambda: [batch.put(ticket(number), harvest(1)) for number in range(5)])
        later.start()
        assert len(batch.take(2, 60)) >= 2
        later.join()

    def test_or_after_a_while(self) -> None:
        batch = _Batch()
        batch.put(ticket(0), harvest(1))
        assert len(batch.take(2, 0.01)) == 1
        assert batch.take(2, 0.01) == []

    def test_who_brings_much_waits_for_it_to_be_taken(self) -> None:
        batch = _Batch()
        bring = threading.Thread(target=lambda: [batch.put(ticket(number), harvest(_MOST_BYTES)) for number in (0, 1)])
        bring.start()
        assert len(batch.take(1000, 60)) == 1
        assert len(batch.take(1000, 60)) == 1
        bring.join(10)
        assert not bring.is_alive()

    def test_its_end_is_heard_at_once_and_an_error_last(self) -> None:
        batch = _Batch()
        batch.put(ticket(0), harvest(1))
        threading.Timer(0.05, lambda: batch.end(OSError("the network is gone"))).start()
        begun = time.monotonic()
        assert len(batch.take(1000, 60)) == 1
        assert time.monotonic() - begun < 30
        with pytest.raises(OSError, match="the network is gone"):
            batch.take(1000, 60)
