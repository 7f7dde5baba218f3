"""Questions that come at once share the work."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from goldpan.web.serve.lanes import Lane, Together


def test_what_comes_while_a_call_runs_shares_the_next() -> None:
    sizes: list[int] = []
    go = threading.Event()

    def squares(numbers: Sequence[int]) -> list[int]:
        sizes.append(len(numbers))
        assert go.wait(10)
        return [number * number for number in numbers]

    async def ask() -> list[int]:
        together = Together("squares", squares)
        first = asyncio.create_task(together.ask(100))
        await asyncio.sleep(0.05)
        rest = [asyncio.create_task(together.ask(number)) for number in range(100)]
        await asyncio.sleep(0.05)
        rest[0].cancel()
        go.set()
        found = await asyncio.gather(first, *rest[1:])
        assert rest[0].cancelled()
        together.close()
        return found

    assert asyncio.run(ask()) == [10_000, *(number * number for number in range(1, 100))]
    assert sizes == [1, 64, 35]  # one was cancelled


def test_what_weighs_much_goes_in_small_parts() -> None:
    parts: list[list[int]] = []

    def same(numbers: Sequence[int]) -> Sequence[int]:
        parts.append(list(numbers))
        return numbers

    async def ask() -> None:
        together = Together("same", same, weigh=lambda number: number, most=10)
        asked = [9, 20, 5, 5, 1, 8]
        assert await asyncio.gather(*(together.ask(number) for number in asked)) == asked
        together.close()

    asyncio.run(ask())
    assert parts == [[9], [20], [5, 5], [1, 8]]


def test_only_the_question_at_fault_fails() -> None:
    def halves(numbers: Sequence[int]) -> list[float]:
        return [1 / number for number in numbers]

    async def ask() -> list[float | BaseException]:
        together = Together("halves", halves)
        found = await asyncio.gather(*(together.ask(number) for number in (1, 0, 2)), return_exceptions=True)
        again = await together.ask(4)
        together.close()
        return [*found, again]

    one, fault, half, quarter = asyncio.run(ask())
    assert (one, half, quarter) == (1.0, 0.5, 0.25)
    assert isinstance(fault, ZeroDivisionError)


def test_what_has_not_begun_is_not_done() -> None:
    done: list[int] = []
    go = threading.Event()

    async def ask() -> None:
        lane = Lane("one", 1)
        first = asyncio.create_task(lane.run(go.wait, 10))
        second = asyncio.create_task(lane.run(done.append, 1))
        await asyncio.sleep(0.05)
        second.cancel()
        await asyncio.sleep(0)
        go.set()
        assert await first
        with pytest.raises(asyncio.CancelledError):
            await second
        await lane.run(done.append, 2)
        lane.close()

    asyncio.run(ask())
    assert done == [2]
