"""Ctrl-C at a moment that suits: not in the middle of a commit."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let an interrupt wait until the block ends, so that what is written in it is written whole.

    Only the main thread is ever interrupted; in others nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[FrameType | None] = []
    usual = signal.signal(signal.SIGINT, lambda _, frame: waiting.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
        if waiting and callable(usual):
            usual(signal.SIGINT, waiting[0])


@contextmanager
def gently(stop: Callable[[], None]) -> Iterator[None]:
    """Answer an interrupt by `stop`, which lets the block come to its end, and raise it then; raise a second at once.

    Only the main thread is ever interrupted; in others nothing changes.
    """
    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(usual):
        yield
        return
    came: list[FrameType | None] = []

    def first(_: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, usual)
        came.append(frame)
        stop()

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if came:
        usual(signal.SIGINT, came[0])
