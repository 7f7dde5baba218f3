"""Rows of a table that are equal, found by a hash of their bytes: one pass, 8 bytes a row."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.search.readers import VectorSource, as_reader

_BLOCK_VALUES = 1 << 22


class Duplicates(NamedTuple):
    """How many rows repeat.

    Attributes:
        groups: sets of two or more equal rows.
        rows: rows in them.
        largest: rows in the largest, 1 where no row repeats.
    """

    groups: int
    rows: int
    largest: int


def find_duplicates(table: VectorSource) -> Duplicates:
    """Count equal rows; two that differ have one hash once in 2**64 pairs."""
    reader = as_reader(table, "base")
    step = max(1, _BLOCK_VALUES // reader.dim)
    fetch = getattr(reader, "load", reader.read)
    hashes = [hash_rows(fetch(start, min(reader.n, start + step))) for start in range(0, reader.n, step)]
    _, counts = np.unique(np.concatenate(hashes), return_counts=True)
    repeated = counts[counts > 1]
    return Duplicates(len(repeated), int(repeated.sum()), int(counts.max()))


def hash_rows(block: NDArray[Any]) -> NDArray[np.uint64]:
    """Return one 64-bit hash a row; equal rows (0.0 and -0.0 are equal) have equal hashes."""
    block = block + 0 if block.dtype.kind == "f" else block  # turns -0.0 into 0.0
    flat = np.ascontiguousarray(block).view(np.uint8).reshape(len(block), -1)
    padded = np.zeros((len(block), -(-flat.shape[1] // 8) * 8), np.uint8)
    padded[:, : flat.shape[1]] = flat
    words = padded.view(np.uint64)
    odd = np.random.default_rng(0).integers(0, 1 << 63, words.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    mixed = (words ^ (words >> np.uint64(29))) * odd
    total: NDArray[np.uint64] = (mixed ^ (mixed >> np.uint64(32))).sum(axis=1, dtype=np.uint64)
    return total
