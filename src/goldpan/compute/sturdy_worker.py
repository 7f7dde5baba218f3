"""The other end of `goldpan.compute.sturdy`: answers one item after the other until nobody asks any more.

A message is its length in eight bytes, then a pickle. The first request says what to do; each later one is an item.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import signal
import sys
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from goldpan.core.errors import ImageError, Reason

LENGTH_BYTES = 8


class Answer(IntEnum):
    """What a message from a worker is."""

    READY = 0  # it can start
    BROKEN = 1  # it cannot: why, for a person
    DONE = 2  # what the function returned
    LOST = 3  # a reason and a detail, where it raised
    LEAVING = 4  # the same, and the worker ends: its memory is full


class Task(NamedTuple):
    """What a worker is told first: the function, what to call before, and the limits of one item."""

    function: Callable[[Any], Any]
    initializer: Callable[[], None] | None
    memory_bytes: int
    seconds: float


def message(*parts: Any) -> bytes:
    """Return a message that holds `parts`."""
    body = pickle.dumps(parts, pickle.HIGHEST_PROTOCOL)
    return len(body).to_bytes(LENGTH_BYTES, "little") + body


def main() -> None:
    """Answer until the other end closes its pipes, whose numbers the command line gives."""
    with contextlib.suppress(BrokenPipeError):  # the parent is gone; so are we
        _serve(*map(int, sys.argv[1:]))


def _serve(requests: int, results: int) -> None:
    with os.fdopen(requests, "rb") as source, os.fdopen(results, "wb") as sink:
        try:
            task = Task(*pickle.loads(_next(source)))  # noqa: S301  our own parent's
            if task.initializer is not None:
                task.initializer()
        except Exception as error:  # noqa: BLE001  the parent raises it
            sink.write(message(Answer.BROKEN, f"{type(error).__name__}: {error}"))
            return
        _bound(task.memory_bytes)
        _be_silent()
        sink.write(message(Answer.READY))
        sink.flush()
        while data := _next(source):
            # Nobody catches the alarm: it ends the process, in whatever library it hangs.
            signal.setitimer(signal.ITIMER_REAL, task.seconds)
            answer, leaving = _answer(task, data)
            signal.setitimer(signal.ITIMER_REAL, 0)
            sink.write(answer)
            sink.flush()
            if leaving:
                return


def _next(source: BinaryIO) -> bytes:
    """Return the body of the next message, nothing where there is none."""
    return source.read(int.from_bytes(source.read(LENGTH_BYTES), "little"))


def _answer(task: Task, data: bytes) -> tuple[bytes, bool]:
    try:
        return message(Answer.DONE, task.function(*pickle.loads(data))), False  # noqa: S301  our own parent's
    except MemoryError:
        detail = f"It takes more than the {task.memory_bytes >> 20:,} MiB of memory that one item may take."
        return message(Answer.LEAVING, Reason.DECODER_DIED, detail), True
    except ImageError as error:
        return message(Answer.LOST, error.reason, error.detail), False
    except Exception as error:  # noqa: BLE001  one item is lost, whatever it was
        return message(Answer.LOST, Reason.DECODER_DIED, f"{type(error).__name__}: {error}"), False


def _bound(memory_bytes: int) -> None:
    """Let one item take so much memory beside what the process holds already; a crash leaves no dump of it."""
    data_pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
    limit = data_pages * resource.getpagesize() + memory_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _be_silent() -> None:
    """Drop what libraries write about broken images, of which there may be millions."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stderr.fileno())
