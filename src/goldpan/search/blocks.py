"""Cutting base and queries into blocks: how large, read ahead, in which type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.search.bounds import PANEL
from goldpan.search.readers import ArrayReader, VectorReader

_FEWEST_BASE_ROWS = 8 * PANEL
_LARGEST = 1 << 26


class Plan(NamedTuple):
    """How many rows of each side are held at once."""

    base_rows: int
    query_rows: int


class Block(NamedTuple):
    """Rows of a table and the number of the first."""

    start: int
    rows: NDArray[Any]


def plan_blocks(base: VectorReader, queries: VectorReader, k: int, memory_bytes: int, code_bytes: int) -> Plan:
    """Share the memory: queries take up to half, as every part of them is a pass over the base, the base the rest.

    Args:
        base: the base.
        queries: the queries.
        k: length of the answers.
        memory_bytes: what blocks, codes and answers may take, without arrays that the caller holds.
        code_bytes: bytes of the code of one value, in the wider kind of codes.
    """
    query_row = _row_bytes(queries, code_bytes + 1) + 32 * k + 96  # narrow codes beside the others
    query_rows = _fit(queries.n, memory_bytes // 2, query_row, PANEL)
    base_row = _row_bytes(base, code_bytes) + 64
    base_rows = _fit(base.n, memory_bytes - query_rows * query_row, base_row, _FEWEST_BASE_ROWS)
    return Plan(base_rows, query_rows)


def _row_bytes(reader: VectorReader, code_bytes: int) -> int:
    """Return what one row takes: as it is read, as it is computed with, and its codes."""
    itemsize = np.dtype(reader.dtype).itemsize
    computed = max(4, itemsize)
    copied = 0 if itemsize == computed else computed  # what is in use may have to be converted
    held = 0 if isinstance(reader, ArrayReader) else 2 * itemsize  # one block in use, one being read
    return int(reader.dim * (code_bytes + copied + held))


def _fit(n: int, budget: int, row: int, fewest: int) -> int:
    """Return how many rows to take at once, such that all blocks are about equal."""
    rows = max(fewest, min(_LARGEST, budget // row) // PANEL * PANEL)
    pieces = -(-n // rows)
    return -(-n // pieces // PANEL) * PANEL


def read_blocks(reader: VectorReader, rows: int, span: range) -> Iterator[Block]:
    """Yield the rows `span` of a table in blocks, in order; the next is read while the last is worked on."""
    pieces = [(start, min(span.stop, start + rows)) for start in range(span.start, span.stop, rows)]
    if isinstance(reader, ArrayReader) or len(pieces) == 1:
        for start, stop in pieces:
            yield Block(start, reader.read(start, stop))
        return
    # Readers of files that are mapped for `read` have a `load` that takes memory of its own and gives it back.
    load: Callable[[int, int], NDArray[Any]] = getattr(reader, "load", reader.read)
    with ThreadPoolExecutor(1, "read-ahead") as ahead:
        waiting = ahead.submit(load, pieces[0][0], pieces[0][1])
        for (start, _), following in zip(pieces, [*pieces[1:], None], strict=True):
            block = Block(start, waiting.result())
            if following is not None:
                waiting = ahead.submit(load, following[0], following[1])
            yield block
            del block


def computable(rows: NDArray[Any]) -> NDArray[Any]:
    """Return the rows as contiguous float32, or float64 where they are; a copy only where needed."""
    return np.ascontiguousarray(rows, np.float64 if rows.dtype == np.float64 else np.float32)
