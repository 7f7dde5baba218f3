"""The tokens of SQLite FTS5: its tokenizer unicode61 with its defaults, `remove_diacritics` = 1.

``unicode61.npy`` holds what every code point folds to, as SQLite 3.40 itself gave it when asked for each of them:
``(runs, 2)`` int32, the first code point of a run and how far its letters lie from what they fold to.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SEPARATOR = -(1 << 31)
VANISHING = SEPARATOR + 1  # combining marks: they end no token, begin none, and leave nothing


@cache
def folding_runs() -> NDArray[np.int32]:
    """Return the table, ``(runs, 2)`` int32."""
    runs: NDArray[np.int32] = np.load(Path(__file__).parent / "unicode61.npy", allow_pickle=False)
    return runs


def tokenize(text: str) -> list[str]:
    """Return the tokens of a text, folded, in order."""
    return fold_text(text).split()


def fold_text(text: str) -> str:
    """Return a text as its tokens, folded, with blanks between them."""
    return text.translate(_FOLDS)


class _Folds(dict[int, str]):
    """What code points fold to, filled as they are met; `str.translate` asks for them."""

    def __missing__(self, code: int) -> str:
        starts, deltas = _columns()
        delta = deltas[bisect_right(starts, code) - 1]
        self[code] = " " if delta == SEPARATOR else "" if delta == VANISHING else chr(code + delta)
        return self[code]


_FOLDS = _Folds()


@cache
def _columns() -> tuple[list[int], list[int]]:
    runs = folding_runs()
    return runs[:, 0].tolist(), runs[:, 1].tolist()
