"""How work tells that it moves on: a protocol the library calls and the command line draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable


class Progress(Protocol):
    """Told by a stage what it does; draws it, writes it, or stays silent."""

    def start(self, label: str, total: int | None = None) -> None:
        """Begin a phase of `total` items (None where unknown)."""

    def advance(self, done: int = 1, failed: int = 0) -> None:
        """Count `done` finished items, `failed` of them failures."""

    def finish(self) -> None:
        """End the phase."""


class HostFacts(NamedTuple):
    """How a host does.

    Attributes:
        name: of the host.
        done: requests that went well.
        failed: requests that did not.
        waiting: requests that are still to be begun.
        seconds: mean time of its answers.
    """

    name: str
    done: int
    failed: int
    waiting: int
    seconds: float


class Facts(NamedTuple):
    """What there is to say of a phase beside its count, at this moment.

    Attributes:
        failures: how many items failed, by reason.
        hosts: that are asked, the slowest first.
        arrived_bytes: that were fetched.
    """

    failures: Mapping[str, int]
    hosts: Sequence[HostFacts]
    arrived_bytes: int


@runtime_checkable
class Watcher(Protocol):
    """A `Progress` that shows more than a count, where a stage has more to say."""

    def watch(self, facts: Callable[[], Facts]) -> None:
        """Take a function that tells how the phase stands; it may be called from any thread until `finish`."""


class Silent:
    """The default: says nothing."""

    def start(self, label: str, total: int | None = None) -> None:
        """Ignore it."""

    def advance(self, done: int = 1, failed: int = 0) -> None:
        """Ignore it."""

    def finish(self) -> None:
        """Ignore it."""
