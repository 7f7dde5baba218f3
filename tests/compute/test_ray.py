"""The map of a Ray cluster: a real one, with workers that die."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from goldpan.compute.config import Spread, executor_of
from goldpan.compute.executor import LocalExecutor
from goldpan.compute.ray import RayExecutor
from goldpan.core.errors import FormatError, InputError, StageError
from goldpan.stages.stage import make_config

pytest.importorskip("ray", reason="ray is not installed; type: pip install 'goldpan[ray]'")


def square(x: int) -> int:
    return x * x


def damaged(x: int) -> int:
    if x == 3:
        raise FormatError("a.fvecs", "it is cut short", row=x)
    return x


@dataclass
class DiesOnce:
    """Kills its own process at the fifth item, unless the marker says that it has done so."""

    marker: Path
    always: bool = False

    def __call__(self, x: int) -> int:
        if x == 5 and (self.always or not self.marker.exists()):
            self.marker.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return x + 1


@pytest.mark.slow
def test_a_cluster_that_is_not_there() -> None:
    import ray

    assert not ray.is_initialized()  # so this test comes first
    with pytest.raises(InputError, match=r"There is no Ray cluster at 127\.0\.0\.1:9"):
        list(RayExecutor(address="127.0.0.1:9").map(square, [1]))


@pytest.mark.slow
def test_results_come_in_order(ray_cluster: None) -> None:
    assert list(RayExecutor().map(square, range(30))) == [x * x for x in range(30)]
    assert RayExecutor().workers == 2


@pytest.mark.slow
def test_only_so_much_is_in_flight(ray_cluster: None) -> None:
    taken = []

    def items() -> Iterator[int]:
        for x in range(1000):
            taken.append(x)
            yield x

    results = RayExecutor(in_flight=4).map(square, items())
    assert [next(results), next(results)] == [0, 1]
    assert len(taken) == 5
    results.close()  # type: ignore[attr-defined]


@pytest.mark.slow
def test_an_error_is_that_of_the_function(ray_cluster: None) -> None:
    results = RayExecutor().map(damaged, range(9))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(FormatError, match=r"^a\.fvecs at row 3: it is cut short$") as caught:
        next(results)
    assert caught.value.row == 3


@pytest.mark.slow
def test_a_task_whose_worker_was_killed_is_run_again(ray_cluster: None, tmp_path: Path) -> None:
    assert list(RayExecutor().map(DiesOnce(tmp_path / "died"), range(12))) == list(range(1, 13))
    assert (tmp_path / "died").read_text() != str(os.getpid())


@pytest.mark.slow
def test_a_task_that_always_kills_its_worker_is_given_up(ray_cluster: None, tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"The cluster could not do a task: .*died"):
        list(RayExecutor().map(DiesOnce(tmp_path / "died", always=True), range(8)))


def test_the_executor_is_a_field() -> None:
    assert isinstance(executor_of(make_config(Spread, {})), LocalExecutor)
    assert isinstance(executor_of(make_config(Spread, {"executor": "ray"})), RayExecutor)
    with pytest.raises(InputError, match=r"--address head:6379 is that of a Ray cluster; add --executor ray"):
        make_config(Spread, {"address": "head:6379"})
    assert make_config(Spread, {"executor": "ray"}).digest() == make_config(Spread, {}).digest()
