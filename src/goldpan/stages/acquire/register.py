"""What every row of a list is called, and which rows wait for another one because they name the same URL."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from goldpan.formats.img2dataset.layout import Slot
from goldpan.stages.acquire.door import Door, Fate
from goldpan.stages.acquire.links import Link
from goldpan.store.failures import Failure

_DIGEST_BYTES = 16  # of SHA-256: no two of all the URLs there are have the same
_ID_BYTES = 8


class Ticket(NamedTuple):
    """A row at the door.

    Attributes:
        id: of the row.
        link: the row.
        fate: that it has; what is FRESH is fetched.
        slot: its place in shards, where shards are written.
    """

    id: str
    link: Link
    fate: Fate
    slot: Slot


class Repeat(NamedTuple):
    """A row whose URL stands in an earlier row too, and so is not fetched again.

    Attributes:
        source: name of its list.
        id: of the row.
        first: id of the row with the same URL that is fetched.
        fields: columns of `images`.
        extra: all other columns.
        sha256: that the bytes are to have; empty where none is given.
        md5: the same.
    """

    source: str
    id: str
    first: str
    fields: dict[str, Any]
    extra: dict[str, Any]
    sha256: str
    md5: str


class Register:
    """Gives every row its id and leads it to the door; sets repeats aside in a file.

    An id is the one that the list gives, else the first 16 hexadecimal digits of the URL's SHA-256. Where that is taken
    by a row of the same URL, or by another list, a number is put behind: `-2`, `-3` ..., in the order of the rows.

    Args:
        door: counts the rows.
        prefix: of all ids.
        folder: for the file of repeats, which has no name and so goes with the process.
        fetches_repeats: fetch every row, also where an earlier one names the same URL.

    Attributes:
        entered: rows that were led to the door.
    """

    def __init__(self, door: Door, prefix: str, folder: Path, *, fetches_repeats: bool) -> None:
        self._door, self._fetches_repeats = door, fetches_repeats
        self.entered = 0
        self._prefix = prefix
        self._first: dict[bytes, str] = {}
        self._last_number: Counter[tuple[str, str]] = Counter()
        self._repeats = tempfile.TemporaryFile("w+", encoding="utf-8", dir=folder)  # noqa: SIM115  see `close`

    def enter(self, link: Link, slot: Slot) -> Ticket | None:
        """Return the row with its id and fate; None for a repeat, which waits for another row."""
        self.entered += 1
        key = self._prefix + link.id
        if link.problem:
            fate = self._door.meet(link.source, key)
            if fate is Fate.FRESH:
                fate = Fate.BAD
                self._door.turn_away(link.source, Failure(key, link.reason, link.problem))
            return Ticket(key, link, fate, slot)
        digest = hashlib.sha256(link.url.encode()).digest()[:_DIGEST_BYTES]
        first = self._first.get(digest)
        if not link.id or first is not None:
            key = self._free(link.source, self._prefix + (link.id or digest[:_ID_BYTES].hex()))
        fate = self._door.meet(link.source, key)
        if first is None and fate is not Fate.ID_IS_TAKEN:
            self._first[digest] = key
        if fate is not Fate.FRESH or first is None or self._fetches_repeats:
            return Ticket(key, link, fate, slot)
        repeat = Repeat(link.source, key, first, link.fields, link.extra, link.sha256, link.md5)
        self._repeats.write(json.dumps(repeat, default=str) + "\n")
        return None

    def turn_away(self, ticket: Ticket, failure: Failure) -> None:
        """Let a row fail that was to be fetched."""
        self._door.turn_away(ticket.link.source, failure)

    def repeats(self) -> Iterator[Repeat]:
        """Yield the rows that were set aside, once all others are settled."""
        self._repeats.seek(0)
        for line in self._repeats:
            yield Repeat(*json.loads(line))

    def close(self) -> None:
        """Forget the repeats."""
        self._repeats.close()

    def _free(self, source: str, base: str) -> str:
        """Return the first of `base`, `base-2`, `base-3` ... that no other row has."""
        key, number = base, self._last_number[source, base] or 1
        while self._door.is_taken(source, key):
            number += 1
            key = f"{base}-{number}"
        if number > 1:
            self._last_number[source, base] = number
        return key
