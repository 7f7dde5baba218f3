"""An iterator in a thread of its own: in order, bounded, stopped and raised as one in ours."""

import threading
import time
from collections.abc import Iterator

import pytest

from goldpan.compute.ahead import Ahead


def test_items_come_in_order_from_another_thread() -> None:
    threads = set()

    def items() -> Iterator[int]:
        for number in range(1000):
            threads.add(threading.current_thread())
            yield number

    with Ahead(items(), lambda item: item, 100) as ahead:
        assert list(ahead) == list(range(1000))
    assert threads
    assert threading.current_thread() not in threads


def test_none_where_nothing_comes_for_a_while() -> None:
    def items() -> Iterator[int]:
        yield 1
        time.sleep(0.5)
        yield 2

    with Ahead(items(), int, 10) as ahead:
        first, *waited, last = ahead.arriving(0.1)
    assert (first, last) == (1, 2)
    assert 2 <= len(waited) <= 4
    assert set(waited) == {None}


def test_no_more_waits_than_the_limit() -> None:
    made = []

    def items() -> Iterator[bytes]:
        for number in range(50):
            made.append(number)
            yield bytes(10)

    with Ahead(items(), len, 30) as ahead:
        for taken, _ in enumerate(ahead, start=1):
            time.sleep(0.002)
            assert len(made) <= taken + 5  # three wait, one waits for room, one is being made


def test_no_more_are_made_until_a_quarter_is_consumed() -> None:
    made = []

    def items() -> Iterator[int]:
        for number in range(50):
            made.append(number)
            yield 1

    def wait_for(count: int) -> None:
        end = time.monotonic() + 10
        while len(made) < count and time.monotonic() < end:
            time.sleep(0.001)
        assert len(made) == count

    with Ahead(items(), int, 8) as ahead:
        taking = iter(ahead)
        wait_for(10)  # nine wait, which is one too many, and the next one for room
        next(taking), next(taking)
        time.sleep(0.05)
        wait_for(10)
        next(taking)
        wait_for(13)


def test_an_item_larger_than_the_limit_passes() -> None:
    with Ahead(iter([bytes(100), bytes(100)]), len, 10) as ahead:
        assert len(list(ahead)) == 2


def test_what_the_items_raise_is_raised_here() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("the list")

    taken = []
    with pytest.raises(KeyError, match="the list"), Ahead(items(), int, 10) as ahead:
        taken.extend(ahead)
    with pytest.raises(ValueError, match="the work"), Ahead(iter(range(10**9)), int, 10) as ahead:
        for number in ahead:
            taken.append(number)
            if number == 5:
                raise ValueError("the work")
    assert taken == [1, 0, 1, 2, 3, 4, 5]


def test_items_are_closed_in_their_thread() -> None:
    closed = []

    def items() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.append(threading.current_thread())

    with Ahead(items(), int, 10) as ahead:
        assert next(iter(ahead)) == 1
    (thread,) = closed
    assert thread is not threading.current_thread()
    assert not thread.is_alive()


def test_an_item_is_put_among_the_others() -> None:
    def source() -> Iterator[int]:
        for number in range(6):
            if number % 3 == 0:
                ahead.interject(-number)
            yield number

    ahead = Ahead(source(), lambda item: 1, 100)
    with ahead as items:
        assert list(items) == [0, 0, 1, 2, -3, 3, 4, 5]
