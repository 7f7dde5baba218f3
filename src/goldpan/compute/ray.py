"""The same ordered, bounded map on a Ray cluster: its tasks in place of threads."""

from __future__ import annotations

import os
import socket
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from goldpan import __version__
from goldpan.compute.executor import Item, Result
from goldpan.core.errors import InputError, MissingExtra, StageError

RETRIES = 5  # of a task whose worker died
# Ray reads these when it starts: it calls nobody, and a task that asked for no GPU still sees those of its machine.
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
_HOW = "Where it wants a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN."


class RayExecutor:
    """Tasks on the machines of a Ray cluster, one processor each.

    Functions, items and results travel by Ray's own serializer, and goldpan must be installed, in the same version, on
    every machine. A task whose worker died is run again; an error that the function raises is not tried again.

    Args:
        workers: how many tasks at once; the processors of the cluster where None.
        address: of a cluster that this machine is part of, such as "head:6379"; "local" starts one here. Where None,
            the one that RAY_ADDRESS names or that was started on this machine, else a new one for as long as the map.
        in_flight: how many items may be started ahead of the consumer; bounds memory. Twice the workers where None.

    Raises:
        MissingExtra: Ray is not installed.
        InputError: there is no cluster at that address.

    Example:
        ``goldpan.embed(ws, encoder="phash:8", executor=RayExecutor(address="head:6379"))``
    """

    def __init__(self, workers: int | None = None, address: str | None = None, in_flight: int | None = None) -> None:
        self._asked, self._address, self._in_flight = workers, address, in_flight
        _ray()

    @property
    def workers(self) -> int:
        """How many tasks run at once."""
        if self._asked is None:
            with _connected(self._address) as ray:
                self._asked = max(1, int(ray.cluster_resources().get("CPU", 1)))
        return self._asked

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield ``function(item)`` in order; the first exception stops the rest and is raised.

        Raises:
            StageError: a task lost its worker again and again.
        """
        with _connected(self._address) as ray:
            in_flight = self._in_flight or 2 * self.workers
            task = ray.remote(num_cpus=1, max_retries=RETRIES)(_call)
            sent = ray.put(function)
            waiting: deque[Any] = deque()
            try:
                for item in items:
                    waiting.append(task.remote(sent, __version__, item))
                    if len(waiting) >= in_flight:
                        yield _result(ray, waiting.popleft())
                while waiting:
                    yield _result(ray, waiting.popleft())
            finally:
                for left in waiting:
                    ray.cancel(left)


def _call(function: Callable[[Item], Result], version: str, item: Item) -> Result:
    """Do one item, on whichever machine."""
    if version != __version__:
        raise InputError(f"{os.uname().nodename} has goldpan {__version__}, not {version}; install that version there.")
    return function(item)


def _result(ray: Any, reference: Any) -> Any:
    """Return what a task did, or raise what it raised there as it would be raised here."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", error)
        if not isinstance(cause, ray.exceptions.RayError):
            raise cause from None
        lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
        raise StageError(f"The cluster could not do a task: {lines[0]}") from error


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Give Ray, connected; who connected disconnects, which ends a cluster that was started for it."""
    ray = _ray()
    if ray.is_initialized():
        yield ray
        return
    where = address or os.environ.get("RAY_ADDRESS", "")
    _look_for(where)
    try:
        with warnings.catch_warnings():  # Lance warns of forks; those of Ray start another program at once
            warnings.filterwarnings("ignore", message=".*fork-safe")
            ray.init(address, log_to_driver=False, logging_level="ERROR")
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        first = str(error).strip().partition("\n")[0].partition(". ")[0]
        raise InputError(f"The Ray cluster at {where or 'this machine'} cannot be joined: {first}. {_HOW}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _look_for(address: str) -> None:
    """Refuse an address where nobody listens; Ray would look for two minutes, and end the process then."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
        except OSError as error:
            raise InputError(f"There is no Ray cluster at {address}: {error}") from error


def _ray() -> Any:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise MissingExtra("ray", "ray") from None
    return ray
