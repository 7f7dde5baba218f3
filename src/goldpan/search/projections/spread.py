"""Working on the blocks of a table on all processors, and taking the results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from goldpan.core.machine import processors
from goldpan.core.progress import Progress
from goldpan.search.blocks import read_blocks
from goldpan.search.readers import VectorReader

BLOCK_ROWS = 2048
Result = TypeVar("Result")


def spread_blocks(
    work: Callable[[NDArray[Any]], Result], reader: VectorReader, progress: Progress, workers: int | None = None
) -> Iterator[Result]:
    """Yield what `work` makes of each block of rows, in order; a few blocks are in memory at once.

    Each thread works on a block of its own, with matrix products on one thread: no slower than many threads in one
    product on a machine of its own, and faster on a busy one or where other steps go with the product.
    """
    workers = workers or processors()
    waiting: deque[tuple[Future[Result], int]] = deque()
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(workers, "projection") as pool:
        for block in read_blocks(reader, BLOCK_ROWS, range(reader.n)):
            waiting.append((pool.submit(work, block.rows), len(block.rows)))
            if len(waiting) > 2 * workers:
                yield _result(waiting, progress)
        while waiting:
            yield _result(waiting, progress)


def _result(waiting: deque[tuple[Future[Result], int]], progress: Progress) -> Result:
    future, rows = waiting.popleft()
    found = future.result()
    progress.advance(rows)
    return found
