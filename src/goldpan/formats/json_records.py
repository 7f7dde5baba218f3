"""The records of a JSON file, one by one: an array of any length never stands in memory whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from goldpan.core.errors import FormatError

GROUP = "QUERY"
"""The column that records in groups have besides: the name of their group."""

_READ = 1 << 20
_LONGEST = 16 << 20
_BETWEEN = re.compile(r"[\s,]*")
_GROUP = re.compile(r'\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\[\s*[{\]]')


class BadRecord(NamedTuple):
    """What is wrong with one record, where the others can be read."""

    problem: str


def json_records(stream: TextIO, path: Path) -> Iterator[Any]:
    """Yield the values of a JSON file, which stand in an array, in groups or one after the other.

    An array is what pandas writes with ``orient="records"``. Groups are ``{"name": [record, ...], ...}``; each record
    then has the name of its group as `GROUP`.

    Args:
        stream: of the file.
        path: of the file, for messages.

    Raises:
        FormatError: no JSON, cut off, or one value longer than 16 MiB.
    """
    values = _Values(stream, path)
    if values.peek() == "[":
        yield from values.array()
    elif values.is_grouped():
        yield from values.groups()
    else:
        while values.peek():
            yield values.next()


def json_lines(stream: TextIO) -> Iterator[Any]:
    """Yield the value of each line that is not blank; a line that is none is a `BadRecord`."""
    for line in stream:
        if not line.isspace():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                yield BadRecord("is no JSON")


class _Values:
    """Values out of a stream, of which a piece is held at a time."""

    def __init__(self, stream: TextIO, path: Path) -> None:
        self._stream, self._path = stream, path
        self._decode = json.JSONDecoder().raw_decode
        self._text, self._at, self._row = stream.read(_READ), 0, 0

    def peek(self) -> str:
        """Return the next character that is no blank and no comma; none at the end."""
        while True:
            self._at = _BETWEEN.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def next(self) -> Any:
        """Return the next value."""
        self.peek()
        while True:
            try:
                value, self._at = self._decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                short = isinstance(error, ValueError) and len(self._text) - self._at <= _LONGEST
                if short and self._more():
                    continue
                cut = self._at == len(self._text)
                raise self._error("the file ends within its array" if cut else f"no JSON ({error})") from error
            self._row += 1
            return value

    def array(self) -> Iterator[Any]:
        """Yield the values of the array that begins here."""
        self._at += 1
        while self.peek() != "]":
            yield self.next()
        self._at += 1

    def is_grouped(self) -> bool:
        """Tell whether an object begins here all of whose values are arrays of records: of a long one, the first."""
        try:
            found, _ = self._decode(self._text, self._at)
        except (ValueError, RecursionError):
            return _GROUP.match(self._text, self._at) is not None
        return (
            isinstance(found, dict)
            and any(found.values())
            and all(
                isinstance(group, list) and all(isinstance(each, dict) for each in group) for group in found.values()
            )
        )

    def groups(self) -> Iterator[Any]:
        """Yield the records of the groups in the object that begins here."""
        self._at += 1
        while self.peek() != "}":
            name, self._row = self.next(), self._row
            if self.peek() != ":":
                raise self._error("a group without records")
            self._at += 1
            if self.peek() != "[":
                raise self._error(f"the group {name!r} is no array")
            for record in self.array():
                yield {**record, GROUP: name} if isinstance(record, dict) else record

    def _more(self) -> bool:
        """Read on; tell whether there was more."""
        more = self._stream.read(_READ)
        self._text, self._at = self._text[self._at :] + more, 0
        return bool(more)

    def _error(self, problem: str) -> FormatError:
        return FormatError(self._path, problem, row=self._row)
