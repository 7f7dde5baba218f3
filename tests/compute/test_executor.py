"""Ordered, bounded maps."""

import threading
import time

import pytest

from goldpan.compute.executor import LocalExecutor, chunks


def square(x: int) -> int:
    return x * x


def test_chunks_keep_everything_in_order() -> None:
    assert list(chunks(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(chunks([], 3)) == []


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_results_come_in_order(kind: str) -> None:
    assert list(LocalExecutor(2, kind).map(square, range(50))) == [x * x for x in range(50)]


def test_order_holds_when_work_ends_out_of_order() -> None:
    def work(x: int) -> int:
        time.sleep(0.02 if x % 2 == 0 else 0)
        return x

    assert list(LocalExecutor(4).map(work, range(20))) == list(range(20))


def test_only_so_much_is_in_flight() -> None:
    started = 0
    lock = threading.Lock()

    def work(x: int) -> int:
        nonlocal started
        with lock:
            started += 1
        return x

    results = LocalExecutor(2, in_flight=4).map(work, range(1000))
    next(results)
    time.sleep(0.05)
    assert started <= 5
    results.close()
    assert started <= 9


def test_the_first_error_is_raised_and_stops_the_rest() -> None:
    done = []

    def work(x: int) -> int:
        if x == 3:
            raise ValueError("three")
        done.append(x)
        return x

    with pytest.raises(ValueError, match="three"):
        list(LocalExecutor(2).map(work, range(10_000)))
    assert len(done) < 100
