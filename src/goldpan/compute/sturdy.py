"""Processes that cannot take the run down: what crashes, hangs or fills the memory costs one item.

Every worker has a queue of a few items, so that it never waits for us. It answers in order, so the first of its queue
is the one it is on: when it dies that one is lost, and the others go to another worker.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pickle
import selectors
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, NamedTuple, Self, TypeVar

from goldpan.compute.sturdy_worker import LENGTH_BYTES, Answer, Task, message
from goldpan.core.errors import Reason, StageError
from goldpan.core.machine import processors

Item = TypeVar("Item")
Result = TypeVar("Result")

_QUEUED = 8  # items a worker
_MAX_QUEUED_BYTES = 64 << 20  # of all workers; one item more may be on its way
_PIPE_BYTES = 1 << 20  # the most that Linux gives without asking
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Memory that glibc gives back after each item costs a fault a page at the next: a third of the time of an image.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}
_WORKER = "from goldpan.compute.sturdy_worker import main; main()"  # not -m: its classes must be those known here
_END = object()


class Lost(NamedTuple):
    """In place of a result: why there is none, and one sentence for a person."""

    reason: Reason
    detail: str


class Sturdy(Generic[Item, Result]):
    """Runs one function over many items in processes of its own.

    An item is lost, and no other with it, where the function raises (an `ImageError` says its own reason; any other
    exception counts as `Reason.DECODER_DIED`), where the process dies (`Reason.DECODER_DIED`) and where it takes too
    long (`Reason.DECODE_TIMED_OUT`). Processes are started afresh, never forked, so threads of the parent do no harm,
    and they end with it, however it ends.

    Args:
        function: called with each item, in a worker; importable by name (or a `functools.partial` of such).
        workers: how many processes; the number of processors where None.
        memory_bytes: what one item may take, beside what a worker holds from its start.
        seconds: what one item may take.
        initializer: called once in each worker, before its first item.

    Example:
        ``for path, size in Sturdy(size_of, 4).map_unordered(paths): ...``
    """

    def __init__(
        self,
        function: Callable[[Item], Result],
        workers: int | None = None,
        *,
        memory_bytes: int = 1 << 30,
        seconds: float = 30.0,
        initializer: Callable[[], None] | None = None,
    ) -> None:
        self.workers = processors(workers)
        self._start = message(*Task(function, initializer, memory_bytes, seconds))
        self._seconds = seconds

    def map_unordered(self, items: Iterable[Item]) -> Iterator[tuple[Item, Result | Lost]]:
        """Yield every item with its result, or with `Lost`, as they come; a bounded number is in flight.

        Items are drawn in the caller's thread, a few for each worker ahead of what it does.

        Raises:
            StageError: a worker cannot start, such as where the function cannot be imported there.
        """
        source = iter(items)
        with _Crew(self.workers, self._start, self._seconds) as crew:
            while True:
                while crew.has_room:
                    item = next(source, _END)
                    if item is _END:
                        break
                    crew.take(item)
                    yield from crew.results(0)
                if crew.is_idle:
                    return
                yield from crew.results(None)


class _Crew:
    """The workers of one map, and what they have been given."""

    def __init__(self, workers: int, start: bytes, seconds: float) -> None:
        self._start, self._seconds = start, seconds
        self._selector = selectors.DefaultSelector()
        self._hands = [self._hire() for _ in range(workers)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for hand in self._hands:
            hand.end()
        self._selector.close()

    @property
    def has_room(self) -> bool:
        """Tell whether an item more may be given."""
        queued = sum(hand.queued_bytes for hand in self._hands)
        return queued < _MAX_QUEUED_BYTES and any(len(hand.queue) < _QUEUED for hand in self._hands)

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing is left to do."""
        return not any(hand.queue for hand in self._hands)

    def take(self, item: Any) -> None:
        """Give an item to the worker that has the fewest."""
        hand = min(self._hands, key=lambda hand: len(hand.queue))
        hand.give(item)
        self._watch(hand)

    def results(self, timeout: float | None) -> Iterator[tuple[Any, Any]]:
        """Yield what is done, waiting for so many seconds (any where None) until something is."""
        for key, events in self._selector.select(timeout):
            if self._selector.get_map().get(key.fd) is not key:  # its worker went at another event of this moment
                continue
            hand: _Hand = key.data
            if events & selectors.EVENT_WRITE:
                hand.send()
                self._watch(hand)
            elif events & selectors.EVENT_READ:
                yield from hand.receive()
                if hand.is_gone:
                    yield from self._replace(hand)

    def _hire(self) -> _Hand:
        hand = _Hand(self._start)
        self._selector.register(hand.results, selectors.EVENT_READ, hand)
        return hand

    def _watch(self, hand: _Hand) -> None:
        """Wait for room in the pipe of a worker while there is more to send, and only then."""
        watched = hand.requests in self._selector.get_map()
        if hand.unsent and not watched:
            self._selector.register(hand.requests, selectors.EVENT_WRITE, hand)
        elif watched and not hand.unsent:
            self._selector.unregister(hand.requests)

    def _replace(self, hand: _Hand) -> Iterator[tuple[Any, Any]]:
        """Put a new worker in the place of one that ended, and give it what is not to blame."""
        self._selector.unregister(hand.results)
        if hand.requests in self._selector.get_map():
            self._selector.unregister(hand.requests)
        status = hand.end()
        if not hand.is_ready:
            raise StageError(f"A worker could not start: {hand.last_words or 'it ended ' + _how(status)}")
        self._hands[self._hands.index(hand)] = self._hire()
        if hand.queue and not hand.has_left:
            yield hand.queue.popleft().item, self._loss(status)
        for task in hand.queue:
            self.take(task.item)

    def _loss(self, status: int) -> Lost:
        if status == -signal.SIGALRM:
            return Lost(Reason.DECODE_TIMED_OUT, f"It takes longer than {self._seconds:g} s.")
        return Lost(Reason.DECODER_DIED, f"The process that worked on it ended {_how(status)}.")


class _Given(NamedTuple):
    """An item that a worker has, and how many bytes it was sent as."""

    item: Any
    size: int


class _Hand:
    """One worker: its process, its pipes, its queue. Nothing here waits.

    Attributes:
        queue: items it was given and has not answered, oldest first.
        unsent: what its pipe had no room for yet.
        is_ready: it has started well.
        has_left: it ended on purpose, after an answer.
        is_gone: its pipe is closed.
    """

    def __init__(self, start: bytes) -> None:
        theirs_in, self.requests = os.pipe()
        self.results, theirs_out = os.pipe()
        for pipe in (self.requests, self.results):
            os.set_blocking(pipe, False)
            with contextlib.suppress(OSError):  # this user has many pipes already: smaller ones do
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  closed by `end`
        path = os.pathsep.join(filter(None, sys.path))  # what can be imported here can be imported there
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _WORKER, str(theirs_in), str(theirs_out)],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._stderr,
            env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": path},
            start_new_session=True,  # a Ctrl-C is ours to handle
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self.queue: deque[_Given] = deque()
        self.queued_bytes = 0
        self.unsent: deque[memoryview] = deque([memoryview(start)])
        self._received = bytearray()
        self.is_ready = self.has_left = self.is_gone = False
        self.last_words = ""
        self.send()

    def give(self, item: Any) -> None:
        """Put an item at the end of the queue."""
        data = message(item)
        self.queue.append(_Given(item, len(data)))
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

    def receive(self) -> Iterator[tuple[Any, Any]]:
        """Yield what it has answered since."""
        try:
            while data := os.read(self.results, _PIPE_BYTES):
                self._received += data
                yield from self._answers()
            self.is_gone = True
        except BlockingIOError:
            pass

    def end(self) -> int:
        """End the process, close everything, and return its exit status; below 0 for a signal."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        status = self._process.wait()
        if not self.is_ready:
            self._stderr.seek(0)
            self.last_words = self.last_words or self._stderr.read().decode(errors="replace").strip()[-1000:]
        for pipe in (self.requests, self.results):
            os.close(pipe)
        self._stderr.close()
        return status

    def _answers(self) -> Iterator[tuple[Any, Any]]:
        """Yield what whole messages say, and take them out of what was received."""
        start = 0
        while len(self._received) >= start + LENGTH_BYTES:
            body = start + LENGTH_BYTES
            end = body + int.from_bytes(self._received[start:body], "little")
            if len(self._received) < end:
                break
            kind, *values = pickle.loads(memoryview(self._received)[body:end])  # noqa: S301  our own child's
            start = end
            if kind == Answer.READY:
                self.is_ready = True
            elif kind == Answer.BROKEN:
                self.last_words = values[0]
            else:
                self.has_left = kind == Answer.LEAVING
                given = self.queue.popleft()
                self.queued_bytes -= given.size
                yield given.item, values[0] if kind == Answer.DONE else Lost(*values)
        del self._received[:start]


def _how(status: int) -> str:
    return f"by {signal.Signals(-status).name}" if status < 0 else f"with exit status {status}"
