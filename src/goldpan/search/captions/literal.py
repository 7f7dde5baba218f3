"""Substrings in captions: all of them in one pass (Aho-Corasick), whatever stands around them, in any case."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from goldpan.core.errors import InputError
from goldpan.search.captions.matches import Matches


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
        from ahocorasick_rs import BytesAhoCorasick

        if "" in substrings:
            raise InputError(
                f"Substring number {substrings.index('')} is empty, which every caption holds; leave it out."
            )
        lowered = pc.utf8_lower(pa.array(substrings, pa.string())).to_pylist()
        patterns = sorted(set(lowered))
        places = {pattern: at for at, pattern in enumerate(patterns)}
        self._automaton = BytesAhoCorasick([pattern.encode() for pattern in patterns])
        self._queries: list[list[int]] = [[] for _ in patterns]
        for query, pattern in enumerate(lowered):
            self._queries[places[pattern]].append(query)

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
        pairs = {
            (row, query)
            for row, pattern in zip(rows[inside].tolist(), found[inside, 0].tolist(), strict=True)
            for query in self._queries[pattern]
        }
        table = np.array(sorted(pairs), np.int64).reshape(-1, 2)
        return Matches(table[:, 0], table[:, 1].astype(np.int32))
