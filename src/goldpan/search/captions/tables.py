"""Many queries as flat tables of numbers, which is what a matcher runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.search.captions.language import Both, Either, Phrase, Query, Without

AND, OR, NOT = -1, -2, -3
Numbers = NDArray[np.int32]


class Tables(NamedTuple):
    """Queries; ``x_ends[i]`` is where the entries of i end and those of i + 1 begin.

    Attributes:
        words: distinct, folded, UTF-8; from `n_words` on they are beginnings of words.
        n_words: how many of them are whole.
        phrase_words: numbers of words.
        phrase_ends: of `phrase_words`.
        phrase_first: uint8; whether a phrase must stand first in the text.
        programs: postfix: numbers of phrases, and `AND`, `OR`, `NOT`.
        program_ends: of `programs`, one a query.
        anchors: numbers of queries.
        anchor_ends: of `anchors`, one a word: the queries that need this word or another of their anchors.
    """

    words: list[bytes]
    n_words: int
    phrase_words: Numbers
    phrase_ends: Numbers
    phrase_first: NDArray[np.uint8]
    programs: Numbers
    program_ends: Numbers
    anchors: Numbers
    anchor_ends: Numbers


def tables_of(queries: Sequence[Query]) -> Tables:
    """Compile queries; those that nothing can satisfy get a program that never runs, as no word anchors them."""
    phrases: dict[Phrase, int] = {}
    programs: list[list[int]] = []
    for query in queries:
        steps: list[int] = []
        _compile(query, phrases, steps)
        programs.append(steps)
    words = _number_words(phrases)
    spelled = [_words_of(phrase) for phrase in phrases]
    use = Counter(word for query in queries for word in set(_all_words(query)))
    anchored: dict[int, list[int]] = {number: [] for number in words.values()}
    for number, query in enumerate(queries):
        for word in _anchors(query, use):
            anchored[words[word]].append(number)
    return Tables(
        words=[text.encode() for _, text in words],
        n_words=sum(not beginning for beginning, _ in words),
        phrase_words=_flat([[words[word] for word in phrase] for phrase in spelled]),
        phrase_ends=_ends(spelled),
        phrase_first=np.array([phrase.first for phrase in phrases], np.uint8),
        programs=_flat(programs),
        program_ends=_ends(programs),
        anchors=_flat(list(anchored.values())),
        anchor_ends=_ends(list(anchored.values())),
    )


Word = tuple[bool, str]  # whether it is a beginning, and the letters


def _words_of(phrase: Phrase) -> list[Word]:
    return [(place in phrase.beginnings, token) for place, token in enumerate(phrase.tokens)]


def _all_words(query: Query) -> list[Word]:
    return _words_of(query) if isinstance(query, Phrase) else _all_words(query.left) + _all_words(query.right)


def _number_words(phrases: dict[Phrase, int]) -> dict[Word, int]:
    """Number the words of all phrases, whole ones first."""
    found = sorted({word for phrase in phrases for word in _words_of(phrase)})
    return {word: number for number, word in enumerate(found)}


def _compile(query: Query, phrases: dict[Phrase, int], steps: list[int]) -> None:
    if isinstance(query, Phrase):
        steps.append(phrases.setdefault(query, len(phrases)))
        return
    _compile(query.left, phrases, steps)
    _compile(query.right, phrases, steps)
    steps.append(AND if isinstance(query, Both) else OR if isinstance(query, Either) else NOT)


def _anchors(query: Query, use: Counter[Word]) -> frozenset[Word]:
    """Return words of which at least one occurs wherever the query holds: the rarest among the queries, the longest."""
    if isinstance(query, Phrase):
        best = min(_words_of(query), key=lambda word: (use[word], -len(word[1]), word), default=None)
        return frozenset() if best is None else frozenset([best])
    if isinstance(query, Without):
        return _anchors(query.left, use)
    sides = [_anchors(query.left, use), _anchors(query.right, use)]
    if isinstance(query, Either):
        return sides[0] | sides[1]
    if not all(sides):  # one side stands nowhere
        return frozenset()
    return min(sides, key=lambda side: (sum(use[word] for word in side), len(side), sorted(side)))


def _flat(lists: Sequence[Sequence[int]]) -> Numbers:
    return np.array([number for part in lists for number in part], np.int32)


def _ends(lists: Sequence[Sequence[object]]) -> Numbers:
    return np.cumsum([len(part) for part in lists], dtype=np.int32) if lists else np.empty(0, np.int32)
