"""Exact Hamming neighbors of packed bits: whole numbers, so nothing has to be proved."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_words(rows: NDArray[Any]) -> NDArray[np.uint64]:
    """View packed bits ``(n, bytes)`` uint8 as ``(n, words)`` uint64; zeros fill the last word."""
    missing = -rows.shape[1] % 8
    padded = np.pad(rows, ((0, 0), (0, missing))) if missing else np.ascontiguousarray(rows)
    return padded.view(np.uint64)
