"""The same ordered, bounded map on a Ray cluster: its tasks in place of threads."""

from __future__ import annotations

import math
import os
import pickle
import socket
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

from goldpan import __version__
from goldpan.compute.executor import Item, Result
from goldpan.core.errors import GoldpanError, InputError, MissingExtra, StageError

RETRIES = 5  # of a task whose worker died
# Ray reads these when it starts: it calls nobody, and a task that asked for no GPU still sees those of its machine.
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
_HOW = "Where it wants a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN."


class RayExecutor:
    """Tasks on the machines of a Ray cluster, one processor each, or less where more workers are asked for.

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

    is_remote = True

    def __init__(self, workers: int | None = None, address: str | None = None, in_flight: int | None = None) -> None:
        self._asked, self._address, self._in_flight = workers, address, in_flight
        _ray()

    @contextmanager
    def joined(self) -> Iterator[Any]:
        """Be part of the cluster until the block ends, and give Ray; what is done within joins it once."""
        with _connected(self._address) as ray:
            yield ray

    @property
    def workers(self) -> int:
        """How many tasks run at once."""
        if self._asked is None:
            self._asked = max(1, int(self._processors))
        return self._asked

    @property
    def share(self) -> float:
        """Processors that each worker takes."""
        return min(1.0, math.floor(1000 * self._processors / self.workers) / 1000)

    @property
    def _processors(self) -> float:
        with self.joined() as ray:
            return float(ray.cluster_resources().get("CPU", 1))

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield ``function(item)`` in order; the first exception stops the rest and is raised.

        Raises:
            StageError: a task lost its worker again and again.
        """
        with self.joined() as ray:
            in_flight = self._in_flight or 2 * self.workers
            task = ray.remote(num_cpus=self.share, max_retries=RETRIES)(_call)
            sent = ray.put(Sent.of(function))
            waiting: deque[Any] = deque()
            try:
                for item in items:
                    waiting.append(task.remote(sent, item))
                    if len(waiting) >= in_flight:
                        yield result_of(ray, waiting.popleft())
                while waiting:
                    yield result_of(ray, waiting.popleft())
            finally:
                for left in waiting if ray.is_initialized() else ():  # at the end of a program it may be gone
                    ray.cancel(left)


class LostWorker(StageError):
    """The worker that did something died."""


class Sent(NamedTuple):
    """A function on its way to another machine.

    Attributes:
        version: of the goldpan that sends it.
        data: the function.
    """

    version: str
    data: bytes

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Self:
        """Pack a function."""
        return cls(__version__, _ray().cloudpickle.dumps(function))

    def unpacked(self) -> Callable[..., Any]:
        """Return the function, on the machine that it was sent to.

        Raises:
            InputError: that has another version, or does not see what the function needs.
        """
        host = os.uname().nodename
        if self.version != __version__:
            raise InputError(f"{host} has goldpan {__version__}, not {self.version}; install that version there.")
        try:
            function: Callable[..., Any] = pickle.loads(self.data)  # noqa: S301  of this very run
        except GoldpanError as error:
            raise InputError(f"{host} does not see what this machine sees: {error}") from error
        return function


def _call(sent: Sent, item: Any) -> Any:
    """Do one item, on whichever machine."""
    return sent.unpacked()(item)


def result_of(ray: Any, reference: Any) -> Any:
    """Return what a task did, or raise what it raised there as it would be raised here.

    Raises:
        LostWorker: the worker that did it died, and so did those that tried it again.
    """
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", error)
        if not isinstance(cause, ray.exceptions.RayError):
            raise cause from None
        lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
        raise LostWorker(f"The cluster could not do a task: {lines[0]}") from error


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
            ray.init(address, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        first = str(error).strip().partition("\n")[0].partition(". ")[0]
        raise InputError(f"The Ray cluster at {where or 'this machine'} cannot be joined: {first}. {_HOW}") from error
    ray._private.worker._worker_logs_enabled = False  # it tells of dead workers on stdout, which is for results
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
