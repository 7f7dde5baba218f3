"""Ctrl-C waits for the end of what must be whole."""

import signal
import threading

import pytest

from goldpan.core.interrupts import gently, uninterrupted


def test_an_interrupt_comes_after_the_block() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        done.append("the rest of the block")
    assert done
    with pytest.raises(KeyboardInterrupt):  # and the next one comes at once again
        signal.raise_signal(signal.SIGINT)


def test_without_an_interrupt_nothing_happens() -> None:
    usual = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), uninterrupted():
        1 / 0  # noqa: B018
    assert signal.getsignal(signal.SIGINT) is usual


def test_other_threads_are_left_alone() -> None:
    inside = []

    def work() -> None:
        with uninterrupted():
            inside.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [signal.getsignal(signal.SIGINT)]


def test_the_first_interrupt_stops_gently_the_second_at_once() -> None:
    told = []
    with pytest.raises(KeyboardInterrupt), gently(lambda: told.append("stop")):
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            assert not told
        told.append("the rest")
    assert told == ["stop", "the rest"]
    with pytest.raises(KeyboardInterrupt), gently(lambda: told.append("stop")):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        told.append("never")
    assert told == ["stop", "the rest", "stop"]
    with gently(lambda: told.append("never")):
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
