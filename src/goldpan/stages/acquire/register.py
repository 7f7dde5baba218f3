"""What every row of a list is called, and which rows wait for another one because they name the same URL."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from goldpan.formats.img2dataset.layout import Slot
from goldpan.stages.acquire.digests import DigestMap, Texts
from goldpan.stages.acquire.door import Door, Fate
from goldpan.stages.acquire.earlier import Earlier, usual_id
from goldpan.stages.acquire.links import Link
from goldpan.store.failures import Failure

Key = tuple[str, str]


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

    @property
    def key(self) -> Key:
        """What no other row has: source and id."""
        return self.link.source, self.id


class Repeat(NamedTuple):
    """A row without boxes whose URL another row has, earlier in this run or in the workspace: it is not fetched again.

    Attributes:
        id: of the row.
        first: id of the row with the same URL that is, or was, fetched.
        link: the row.
    """

    id: str
    first: str
    link: Link


class Register:
    """Gives every row its id and leads it to the door; sets repeats aside in a file.

    An id is the one that the list gives, else the first 16 hexadecimal digits of the URL's SHA-256. Where that is taken
    by a row of the same URL, or by another list, a number is put behind: `-2`, `-3` ..., in the order of the rows.

    Args:
        door: counts the rows.
        prefix: of all ids.
        folder: for the file of repeats, which has no name and so goes with the process.
        earlier: knows what was fetched before; where None every row is fetched, also where another one has its URL.

    Attributes:
        entered: rows that were led to the door.
    """

    def __init__(self, door: Door, prefix: str, folder: Path, earlier: Earlier | None) -> None:
        self._door, self._earlier = door, earlier
        self.entered = 0
        self._prefix = prefix
        self._first = DigestMap()  # of URLs whose first row has another id than the usual: the number of its id
        self._blurred = DigestMap()  # 1 for URLs whose first row has boxes
        self._ids = Texts()
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
        usual = self._prefix + usual_id(link.url)
        first = self._find(link.url, usual)
        if not link.id or first or (self._door.is_taken(link.source, key) and self._fetched_before(link) == key):
            key = self._free(link.source, key if link.id else usual)
        fate = self._door.meet(link.source, key)
        if not first and key != usual and fate is not Fate.ID_IS_TAKEN:
            self._first.put(link.url, 1 + self._ids.append(key))
        if link.boxes and not first:
            self._blurred.put(link.url, 1)
        if fate is not Fate.FRESH or self._earlier is None or link.boxes:
            return Ticket(key, link, fate, slot)
        first = self._fetched_before(link) or ("" if self._is_blurred(link) else first)
        if not first:
            return Ticket(key, link, fate, slot)
        kept = (link.source, link.id, link.url, link.fields, link.extra, link.sha256, link.md5)
        self._repeats.write(json.dumps((key, first, kept), default=str) + "\n")
        return None

    def turn_away(self, ticket: Ticket, failure: Failure) -> None:
        """Let a row fail that was to be fetched."""
        self._door.turn_away(ticket.link.source, failure)

    def repeats(self) -> Iterator[Repeat]:
        """Yield the rows that were set aside, once all others are settled."""
        self._repeats.seek(0)
        for line in self._repeats:
            key, first, kept = json.loads(line)
            yield Repeat(key, first, Link(*kept))

    def close(self) -> None:
        """Forget the repeats."""
        self._repeats.close()

    def _fetched_before(self, link: Link) -> str:
        """Return the id of a row that was fetched by an earlier run from the same URL; empty where there is none."""
        return self._earlier.find(link.url) if self._earlier is not None else ""

    def _is_blurred(self, link: Link) -> bool:
        return bool(self._blurred) and self._blurred[link.url] != 0

    def _find(self, url: str, usual: str) -> str:
        """Return the id of the first row with a URL; empty where there is none before."""
        number = self._first[url] if self._first else 0
        return self._ids[number - 1] if number else usual if self._door.has_met(usual) else ""

    def _free(self, source: str, base: str) -> str:
        """Return the first of `base`, `base-2`, `base-3` ... that no other row has."""
        key, number = base, self._last_number[source, base] or 1
        while self._door.is_taken(source, key):
            number += 1
            key = f"{base}-{number}"
        if number > 1:
            self._last_number[source, base] = number
        return key
