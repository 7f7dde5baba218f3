"""Threads of the server: work beside the event loop, and questions of many requests answered in one call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, takewhile
from typing import Generic, ParamSpec, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
P = ParamSpec("P")


class Lane:
    """Threads for one kind of work."""

    def __init__(self, name: str, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, work: Callable[P, Answer], *args: P.args, **kwargs: P.kwargs) -> Answer:
        """Do some work; what has not begun when its request ends is not done."""
        return await asyncio.wrap_future(self._threads.submit(work, *args, **kwargs))

    def close(self) -> None:
        """Let go of the threads; work that has not begun is dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Together(Generic[Asked, Answer]):
    """Answers questions that came at the same time in one call.

    While one call runs, the questions that come wait for the next: alone none waits, and many share the work.

    Args:
        name: of its thread.
        work: from questions to their answers, in order.
        weigh: how much a question takes of what one call may take, which is `most` unless one alone takes more.
        most: 64 questions, where each weighs 1.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[Asked]], Sequence[Answer]],
        weigh: Callable[[Asked], int] = lambda _: 1,
        most: int = 64,
    ) -> None:
        self._lane, self._work, self._weigh, self._most = Lane(name, 1), work, weigh, most
        self._waiting: list[tuple[Asked, asyncio.Future[Answer]]] = []
        self._running: asyncio.Task[None] | None = None

    async def ask(self, question: Asked) -> Answer:
        """Return the answer to one question."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await answer

    def close(self) -> None:
        """Let go of the thread."""
        self._lane.close()

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._answer(self._batch())
        finally:
            self._running = None

    def _batch(self) -> list[tuple[Asked, asyncio.Future[Answer]]]:
        """Take the questions that come next; those whose askers went away are left out."""
        self._waiting = [one for one in self._waiting if not one[1].done()]
        ends = accumulate(self._weigh(question) for question, _ in self._waiting)
        count = max(1, sum(1 for _ in takewhile(lambda end: end <= self._most, ends)))
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    async def _answer(self, batch: list[tuple[Asked, asyncio.Future[Answer]]]) -> None:
        if not batch:
            return
        try:
            found = await self._lane.run(self._work, [question for question, _ in batch])
        except Exception as error:  # noqa: BLE001 it is the asker's
            if len(batch) == 1:
                _tell(batch[0][1], error)
            for one in batch if len(batch) > 1 else ():
                await self._answer([one])  # only the one at fault shall fail
            return
        for (_, answer), value in zip(batch, found, strict=True):
            if not answer.done():
                answer.set_result(value)


def _tell(answer: asyncio.Future[Answer], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
