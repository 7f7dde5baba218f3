"""Where fetched images go, and what is told of rows on the way; of itself, into the workspace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from goldpan.formats.img2dataset.layout import Slot
from goldpan.stages.acquire.barn import Harvest
from goldpan.stages.acquire.door import Fate
from goldpan.stages.acquire.links import Link
from goldpan.stages.acquire.register import Ticket
from goldpan.store.failures import Failure
from goldpan.store.pace import FIRST_SECONDS


class Output:
    """The workspace itself: images become blobs, and nothing else has to be done.

    The first three methods are called for the rows of the lists, in order, and may run in another thread.
    """

    fetches_repeats = False
    seconds = FIRST_SECONDS  # between commits

    def next(self, link: Link) -> Slot:
        """Return the place of the next row."""
        return Slot(0, 0)

    def is_wanted(self, ticket: Ticket) -> bool:
        """Tell whether a row is to be fetched."""
        return ticket.fate is Fate.FRESH

    def turn_away(self, ticket: Ticket, failure: Failure) -> None:
        """Hear of a row that was to be fetched, and cannot be."""

    def end(self) -> None:
        """Hear that there are no more rows."""

    def store(self, ticket: Ticket, harvest: Harvest) -> Iterator[Harvest]:
        """Take what came of a row; yield what the workspace is to be told."""
        yield harvest

    def news(self, *, last: bool = False) -> Iterator[Harvest]:
        """Yield what the workspace is to be told beside what was stored; the last time, all of it."""
        yield from ()

    @contextmanager
    def commit(self) -> Iterator[None]:
        """Surround the moment at which the workspace is told."""
        yield

    def check(self) -> None:
        """Raise StageError where something is missing at the end."""

    def made(self) -> dict[str, str]:
        """Return what the report is to say of it."""
        return {}

    def close(self) -> None:
        """Let go of all files."""
