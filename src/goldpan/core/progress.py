"""How work tells that it moves on: a protocol the library calls and the command line draws."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told by a stage what it does; draws it, writes it, or stays silent."""

    def start(self, label: str, total: int | None = None) -> None:
        """Begin a phase of `total` items (None where unknown)."""

    def advance(self, done: int = 1, failed: int = 0) -> None:
        """Count `done` finished items, `failed` of them failures."""

    def finish(self) -> None:
        """End the phase."""


class Silent:
    """The default: says nothing."""

    def start(self, label: str, total: int | None = None) -> None:
        """Ignore it."""

    def advance(self, done: int = 1, failed: int = 0) -> None:
        """Ignore it."""

    def finish(self) -> None:
        """Ignore it."""
