"""Names of files, keys of samples, statistics, and which shards of a folder are finished."""

from __future__ import annotations

import json
import math
import re
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from goldpan.core.errors import FormatError, InputError
from goldpan.formats.atomic import replace_file

SUCCESS, NOT_DOWNLOADED, NOT_RESIZED = "success", "failed_to_download", "failed_to_resize"
_HALF = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")  # see `replace_file`
_HELPED = re.compile(r"\.(\d+)\.(journal|tar)")
_STATS = re.compile(r"(\d+)_stats\.json")


class Slot(NamedTuple):
    """The place of a row of the list: the number of its shard, and its own in it, both from 0."""

    shard: int
    row: int


@dataclass(frozen=True)
class Layout:
    """How a folder of shards is laid out.

    Attributes:
        folder: that holds the shards.
        per_shard: rows of the list a shard.
        digits: least number of digits of a shard's name.
    """

    folder: Path
    per_shard: int = 10_000
    digits: int = 5

    @cached_property
    def _row_digits(self) -> int:
        return math.ceil(math.log10(self.per_shard))

    def name(self, shard: int) -> str:
        """Return the name of a shard, such as "00012"."""
        return f"{shard:0{self.digits}d}"

    def key(self, slot: Slot) -> str:
        """Return the key of a row: digits of the shard, then of the row, such as "000120034"."""
        return f"{slot.shard * 10**self._row_digits + slot.row:0{self.digits + self._row_digits}d}"

    def table(self, shard: int) -> Path:
        """Return the path of the Parquet file that says what came of each row."""
        return self.folder / f"{self.name(shard)}.parquet"

    def stats(self, shard: int) -> Path:
        """Return the path of the file whose presence means that the shard is finished."""
        return self.folder / f"{self.name(shard)}_stats.json"

    def journal(self, shard: int) -> Path:
        """Return the path of the hidden file that holds what is known of a shard until it is finished."""
        return self.folder / f".{self.name(shard)}.journal"

    def claim(self, kind: str) -> None:
        """Note the settings of the folder, so that nobody goes on with others.

        Args:
            kind: of what the shards are.

        Raises:
            InputError: it was begun with others.
        """
        note = self.folder / ".shards.toml"
        mine = f'kind = "{kind}"\nper_shard = {self.per_shard}\ndigits = {self.digits}\n'
        if not note.exists():
            with replace_file(note) as fresh:
                fresh.write_text(mine)
        elif (theirs := note.read_text()) != mine:
            raise InputError(
                f"{self.folder} was begun as {', '.join(theirs.splitlines())}, not {', '.join(mine.splitlines())}; "
                "go on with the settings of then, or name another folder."
            )

    def clean(self) -> None:
        """Remove what kills left: half of a file, and what helped to write shards that are finished now."""
        for path in self.folder.glob(".*"):
            helped = _HELPED.fullmatch(path.name)
            if _HALF.fullmatch(path.name) or (helped and self.is_finished(int(helped[1]))):
                path.unlink()

    def is_finished(self, shard: int) -> bool:
        """Tell whether a shard is finished, by whichever program."""
        return self.stats(shard).is_file()

    def finished(self) -> list[int]:
        """Return the numbers of all finished shards, in order."""
        found = (_STATS.fullmatch(path.name) for path in self.folder.glob("*_stats.json"))
        return sorted(int(match[1]) for match in found if match)


@dataclass(frozen=True)
class Stats:
    """What a shard's ``_stats.json`` says.

    Attributes:
        count: rows of the list.
        successes: of them, images that were written.
        failed_to_download: of them, rows for which nothing usable came.
        failed_to_resize: of them, rows whose bytes were no image that could be used.
        duration: seconds from `start_time` to `end_time`.
        start_time: when the shard was begun, seconds since 1970.
        end_time: when its last row was there.
        status_dict: rows by "success" or what went wrong.
    """

    count: int
    successes: int
    failed_to_download: int
    failed_to_resize: int
    duration: float
    start_time: float
    end_time: float
    status_dict: dict[str, int]

    @classmethod
    def of(cls, rows: Iterable[dict[str, Any]], start_time: float) -> Stats:
        """Count the rows of a shard that ends now; of an error message counts what stands before the first colon."""
        statuses, words = Counter[str](), Counter[str]()
        for row in rows:
            statuses[row["status"]] += 1
            words[row["status"] if row["error_message"] is None else row["error_message"].partition(":")[0]] += 1
        now = time.time()
        return cls(
            count=statuses.total(),
            successes=statuses[SUCCESS],
            failed_to_download=statuses[NOT_DOWNLOADED],
            failed_to_resize=statuses[NOT_RESIZED],
            duration=now - start_time,
            start_time=start_time,
            end_time=now,
            status_dict=dict(words.most_common()),
        )

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        with replace_file(path) as fresh:
            fresh.write_text(json.dumps(asdict(self), indent=4))


def read_stats(path: Path) -> dict[str, Any]:
    """Return what a ``_stats.json`` says.

    Raises:
        FormatError: it is no such file.
    """
    try:
        stats = json.loads(path.read_text())
    except ValueError as error:
        raise FormatError(path, f"not the statistics of a shard: {error}") from error
    if not isinstance(stats, dict) or not {"count", "successes", "status_dict"} <= set(stats):
        raise FormatError(path, "not the statistics of a shard: count, successes or status_dict is missing")
    return stats
