"""The records of a JSON file, one by one: an array of any length never stands in memory whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from goldpan.core.errors import FormatError

_READ = 1 << 20
_LONGEST = 16 << 20
_BETWEEN = re.compile(r"[\s,]*")


class BadRecord(NamedTuple):
    """What is wrong with one record, where the others can be read."""

    problem: str


def json_records(stream: TextIO, path: Path) -> Iterator[Any]:
    """Yield the values of a JSON array, as pandas writes with ``orient="records"``, or values one after the other.

    Args:
        stream: of the file.
        path: of the file, for messages.

    Raises:
        FormatError: no JSON, cut off, or one value longer than 16 MiB.
    """
    decode = json.JSONDecoder().raw_decode
    text = stream.read(_READ).lstrip()
    in_array = text.startswith("[")
    at, row = int(in_array), 0
    while True:
        at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]
        if in_array and text.startswith("]", at):
            return
        try:
            value, end = decode(text, at)
        except (ValueError, RecursionError) as error:
            more = stream.read(_READ) if len(text) - at <= _LONGEST and isinstance(error, ValueError) else ""
            if more:
                text, at = text[at:] + more, 0
                continue
            if at == len(text) and not in_array:
                return
            problem = "the file ends within its array" if at == len(text) else f"no JSON ({error})"
            raise FormatError(path, problem, row=row) from error
        yield value
        at, row = end, row + 1


def json_lines(stream: TextIO) -> Iterator[Any]:
    """Yield the value of each line that is not blank; a line that is none is a `BadRecord`."""
    for line in stream:
        if not line.isspace():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                yield BadRecord("is no JSON")
