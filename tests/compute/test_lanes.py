"""Workers of a real cluster that hold many items: what ends comes back, what a lost worker held is done again."""

import os
import signal
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from goldpan.compute.lanes import Lanes, Turn
from goldpan.compute.ray import RayExecutor
from goldpan.core.errors import FormatError, StageError

pytest.importorskip("ray", reason="ray is not installed; type: pip install 'goldpan[ray]'")
pytestmark = pytest.mark.slow


class Squares:
    """Ends what it holds a few at a time, the newest first, and says which process it is."""

    def __init__(self, marker: Path | None = None, always: bool = False) -> None:
        self._held: list[int] = []
        self._marker, self._always = marker, always
        self._stopped = False

    def turn(self, items: Sequence[int]) -> Turn:
        self._held += items
        if 13 in items and self._marker and (self._always or not self._marker.exists()):
            self._marker.write_text("died")
            os.kill(os.getpid(), signal.SIGKILL)
        if -1 in items:
            raise FormatError("a.fvecs", "it is cut short", row=7)
        while 99 in self._held and not self._stopped:
            time.sleep(0.01)
        ended = [self._held.pop() for _ in range(min(3, len(self._held)))]
        return Turn(ended, (os.getpid(), [x * x for x in ended]))

    def stop(self) -> None:
        self._stopped = True


class Dealer:
    """Gives even numbers to lane 0 and odd ones to lane 1, ten at once at most."""

    def __init__(self, items: Sequence[int]) -> None:
        self._items = list(items)
        self.most = 0

    def __call__(self, lane: int, under_way: int) -> dict[Any, int]:
        self.most = max(self.most, under_way)
        dealt = [x for x in self._items if x % 2 == lane][: 10 - under_way]
        self._items = [x for x in self._items if x not in dealt]
        return {x: x for x in dealt}


def test_each_lane_keeps_to_its_process(ray_cluster: None) -> None:
    deal = Dealer(range(90))
    results = list(Lanes(RayExecutor(), Squares, deal).results())
    assert sorted(x for _, (_, squares) in results for x in squares) == [x * x for x in range(90)]
    assert len({(lane, pid) for lane, (pid, _) in results}) == 2
    assert all(x % 2 == lane for lane, (_, squares) in results for x in squares)
    assert deal.most == 7


def test_what_a_lost_worker_held_is_done_again(ray_cluster: None, tmp_path: Path) -> None:
    results = list(Lanes(RayExecutor(2), partial(Squares, tmp_path / "died"), Dealer(range(40))).results())
    assert sorted(x for _, (_, squares) in results for x in squares) == [x * x for x in range(40)]
    assert (tmp_path / "died").exists()


def test_a_lane_that_is_lost_again_and_again_is_given_up(ray_cluster: None, tmp_path: Path) -> None:
    lanes = Lanes(RayExecutor(2), partial(Squares, tmp_path / "died", always=True), Dealer(range(40)))
    with pytest.raises(StageError, match=r"The cluster could not do a task: .*died"):
        list(lanes.results())


def test_an_error_is_that_of_the_lane(ray_cluster: None) -> None:
    with pytest.raises(FormatError, match=r"^a\.fvecs at row 7: it is cut short$"):
        list(Lanes(RayExecutor(2), Squares, Dealer([2, 4, 6, -1])).results())


def test_it_can_be_stopped(ray_cluster: None) -> None:
    lanes = Lanes(RayExecutor(2), Squares, Dealer([*range(8), 99]))
    ended: list[int] = []
    began = time.monotonic()
    for _, (_, squares) in lanes.results():
        ended += squares
        if len(ended) >= 4:
            lanes.stop()
    assert time.monotonic() - began < 10
    assert len(ended) < 9


def test_more_lanes_than_processors_share_them(ray_cluster: None) -> None:
    results = list(Lanes(RayExecutor(5), Squares, Dealer(range(20))).results())
    assert sorted(x for _, (_, squares) in results for x in squares) == [x * x for x in range(20)]
