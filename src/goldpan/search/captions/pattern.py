"""Regular expressions in captions, one after the other: RE2, which no expression can slow down without bound."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from goldpan.core.errors import InputError
from goldpan.search.captions.matches import Matches


class RegexMatcher:
    r"""Tells in which captions which expressions are found, in any case unless one says ``(?-i)``.

    Args:
        expressions: in the syntax of RE2: no lookaround, no backreferences.

    Raises:
        InputError: one is none.

    Example:
        >>> RegexMatcher([r"\bcats?\b"]).match(pa.array(["Cats", "category"])).rows
        array([0])
    """

    def __init__(self, expressions: Sequence[str]) -> None:
        self._expressions = list(expressions)
        for expression in self._expressions:
            try:
                pc.match_substring_regex(pa.array([""]), expression, ignore_case=True)
            except pa.ArrowInvalid as error:
                reason = str(error).removeprefix("Invalid regular expression: ")
                raise InputError(f"{expression!r} is no regular expression of RE2: {reason}.") from error

    def match(self, texts: pa.Array) -> Matches:
        """Return the matches in an Arrow array of texts; nulls match nothing. May be called from many threads."""
        found = [self._rows(texts, expression) for expression in self._expressions]
        rows = np.concatenate([np.empty(0, np.int64), *found])
        queries = np.repeat(np.arange(len(found), dtype=np.int32), [len(part) for part in found])
        order = np.lexsort((queries, rows))
        return Matches(rows[order], queries[order])

    def _rows(self, texts: pa.Array, expression: str) -> np.ndarray:
        holds = pc.match_substring_regex(texts, expression, ignore_case=True)
        return np.flatnonzero(holds.fill_null(False).to_numpy(zero_copy_only=False)).astype(np.int64)
