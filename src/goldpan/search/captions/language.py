"""The query language of SQLite FTS5: words, "phrases", begin*, ^first, AND, OR, NOT, parentheses, a + b.

Words side by side must all occur, anywhere and in any order; this binds tighter than NOT, that tighter than AND, and
AND tighter than OR. Column filters and NEAR are not taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from goldpan.core.errors import InputError
from goldpan.search.captions.tokens import tokenize

_LEXEME = re.compile(
    r'(?P<string>"(?:[^"]|"")*")|(?P<word>[0-9A-Za-z_\x1a\u0080-\U0010ffff]+)|(?P<sign>[()*+^])|(?P<blank>[ \t\n\r]+)'
)
_OPERATORS = ("AND", "OR", "NOT")
_BARE = re.compile(r"[0-9A-Za-z_\x1a\u0080-\U0010ffff \t\n\r]*")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Tokens one after the other.

    Attributes:
        tokens: folded; none where the phrase holds no letter, which then stands nowhere.
        beginnings: places of tokens that words need only begin with.
        first: the phrase stands at the beginning of the text.
    """

    tokens: tuple[str, ...]
    beginnings: frozenset[int] = frozenset()
    first: bool = False


@dataclass(frozen=True, slots=True)
class Both:
    """Holds where both sides do."""

    left: Query
    right: Query


@dataclass(frozen=True, slots=True)
class Either:
    """Holds where one of the sides does."""

    left: Query
    right: Query


@dataclass(frozen=True, slots=True)
class Without:
    """Holds where the left side does and the right one does not."""

    left: Query
    right: Query


Query: TypeAlias = Phrase | Both | Either | Without


def query_of_class(name: str, class_map: Mapping[str, str] | None = None) -> str:
    """Return the query that stands for a class, by the rules of unmet-promise and one more.

    The expression that `class_map` has for it, else its name, whose words may then stand in any order. With a hyphen or
    slash and no double quote it is a phrase. So is a name with other signs, or with AND, OR or NOT in it, which SQLite
    would refuse or take for an operator.
    """
    query = (class_map or {}).get(name, name)
    if '"' not in query and re.search("[-/]", query):
        return phrase_of_name(query)
    if class_map and name in class_map:
        return query
    return name if _BARE.fullmatch(name) and not set(_OPERATORS) & set(name.split()) else phrase_of_name(name)


def phrase_of_name(name: str) -> str:
    """Return the query for the words of a name, one after the other."""
    return '"' + name.replace('"', '""') + '"'


def parse_query(text: str) -> Query:
    """Read a query.

    Raises:
        InputError: it is none; the message says where.

    Example:
        >>> parse_query('"banded texture" OR stripes').right.tokens
        ('stripes',)
    """
    try:
        return _Parser(text).whole()
    except RecursionError as error:
        raise InputError(f"The query {text[:40]!r}... has too many parentheses in each other.") from error


def _joined(operator: type[Both | Either], parts: Sequence[Query]) -> Query:
    """Join parts as a tree that is no deeper than it must be, so that there may be thousands."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return operator(_joined(operator, parts[:half]), _joined(operator, parts[half:]))


class _Parser:
    """Recursive descent, a method a level of precedence."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lexemes: list[tuple[str, str, int]] = []
        at = 0
        while at < len(text):
            found = _LEXEME.match(text, at)
            if found is None:
                raise self._error(at, f"{text[at]!r} must stand in double quotes")
            kind, value = str(found.lastgroup), found[0]
            if kind != "blank":
                self.lexemes.append(("operator" if kind == "word" and value in _OPERATORS else kind, value, at))
            at = found.end()
        self.at = 0

    def whole(self) -> Query:
        """Return the query; nothing may be left over."""
        query = self._either()
        if self.at < len(self.lexemes):
            raise self._unexpected()
        return query

    def _either(self) -> Query:
        return _joined(Either, self._chain("OR", self._both))

    def _both(self) -> Query:
        return _joined(Both, self._chain("AND", self._without))

    def _without(self) -> Query:
        query, *others = self._chain("NOT", self._side_by_side)
        return Without(query, _joined(Either, others)) if others else query

    def _chain(self, operator: str, part: Callable[[], Query]) -> list[Query]:
        parts = [part()]
        while self._take("operator", operator):
            parts.append(part())
        return parts

    def _side_by_side(self) -> Query:
        if self._take("sign", "("):
            query = self._either()
            if not self._take("sign", ")"):
                raise self._unexpected()
            return query
        phrases = [self._phrase()]
        while self._peek()[0] in ("word", "string") or self._peek()[1] == "^":
            phrases.append(self._phrase())
        told = [phrase for phrase in phrases if phrase.tokens] or phrases[:1]  # empty ones ask for nothing here
        return _joined(Both, told)

    def _phrase(self) -> Phrase:
        first = self._take("sign", "^")
        tokens: list[str] = []
        beginnings: set[int] = set()
        while True:
            tokens += self._string()
            beginnings.discard(len(tokens) - 1)  # SQLite's rule where a string without tokens comes after a star
            if self._take("sign", "*"):
                beginnings.add(len(tokens) - 1)
            if not self._take("sign", "+"):
                return Phrase(tuple(tokens), frozenset(beginnings), first)

    def _string(self) -> list[str]:
        kind, value, _ = self._peek()
        if kind not in ("word", "string"):
            raise self._unexpected()
        self.at += 1
        if value == "NEAR" and self._peek()[1] == "(":
            raise self._error(self.lexemes[self.at - 1][2], "NEAR is not understood; use AND, or a phrase in quotes")
        return tokenize(value[1:-1].replace('""', '"') if kind == "string" else value)

    def _peek(self) -> tuple[str, str, int]:
        return self.lexemes[self.at] if self.at < len(self.lexemes) else ("end", "", len(self.text))

    def _take(self, kind: str, value: str) -> bool:
        there = self._peek()[:2] == (kind, value)
        self.at += there
        return there

    def _unexpected(self) -> InputError:
        kind, value, at = self._peek()
        return self._error(at, "it ends too early" if kind == "end" else f"{value!r} is not expected there")

    def _error(self, at: int, problem: str) -> InputError:
        return InputError(f"The query {self.text!r} is not understood at character {at + 1}: {problem}.")
