"""Substrings in captions: all of them in one pass (Aho-Corasick), whatever stands around them, in any case."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from goldpan.core.errors import InputError
from goldpan.search.captions.matches import Matches

_BYTES_OF_A_TABLE = 200_000


class SubstringMatcher:
    """Tells which captions hold which letters: "cat" is in "Category" too.

    Args:
        substrings: none of them empty; one may stand twice.

    Raises:
        InputError: a substring is empty.

    Example:
        >>> SubstringMatcher(["cat"]).match(pa.array(["dog", "Concatenate"])).rows
        array([1])
    """

    def __init__(self, substrings: Sequence[str]) -> None:
        from ahocorasick_rs import BytesAhoCorasick, Implementation

        if "" in substrings:
            raise InputError(
                f"Substring number {substrings.index('')} is empty, which every caption holds; leave it out."
            )
        lowered = pc.utf8_lower(pa.array(substrings, pa.string())).to_pylist()
        patterns = sorted(set(lowered))
        encoded = [pattern.encode() for pattern in patterns]
        # The table of all transitions is 3 times as fast, and takes some 250 bytes for each byte of a pattern.
        fast = Implementation.DFA if sum(map(len, encoded)) <= _BYTES_OF_A_TABLE else None
        self._automaton = BytesAhoCorasick(encoded, implementation=fast)
        places = {pattern: at for at, pattern in enumerate(patterns)}
        pattern_of = np.array([places[pattern] for pattern in lowered], np.int64)
        self._queries = np.argsort(pattern_of, kind="stable").astype(np.int32)  # of each pattern, side by side
        self._uses = np.bincount(pattern_of, minlength=len(patterns))
        self._first = np.cumsum(self._uses) - self._uses

    def match(self, texts: pa.Array) -> Matches:
        """Return the matches in an Arrow array of texts; nulls match nothing. May be called from many threads."""
        lowered = pc.utf8_lower(texts.fill_null("") if texts.null_count else texts)
        _, buffer, data = lowered.buffers()
        if not len(lowered) or data is None:
            return Matches(np.empty(0, np.int64), np.empty(0, np.int32))
        width = np.int64 if pa.types.is_large_string(lowered.type) else np.int32
        ends = np.frombuffer(buffer, width)[lowered.offset : lowered.offset + len(lowered) + 1].astype(np.int64)
        haystack = memoryview(data).cast("B")[ends[0] : ends[-1]]
        found = np.array(self._automaton.find_matches_as_indexes(haystack, overlapping=True), np.int64).reshape(-1, 3)
        rows = np.searchsorted(ends, found[:, 1] + ends[0], side="right") - 1
        inside = found[:, 2] + ends[0] <= ends[rows + 1]  # texts lie side by side: not across two of them
        distinct = np.unique(rows[inside] * len(self._uses) + found[inside, 0])
        rows, patterns = np.divmod(distinct, max(1, len(self._uses)))
        uses = self._uses[patterns]
        nth = np.arange(uses.sum()) - np.repeat(np.cumsum(uses) - uses, uses)
        queries = self._queries[np.repeat(self._first[patterns], uses) + nth]
        rows = np.repeat(rows, uses)
        order = np.lexsort((queries, rows))
        return Matches(rows[order], queries[order])
