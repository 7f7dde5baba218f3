"""Processes that cannot take the run down: what crashes, hangs or fills the memory costs one item.

Every worker has a queue of a few items, so that it never waits for us. It answers in order, so the first of its queue
is the one it is on: when it dies that one is lost, and the others go to another worker.
"""

from __future__ import annotations

import selectors
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, NamedTuple, Self, TypeVar

from goldpan.compute.sturdy_process import Process
from goldpan.compute.sturdy_worker import Answer, Task, message
from goldpan.core.errors import Reason, StageError
from goldpan.core.machine import processors

Item = TypeVar("Item")
Result = TypeVar("Result")

_QUEUED = 32  # items a worker, so that it has work while we are at something else
_MAX_QUEUED_BYTES = 64 << 20  # of all workers; one item more may be on its way
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
        memory_bytes: int = 2 << 30,
        seconds: float = 30.0,
        initializer: Callable[[], None] | None = None,
    ) -> None:
        self.workers = processors(workers)
        self._start = message(*Task(function, initializer, memory_bytes, seconds))
        self._seconds = seconds

    def map_unordered(self, items: Iterable[Item | None]) -> Iterator[tuple[Item, Result | Lost]]:
        """Yield every item with its result, or with `Lost`, as they come; a bounded number is in flight.

        Items are drawn in the caller's thread, a few for each worker ahead of what it does. None among them says that
        there is none at the moment: results are waited for then, not held up by the wait for the next item.

        Raises:
            StageError: a worker cannot start, such as where the function cannot be imported there.
        """
        source = iter(items)
        with _Crew(self.workers, self._start, self._seconds) as crew:
            item: Any = None
            while True:
                while crew.has_room:
                    item = next(source, _END)
                    if item is _END or item is None:
                        break
                    crew.take(item)
                    yield from crew.results(0)
                if not crew.is_idle:
                    yield from crew.results(None)
                elif item is _END:
                    return


class _Crew:
    """The workers of one map, started as they are needed, and what they have been given."""

    def __init__(self, workers: int, start: bytes, seconds: float) -> None:
        self._workers, self._start, self._seconds = workers, start, seconds
        self._selector = selectors.DefaultSelector()
        self._crew: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._crew:
            process.end()
        self._selector.close()

    @property
    def has_room(self) -> bool:
        """Tell whether an item more may be given."""
        if sum(process.queued_bytes for process in self._crew) >= _MAX_QUEUED_BYTES:
            return False
        return len(self._crew) < self._workers or any(len(process.queue) < _QUEUED for process in self._crew)

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing is left to do."""
        return not any(process.queue for process in self._crew)

    def take(self, item: Any) -> None:
        """Give an item to the worker that has the fewest."""
        process = min(self._crew, key=lambda process: len(process.queue), default=None)
        if process is None or (process.queue and len(self._crew) < self._workers):
            process = Process(self._start)
            self._crew.append(process)
            self._selector.register(process.results, selectors.EVENT_READ, process)
        process.give(item)
        self._watch(process)

    def results(self, timeout: float | None) -> Iterator[tuple[Any, Any]]:
        """Yield what is done, waiting for so many seconds (any where None) until something is."""
        for key, events in self._selector.select(timeout):
            if self._selector.get_map().get(key.fd) is not key:  # its worker went at another event of this moment
                continue
            process: Process = key.data
            if events & selectors.EVENT_WRITE:
                process.send()
                self._watch(process)
                continue
            for item, kind, values in process.receive():
                yield item, values[0] if kind == Answer.DONE else Lost(*values)
            if process.is_gone:
                yield from self._bury(process)

    def _watch(self, process: Process) -> None:
        """Wait for room in the pipe of a worker while there is more to send, and only then."""
        watched = process.requests in self._selector.get_map()
        if process.unsent and not watched:
            self._selector.register(process.requests, selectors.EVENT_WRITE, process)
        elif watched and not process.unsent:
            self._selector.unregister(process.requests)

    def _bury(self, process: Process) -> Iterator[tuple[Any, Any]]:
        """Lose the item that a dead worker was on, and give the others to the rest, or to a new one."""
        process.unsent.clear()
        self._watch(process)
        self._selector.unregister(process.results)
        self._crew.remove(process)
        status = process.end()
        if not process.is_ready:
            raise StageError(f"A worker could not start: {process.last_words or f'it ended {_how(status)}'}.")
        if process.queue and not process.has_left:
            yield process.queue.popleft().item, self._loss(status)
        for given in process.queue:
            self.take(given.item)

    def _loss(self, status: int) -> Lost:
        if status == -signal.SIGALRM:
            return Lost(Reason.DECODE_TIMED_OUT, f"It takes longer than {self._seconds:g} s.")
        return Lost(Reason.DECODER_DIED, f"The process that worked on it ended {_how(status)}.")


def _how(status: int) -> str:
    return f"by {signal.Signals(-status).name}" if status < 0 else f"with exit status {status}"
