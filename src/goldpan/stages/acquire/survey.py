"""The rows of lists as slots of shards: which are there already, and what else is to be told of them."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import Any, NamedTuple

from goldpan.core.errors import InputError, Reason
from goldpan.formats.img2dataset.bodies import Kind
from goldpan.formats.img2dataset.journal import Entry, read_journal
from goldpan.formats.img2dataset.layout import Layout, Slot
from goldpan.formats.img2dataset.shard import finished_entries, missing_files
from goldpan.stages.acquire.barn import Harvest
from goldpan.stages.acquire.door import Door, Fate
from goldpan.stages.acquire.links import Link
from goldpan.stages.acquire.register import Ticket
from goldpan.stages.acquire.shard_rows import address, harvest_of, listed_columns
from goldpan.store.blobs import Blobs
from goldpan.store.failures import Failure

_TYPED_BY = 1000


class Found(NamedTuple):
    """A row that its shard knows already.

    Attributes:
        shard: its number.
        harvest: what the workspace does not know of it yet; None where it knows.
        is_finished: whether the shard is.
    """

    shard: int
    harvest: Harvest | None
    is_finished: bool


class Turned(NamedTuple):
    """A row that fails without being fetched, and that its shard does not know."""

    ticket: Ticket
    failure: Failure


class Counted(NamedTuple):
    """The end of a shard.

    Attributes:
        shard: its number.
        rows: that it has.
        quiet: of them, those that nobody has to look at.
        sample: columns of the first rows of its file, to judge their types by.
    """

    shard: int
    rows: int
    quiet: int
    sample: list[dict[str, Any]]


Event = Found | Turned | Counted


class Survey:
    """Walks through the rows of all lists, in order; in another thread than that which takes its events, if need be.

    Shards are cut as img2dataset cuts them: so many rows each, and a new file of a list begins a new one.

    Attributes:
        events: what is to be told of rows that are not fetched, oldest first.

    Raises:
        InputError: a file of a finished shard is not there.
    """

    def __init__(self, layout: Layout, kind: Kind, door: Door, blobs: Blobs) -> None:
        self._layout, self._kind, self._door, self._blobs = layout, kind, door, blobs
        for shard in layout.finished():
            self._check_there(shard)
        self._slot = Slot(-1, -1)
        self._quiet = 0
        self._sample: list[dict[str, Any]] = []
        self._is_finished = False
        self._entries: dict[str, Entry] | None = None
        self.events: deque[Event] = deque()

    def next(self, link: Link) -> Slot:
        """Return the slot of the next row."""
        if link.row == 0:
            self._sample = []
        if link.row == 0 or self._slot.shard < 0 or self._slot.row + 1 == self._layout.per_shard:
            self.end()
            self._begin(self._slot.shard + 1)
        if len(self._sample) < min(_TYPED_BY, self._layout.per_shard):
            self._sample.append(listed_columns(link))
        self._slot = Slot(self._slot.shard, self._slot.row + 1)
        return self._slot

    def end(self) -> None:
        """Tell that the shard at hand has no more rows."""
        if self._slot.row >= 0:
            self.events.append(Counted(self._slot.shard, self._slot.row + 1, self._quiet, self._sample))

    def is_wanted(self, ticket: Ticket) -> bool:
        """Tell whether the row at hand is to be fetched. Where it is not, an event says what else there is to do.

        Raises:
            InputError: the folder holds shards of another list, or of other settings.
        """
        shard, fate = self._slot.shard, ticket.fate
        if self._is_finished and fate in (Fate.KNOWN, Fate.FAILED_BEFORE):
            self._quiet += 1
            return False
        entry = self._entry()
        if fate is Fate.FRESH:
            harvest = self._adopted(ticket, entry) if entry is not None else None
            if harvest is not None:
                self.events.append(Found(shard, harvest, self._is_finished))
            return harvest is None
        if entry is not None:
            self.events.append(Found(shard, None, self._is_finished))
        else:
            self.turn_away(ticket, self._failure(ticket))
        return False

    def turn_away(self, ticket: Ticket, failure: Failure) -> None:
        """Tell of a row that fails without being fetched."""
        self.events.append(Turned(ticket, failure))

    def _check_there(self, shard: int) -> None:
        if missing := missing_files(self._layout, shard, self._kind):
            raise InputError(
                f"{', '.join(missing)} of a finished shard is not in {self._layout.folder}; bring it back, or fetch to "
                "another --output with another workspace."
            )

    def _begin(self, shard: int) -> None:
        self._slot, self._quiet, self._entries = Slot(shard, -1), 0, None
        self._is_finished = self._layout.is_finished(shard)

    def _entry(self) -> Entry | None:
        """Return what the shard knows of the row at hand; it is read when it is first asked."""
        shard = self._slot.shard
        if self._entries is None:
            journal = self._layout.journal(shard)
            if self._is_finished:
                self._entries = finished_entries(self._layout, shard, self._kind)
            else:
                self._entries = read_journal(journal)[1] if journal.exists() else {}
        return self._entries.get(self._layout.key(self._slot))

    def _adopted(self, ticket: Ticket, entry: Entry) -> Harvest | None:
        """Return what the workspace is to know of a row that its shard knows; None where it is to be fetched after all.

        That is where it failed before and is tried again, and where its image is not what was written.
        """
        link, table = ticket.link, self._layout.table(self._slot.shard)
        if entry.row["url"] != link.url:
            raise InputError(
                f"{table} was made from another list, or with other shards: its {entry.row['key']} is "
                f"{entry.row['url']}, that of the list {link.url}; give another --output."
            )
        if entry.place is None and self._door.tried_again(link.source, [ticket.id]):
            return None
        if entry.place is None or not entry.note:
            uri = entry.place and address(self._layout, self._kind, self._slot, entry.place)
            return harvest_of(entry, ticket, uri, self._blobs)
        is_whole = hashlib.sha256(entry.place.read(self._layout.folder)).hexdigest() == entry.note["sha256"]
        return Harvest(link.source, [entry.note | {"id": ticket.id, "source": link.source}]) if is_whole else None

    def _failure(self, ticket: Ticket) -> Failure:
        link = ticket.link
        if ticket.fate is Fate.BAD:
            return Failure(ticket.id, link.reason, link.problem)
        if ticket.fate is Fate.ID_IS_TAKEN:
            return Failure(ticket.id, Reason.DUPLICATE_ID, "the id is that of another row")
        reason = self._door.reason_of(link.source, ticket.id)
        if reason is not None:
            return Failure(ticket.id, reason, "it failed before")
        if self._layout.table(self._slot.shard).exists():
            self._check_there(self._slot.shard)
        raise InputError(
            f"The workspace has an image of {link.url}, but {self._layout.table(self._slot.shard)} has none; give "
            "--output, --output-format and --per-shard as they were, or begin anew in another workspace and folder."
        )
