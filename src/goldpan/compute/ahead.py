"""An iterator that works ahead in a thread of its own, in bounded memory."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")
_END = object()


def _nothing() -> None:
    """Hurry nobody."""


class Ahead(Generic[Item]):
    """Iterates in a thread, so that the consumer and the source of the items never wait for each other's work.

    Args:
        items: iterated, and closed, in the thread; what it raises is raised where the items are consumed.
        weigh: the size of an item.
        limit: the items that wait weigh so much at most, or there is one. Once they do, no more are made until a
            quarter is consumed: threads that wake each other for every item do little else.
        stop: called where no more items are wanted; may hurry the source up.

    Example:
        ``with Ahead(fetcher.fetch_all(requests), lambda item: len(item.body), 64 << 20) as arrivals: ...``
    """

    def __init__(
        self, items: Iterator[Item], weigh: Callable[[Item], int], limit: int, stop: Callable[[], None] = _nothing
    ) -> None:
        self._items = items
        self._weigh = weigh
        self._limit = limit
        self._low = limit - limit // 4
        self._stop = stop
        self._waiting: queue.SimpleQueue[Item | BaseException | object] = queue.SimpleQueue()
        self._weight = 0
        self._room = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop after the item that is being made, and wait for that."""
        with self._room:
            self._stopped = True
            self._room.notify()
        self._stop()
        self._thread.join()

    def __iter__(self) -> Iterator[Item]:
        return self.arriving(None)  # type: ignore[return-value]

    def arriving(self, patience: float | None) -> Iterator[Item | None]:
        """Yield the items, and None where none came for so many seconds."""
        while True:
            try:
                item = self._waiting.get(timeout=patience)
            except queue.Empty:
                yield None
                continue
            if item is _END:
                return
            if isinstance(item, BaseException):
                raise item
            with self._room:
                self._weight -= self._weigh(item)  # type: ignore[arg-type]
                if self._weight <= self._low:
                    self._room.notify()
            yield item  # type: ignore[misc]

    def interject(self, item: Item) -> None:
        """Put an item among those of the source, where that has none for long; to be called in its thread."""
        with self._room:
            if self._weight > self._limit:
                self._room.wait_for(lambda: self._stopped or self._weight <= self._low)
            self._weight += self._weigh(item)
        self._waiting.put(item)

    def _run(self) -> None:
        try:
            for item in self._items:
                self.interject(item)
                if self._stopped:
                    break
        except BaseException as error:  # noqa: BLE001  raised again by the consumer
            self._waiting.put(error)
        finally:
            getattr(self._items, "close", lambda: None)()
            self._waiting.put(_END)
