"""Workers that crash, hang and fill their memory, for real."""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from goldpan.compute.sturdy import _MAX_QUEUED_BYTES, _QUEUED, Lost, Sturdy
from goldpan.core.errors import ImageError, Reason, StageError

MIB = 1 << 20


def work(item: int | str) -> int | str:
    """Do what the item says."""
    match item:
        case "crash":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "hang":
            time.sleep(600)
        case "spin":  # in C, with the lock of the interpreter held
            return sum(range(10**12))
        case "eat":
            return len(bytearray(400 * MIB))
        case "corrupt":
            raise ImageError(Reason.CORRUPT, "The image is torn.")
        case "bug":
            raise KeyError("oops")
        case int():
            return item * item
    return item


def about_me(_: int) -> tuple[int, set[str], int]:
    """Return the number of this process, what it has imported, and its memory in bytes."""
    status = Path("/proc/self/status").read_text()
    return (
        os.getpid(),
        {name.partition(".")[0] for name in sys.modules},
        int(status.split("VmRSS:")[1].split()[0]) << 10,
    )


def slow(item: int) -> int:
    time.sleep(0.05)
    return item


def echo(item: bytes) -> bytes:
    return item


def prepare() -> None:
    os.environ["PREPARED"] = "yes"


def prepared(_: int) -> str | None:
    return os.environ.get("PREPARED")


def children(pid: int | None = None) -> list[int]:
    """Return the processes that one has started and not buried, zombies too."""
    found = []
    for task in Path(f"/proc/{pid or os.getpid()}/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has just ended
            found += map(int, (task / "children").read_text().split())
    return found


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    known, files = set(children()), len(os.listdir("/proc/self/fd"))
    yield
    until = time.monotonic() + 20
    while (left := set(children()) - known) or len(os.listdir("/proc/self/fd")) > files:
        assert time.monotonic() < until, f"processes {left} are left, or {os.listdir('/proc/self/fd')}"
        time.sleep(0.05)


def outcome(items: list[int | str], **options: float) -> dict[int | str, int | str | Lost]:
    sturdy = Sturdy(work, 2, **{"memory_bytes": 256 * MIB, "seconds": 1.0, **options})
    pairs = list(sturdy.map_unordered(items))
    assert sorted(map(str, (item for item, _ in pairs))) == sorted(map(str, items))
    return dict(pairs)


def test_every_item_comes_with_its_result() -> None:
    assert outcome(list(range(300))) == {n: n * n for n in range(300)}
    assert outcome([]) == {}


@pytest.mark.parametrize(
    ("item", "reason", "words"),
    [
        ("crash", Reason.DECODER_DIED, "SIGSEGV"),
        ("exit", Reason.DECODER_DIED, "status 3"),
        ("hang", Reason.DECODE_TIMED_OUT, "longer than 1 s"),
        ("spin", Reason.DECODE_TIMED_OUT, "longer than 1 s"),
        ("eat", Reason.DECODER_DIED, "256 MiB"),
        ("corrupt", Reason.CORRUPT, "The image is torn."),
        ("bug", Reason.DECODER_DIED, "KeyError: 'oops'"),
    ],
)
def test_trouble_costs_the_one_item(item: str, reason: Reason, words: str) -> None:
    numbers = list(range(60))
    results = outcome([*numbers[:20], item, *numbers[20:]])
    lost = results.pop(item)
    assert isinstance(lost, Lost)
    assert lost.reason is reason
    assert words in lost.detail
    assert results == {n: n * n for n in numbers}


def test_nothing_but_trouble() -> None:
    pairs = list(Sturdy(work, 2, memory_bytes=256 * MIB).map_unordered(["crash", "eat", "exit"] * 3))
    assert [result.reason for _, result in pairs] == [Reason.DECODER_DIED] * 9


def test_memory_that_an_item_may_take_can_be_taken() -> None:
    assert outcome(["eat"], memory_bytes=800 * MIB, seconds=30.0) == {"eat": 400 * MIB}


def test_time_spent_waiting_for_the_caller_counts_for_nobody() -> None:
    pairs = Sturdy(work, 1, seconds=0.3).map_unordered(range(20))
    next(pairs)
    time.sleep(0.6)
    assert all(result == item * item for item, result in pairs)


def test_workers_start_soon_and_stay_light() -> None:
    started = time.perf_counter()
    _, modules, memory = next(Sturdy(about_me, 1).map_unordered([0]))[1]
    assert time.perf_counter() - started < 30  # 0.04 s where the tests' own imports are not needed
    assert not modules & {"torch", "lance", "pyarrow", "pydantic", "scipy"}
    assert memory < 100 * MIB


def test_as_many_workers_as_there_is_work_for() -> None:
    assert len({pid for _, (pid, *_) in Sturdy(about_me, 8).map_unordered([0])}) == 1
    assert len({pid for _, (pid, *_) in Sturdy(about_me, 2).map_unordered(range(200))}) == 2


def test_the_initializer_runs_first() -> None:
    assert [result for _, result in Sturdy(prepared, 1, initializer=prepare).map_unordered(range(3))] == ["yes"] * 3


def test_results_do_not_wait_for_items_that_are_yet_to_come() -> None:
    def items() -> Iterator[int | None]:
        yield 3
        while not found:
            yield None
        yield 4

    found = []
    for pair in Sturdy(work, 1).map_unordered(items()):
        found.append(pair)
    assert found == [(3, 9), (4, 16)]


def test_what_cannot_start_is_an_error_that_says_why() -> None:
    with pytest.raises(StageError, match="could not start: KeyError: 'oops'"):
        list(Sturdy(work, 2, initializer=functools.partial(work, "bug")).map_unordered(range(9)))
    with pytest.raises(StageError, match="SIGSEGV"):
        list(Sturdy(work, 2, initializer=functools.partial(work, "crash")).map_unordered(range(9)))


@pytest.mark.parametrize("size", [1, 65_536, 1 << 20, 5 * MIB])
def test_items_and_results_of_any_size(size: int) -> None:
    """Larger than what a pipe holds, in both directions at once."""
    items = [bytes([n]) * size for n in range(12)]
    pairs = list(Sturdy(echo, 2).map_unordered(items))
    assert all(item == result for item, result in pairs)
    assert sorted(item for item, _ in pairs) == items


def test_only_so_much_is_in_flight() -> None:
    drawn = 0

    def draw(item: int | bytes) -> Iterator[int | bytes]:
        nonlocal drawn
        for _ in range(200):
            drawn += 1
            yield item

    pairs = Sturdy(slow, 2).map_unordered(draw(1))
    next(pairs)
    assert drawn <= 2 * _QUEUED + 1
    pairs.close()
    drawn, size = 0, _MAX_QUEUED_BYTES // 3
    pairs = Sturdy(slow, 2).map_unordered(draw(bytes(size)))
    next(pairs)
    assert drawn <= 4
    pairs.close()


def test_a_generator_that_is_closed_ends_its_workers() -> None:
    pairs = Sturdy(work, 2).map_unordered([1, "hang", "hang", *range(10)])
    next(pairs)
    assert len(children()) >= 2
    started = time.perf_counter()
    pairs.close()
    assert time.perf_counter() - started < 60


def test_an_error_of_the_source_ends_the_workers() -> None:
    def source() -> Iterator[int]:
        yield from range(5)
        raise OSError("the list is torn")

    with pytest.raises(OSError, match="torn"):
        list(Sturdy(work, 2).map_unordered(source()))


def test_a_worker_that_somebody_kills_costs_one_item_at_most() -> None:
    pairs = Sturdy(slow, 1).map_unordered(range(30))
    done = dict([next(pairs)])
    before = children()
    os.kill(before[-1], signal.SIGKILL)
    done |= dict(pairs)
    assert sorted(done) == list(range(30))
    assert [result for result in done.values() if isinstance(result, Lost)] == [
        Lost(Reason.DECODER_DIED, "The process that worked on it ended by SIGKILL.")
    ]


def test_threads_of_the_parent_may_map_at_once() -> None:
    found: dict[int, int] = {}

    def run(start: int) -> None:
        found.update(Sturdy(work, 1).map_unordered(range(start, start + 50)))

    threads = [threading.Thread(target=run, args=(start,)) for start in (0, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: n * n for n in range(100)}


PARENT = """
from tests.compute.test_sturdy import work
from goldpan.compute.sturdy import Sturdy
for item, _ in Sturdy(work, 2, seconds=1.0).map_unordered(["hang", *range(3), "hang", "spin"]):
    print(item, flush=True)
"""


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_parent_however_it_ends(kill: signal.Signals) -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as parent:
        parent.stdout.readline()  # type: ignore[union-attr]
        workers = children(parent.pid)
        assert workers
        parent.send_signal(kill)
        parent.wait(10)
    limit = time.monotonic() + 5  # the hanging item has a second
    while any(is_alive(worker) for worker in workers) and time.monotonic() < limit:
        time.sleep(0.05)
    assert not [worker for worker in workers if is_alive(worker)]


def is_alive(pid: int) -> bool:
    """True for a process that runs; False for a zombie, which its new parent has yet to bury."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
