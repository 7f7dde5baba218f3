"""Threads of the server: work beside the event loop, and questions of many requests answered in one call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, ParamSpec, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
P = ParamSpec("P")

_AT_ONCE = 64


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
        work: from up to 64 questions to their answers, in order.
    """

    def __init__(self, name: str, work: Callable[[Sequence[Asked]], Sequence[Answer]]) -> None:
        self._lane, self._work = Lane(name, 1), work
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
                batch, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                await self._answer([(question, answer) for question, answer in batch if not answer.done()])
        finally:
            self._running = None

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
