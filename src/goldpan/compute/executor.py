"""Ordered, bounded parallel maps over shards of work."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor as Pool
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from itertools import islice
from typing import Literal, Protocol, TypeVar

from goldpan.core.machine import processors

Item = TypeVar("Item")
Result = TypeVar("Result")


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of `size` items; the last may be shorter."""
    source = iter(items)
    while part := list(islice(source, size)):
        yield part


class Executor(Protocol):
    """Runs one function over many items.

    Attributes:
        is_remote: whether workers are elsewhere, so that large results had better be stored by them than come back.
    """

    is_remote: bool

    @property
    def workers(self) -> int:
        """How many items are worked on at once."""
        ...

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield ``function(item)`` in the order of `items`, with a bounded number in flight."""
        ...


class LocalExecutor:
    """Threads (the default: decoding, hashing and inference release the GIL) or processes of this machine.

    Args:
        workers: how many at once; the number of processors where None.
        kind: "threads" or "processes"; functions and items of processes must pickle.
        in_flight: how many items may be started ahead of the consumer; bounds memory. Twice the workers where None.
    """

    is_remote = False

    def __init__(
        self,
        workers: int | None = None,
        kind: Literal["threads", "processes"] = "threads",
        in_flight: int | None = None,
    ) -> None:
        self.workers = workers or processors()
        self.kind = kind
        self.in_flight = in_flight or 2 * self.workers

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield ``function(item)`` in order; the first exception stops the rest and is raised."""
        pool: Pool
        if self.kind == "threads":
            pool = ThreadPoolExecutor(self.workers)
        else:  # a forked child would inherit the threads of Lance and the BLAS in an unusable state
            pool = ProcessPoolExecutor(self.workers, mp_context=multiprocessing.get_context("spawn"))
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= self.in_flight:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
