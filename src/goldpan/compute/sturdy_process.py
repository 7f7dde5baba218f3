"""One worker of `goldpan.compute.sturdy` as its parent sees it: process, pipes and queue. Nothing here waits."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pickle
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from goldpan.compute.sturdy_worker import LENGTH_BYTES, Answer, message

_PIPE_BYTES = 1 << 20  # the most that Linux gives without asking
_WORKER = "from goldpan.compute.sturdy_worker import main; main()"  # not -m: its classes must be those known here
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Memory that glibc gives back after each item costs a fault a page at the next: a third of the time of an image.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}


class Given(NamedTuple):
    """An item that a worker has, and how many bytes it was sent as."""

    item: Any
    size: int


class Process:
    """A worker.

    Args:
        start: the message that tells it what to do.

    Attributes:
        requests: number of the pipe to it.
        results: number of the pipe from it.
        queue: items it was given and has not answered, oldest first.
        queued_bytes: the size of them.
        unsent: what its pipe had no room for yet.
        is_ready: it has started well.
        has_left: it ended on purpose, after an answer.
        is_gone: its pipe is closed.
        last_words: why it could not start.
    """

    def __init__(self, start: bytes) -> None:
        theirs_in, self.requests = os.pipe()
        self.results, theirs_out = os.pipe()
        for pipe in (self.requests, self.results):
            os.set_blocking(pipe, False)
            with contextlib.suppress(OSError):  # this user has many pipes already: smaller ones do
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  closed by `end`
        path = os.pathsep.join(
            entry or str(Path.cwd()) for entry in sys.path
        )  # what can be imported here can be imported there
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _WORKER, str(theirs_in), str(theirs_out)],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._stderr,
            env={**os.environ, **ENVIRONMENT, "PYTHONPATH": path},
            start_new_session=True,  # a Ctrl-C is ours to handle
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self.queue: deque[Given] = deque()
        self.queued_bytes = 0
        self.unsent: deque[memoryview] = deque([memoryview(start)])
        self._received = bytearray()
        self.is_ready = self.has_left = self.is_gone = False
        self.last_words = ""
        self.send()

    def give(self, item: Any) -> None:
        """Put an item at the end of the queue."""
        data = message(item)
        self.queue.append(Given(item, len(data)))
        self.queued_bytes += len(data)
        self.unsent.append(memoryview(data))
        self.send()

    def send(self) -> None:
        """Write what the pipe has room for."""
        try:
            while self.unsent:
                sent = os.write(self.requests, self.unsent[0])
                if sent == len(self.unsent[0]):
                    self.unsent.popleft()
                else:
                    self.unsent[0] = self.unsent[0][sent:]
        except BlockingIOError:
            pass
        except BrokenPipeError:  # it died; the end of its results will say so
            self.unsent.clear()

    def receive(self) -> Iterator[tuple[Any, Answer, list[Any]]]:
        """Yield what it has answered since: the item, what the answer is, and what it holds."""
        try:
            data = os.read(self.results, _PIPE_BYTES)
            self._received += data
            yield from self._answers()
            self.is_gone = not data
        except BlockingIOError:
            pass

    def end(self) -> int:
        """End the process, close everything, and return its exit status; below 0 for a signal."""
        self._process.kill()
        status = self._process.wait()
        if not (self.is_ready or self.last_words):
            self._stderr.seek(0)
            self.last_words = self._stderr.read().decode(errors="replace").strip().rpartition("\n")[2]
        for pipe in (self.requests, self.results):
            os.close(pipe)
        self._stderr.close()
        return status

    def _answers(self) -> Iterator[tuple[Any, Answer, list[Any]]]:
        """Yield what whole messages hold, and take them out of what was received."""
        while len(self._received) >= LENGTH_BYTES:
            end = LENGTH_BYTES + int.from_bytes(self._received[:LENGTH_BYTES], "little")
            if len(self._received) < end:
                return
            with memoryview(self._received) as received, received[LENGTH_BYTES:end] as body:  # which copies nothing
                kind, *values = pickle.loads(body)  # noqa: S301  our own child's
            del self._received[:end]
            if kind == Answer.READY:
                self.is_ready = True
            elif kind == Answer.BROKEN:
                self.last_words = values[0]
            else:
                self.has_left = kind == Answer.LEAVING
                given = self.queue.popleft()
                self.queued_bytes -= given.size
                yield given.item, kind, values
