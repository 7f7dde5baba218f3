"""Workers of a Ray cluster that hold what they are given: thousands of items under way, which end in any order.

A map waits for the slowest item of a task before the task ends. A lane has turns instead: it is given new items, and
answers with what has ended since, old or new.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from goldpan.compute.ray import RETRIES, LostWorker, RayExecutor, Sent, result_of
from goldpan.core.machine import collect_seldom

Item = TypeVar("Item")
Given = TypeVar("Given", contravariant=True)  # noqa: PLC0105
_PATIENCE_S = 1.0
_THREADS = 2  # of a worker: one for a turn, one for the call that stops it


class Turn(NamedTuple):
    """What a lane answers.

    Attributes:
        ended: keys of items that are done with.
        result: what came of them.
    """

    ended: Sequence[Hashable]
    result: Any


class Lane(Protocol[Given]):
    """What works in a process of its own, on whichever machine."""

    def turn(self, items: Sequence[Given]) -> Turn:
        """Take items in, and wait a while for some to end, new or old."""
        ...

    def stop(self) -> None:
        """End the turn that is under way soon; called from another thread."""


class Lanes(Generic[Item]):
    """Lanes on a cluster, as many as its executor has workers.

    Where the worker of a lane died, another one is given all that was under way there.

    Args:
        executor: joins the cluster.
        make: makes a lane, where it is to work.
        deal: told the number of a lane and how many items are under way there, gives it new ones by their keys, or none
            at the moment.

    Example:
        ``for lane, result in Lanes(RayExecutor(2), make, deal).results(): ...``
    """

    def __init__(
        self,
        executor: RayExecutor,
        make: Callable[[], Lane[Item]],
        deal: Callable[[int, int], Mapping[Any, Item]],
    ) -> None:
        self._executor, self._make, self._deal = executor, make, deal
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let `results` end soon, from whatever thread; what has ended is yielded still."""
        self._stopped.set()

    def results(self) -> Iterator[tuple[int, Any]]:
        """Yield the number of a lane and the result of its turn, as they come, until all is done.

        Raises:
            StageError: a lane lost its worker again and again.
        """
        with self._executor.joined() as ray:
            kind = ray.remote(num_cpus=self._executor.share, max_concurrency=_THREADS)(_Worker)
            sent = Sent.of(self._make)
            crew = [_Handle[Item](ray, kind, sent) for _ in range(self._executor.workers)]
            try:
                while calls := self._begin(crew):
                    for call in ray.wait(list(calls), num_returns=1, timeout=_PATIENCE_S)[0]:
                        lane = calls[call]
                        yield from ((crew.index(lane), result) for result in lane.end())
            finally:
                for lane in crew if ray.is_initialized() else ():  # at the end of a program it may be gone
                    ray.kill(lane.actor)

    def _begin(self, crew: list[_Handle[Item]]) -> dict[Any, _Handle[Item]]:
        """Let lanes that wait begin a turn; return all turns under way."""
        for number, lane in enumerate(crew):
            if self._stopped.is_set():
                lane.stop()
            elif lane.call is None:
                lane.begin(self._deal(number, len(lane.under_way)))
        return {lane.call: lane for lane in crew if lane.call is not None}


class _Handle(Generic[Item]):
    """A lane as it is seen from here.

    Attributes:
        under_way: what it was given and has not ended.
        call: its turn, None where it has none.
        actor: its worker, as Ray calls it.
    """

    def __init__(self, ray: Any, kind: Any, make: Sent) -> None:
        self._ray, self._kind, self._make = ray, kind, make
        self.under_way: dict[Hashable, Item] = {}
        self.call: Any = None
        self._losses = 0
        self._is_stopped = self._is_new = False
        self._start()

    def begin(self, items: Mapping[Hashable, Item]) -> None:
        """Begin a turn with new items, unless there is nothing to do at all."""
        self.under_way.update(items)
        if self.under_way:
            given = self.under_way if self._is_new else items
            self.call = self.actor.turn.remote(_packed(list(given.values())))
            self._is_new = False

    def stop(self) -> None:
        """Let the turn that is under way be the last."""
        if not self._is_stopped:
            self._is_stopped = True
            self.actor.stop.remote()

    def end(self) -> Iterator[Any]:
        """Yield the result of the turn; where the worker is lost, nothing, and another one takes over."""
        call, self.call = self.call, None
        try:
            turn: Turn = pickle.loads(result_of(self._ray, call))  # noqa: S301  our own worker's
        except LostWorker:
            self._losses += 1
            if self._losses > RETRIES:
                raise
            self._start()
            return
        self._losses = 0
        for key in turn.ended:
            del self.under_way[key]
        yield turn.result

    def _start(self) -> None:
        self.actor = self._kind.remote(self._make)
        self._is_new = True


class _Worker(Generic[Item]):
    """The other end of a handle; the lane is made by its first call, which so raises what is wrong with it."""

    def __init__(self, make: Sent) -> None:
        self._make = make
        self._making = threading.Lock()
        self._lane: Lane[Item] | None = None

    def turn(self, items: bytes) -> bytes:
        return _packed(self._made().turn(pickle.loads(items)))  # noqa: S301  of this very run

    def stop(self) -> None:
        self._made().stop()

    def _made(self) -> Lane[Item]:
        with self._making:
            if self._lane is None:
                self._lane = self._make.unpacked()()
                collect_seldom()
            return self._lane


def _packed(content: Any) -> bytes:
    """Return what travels: Ray packs functions too, and takes 1.7 times as long for thousands of rows."""
    return pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
