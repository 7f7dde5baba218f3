"""Queries of words against captions: all queries in one pass over the text, compiled or in Python."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from goldpan._kernels import compiled_module
from goldpan.core.errors import InputError
from goldpan.search.captions.language import Query
from goldpan.search.captions.matches import Matches
from goldpan.search.captions.tables import AND, OR, Tables, tables_of
from goldpan.search.captions.tokens import folding_runs, tokenize


class WordMatcher:
    """Tells which captions satisfy which queries, as ``SELECT ... WHERE samples MATCH query`` of SQLite FTS5 does.

    Args:
        queries: from `language.parse_query`.
        compiled: use the kernel; the Python twin where False; whichever there is where None.

    Raises:
        InputError: the kernel is asked for and not there.

    Example:
        >>> from goldpan.search.captions.language import parse_query
        >>> matcher = WordMatcher([parse_query("white shark")])
        >>> matcher.match(pa.array(["A shark, great and WHITE", "white sharks"])).rows
        array([0])
    """

    def __init__(self, queries: Sequence[Query], compiled: bool | None = None) -> None:
        self._match = _matching(tables_of(queries), compiled)

    def match(self, texts: pa.Array) -> Matches:
        """Return the matches in an Arrow array of texts; nulls match nothing. May be called from many threads."""
        rows, queries = self._match(texts)
        return Matches(np.array(rows, np.int64), np.array(queries, np.int32))


def _matching(tables: Tables, compiled: bool | None) -> Callable[[pa.Array], list[Any]]:
    if compiled is not False:
        try:
            return _native(tables)
        except ImportError:
            if compiled:
                raise InputError("The compiled module is missing; install goldpan again, or do without it.") from None
    return _Twin(tables).match


def _native(tables: Tables) -> Callable[[pa.Array], list[Any]]:
    captions = compiled_module().Captions(folding_runs(), *tables)

    def match(texts: pa.Array) -> list[Any]:
        wide = pa.types.is_large_string(texts.type)
        if texts.null_count:  # what lies under a null need not be empty
            texts = texts.fill_null("")
        _, offsets, data = texts.buffers()
        if not len(texts) or data is None:
            return [[], []]
        ends = np.frombuffer(offsets, np.int64 if wide else np.int32)[texts.offset : texts.offset + len(texts) + 1]
        found: list[Any] = captions.match(np.frombuffer(data, np.uint8), ends)
        return found

    return match


class _Twin:
    """The same in Python."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        words = [word.decode() for word in tables.words]
        self._whole = {word: number for number, word in enumerate(words[: tables.n_words])}
        self._beginnings = {word: number for number, word in enumerate(words) if number >= tables.n_words}
        self._sizes = sorted({len(word) for word in self._beginnings})
        self._programs = _parts(tables.programs, tables.program_ends)
        self._phrases = _parts(tables.phrase_words, tables.phrase_ends)
        self._anchors = _parts(tables.anchors, tables.anchor_ends)

    def match(self, texts: pa.Array) -> list[Any]:
        rows, queries = [], []
        for row, text in enumerate(texts.to_pylist()):
            found = self._places(text or "")
            asked = sorted({query for word in found for query in self._anchors[word]})
            held = [query for query in asked if self._holds(query, found)]
            rows += [row] * len(held)
            queries += held
        return [rows, queries]

    def _places(self, text: str) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for place, token in enumerate(tokenize(text)):
            words = [self._whole.get(token), *(self._beginnings.get(token[:size]) for size in self._sizes)]
            for word in dict.fromkeys(word for word in words if word is not None):
                found.setdefault(word, []).append(place)
        return found

    def _holds(self, query: int, found: dict[int, list[int]]) -> bool:
        stack: list[bool] = []
        for step in self._programs[query]:
            if step >= 0:
                stack.append(self._stands(step, found))
                continue
            right, left = stack.pop(), stack.pop()
            stack.append(left and right if step == AND else left or right if step == OR else left and not right)
        return stack[-1]

    def _stands(self, phrase: int, found: dict[int, list[int]]) -> bool:
        words = self._phrases[phrase]
        places = [found.get(word, []) for word in words]
        starts = [
            place for place in (places[0] if places else []) if place == 0 or not self._tables.phrase_first[phrase]
        ]
        return any(all(_has(place, start + i) for i, place in enumerate(places)) for start in starts)


def _has(places: list[int], wanted: int) -> bool:
    at = bisect_left(places, wanted)
    return at < len(places) and places[at] == wanted


def _parts(values: Any, ends: Any) -> list[list[int]]:
    return [part.tolist() for part in np.split(values, ends)[:-1]]
