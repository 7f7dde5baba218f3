"""Workers that crash, hang and fill their memory, for real."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldpan.compute.sturdy import Lost, Sturdy
from goldpan.core.errors import ImageError, Reason

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


def children() -> list[int]:
    """Return the processes that this one has started and not buried, zombies too."""
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


@pytest.fixture(autouse=True)
def nobody_is_left() -> Iterator[None]:
    before = children()
    yield
    assert children() == before


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
