"""What stays the same while the blocks of a base pass, and how work on them is spread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from goldpan.core.errors import ArrayError
from goldpan.core.progress import Progress
from goldpan.core.records import Metric
from goldpan.search.blocks import Block
from goldpan.search.kernels import Kernels
from goldpan.search.readers import VectorReader

_TASK_QUERIES = 192
_GROUP = 13  # queries the widest kernel takes at once

Map = Callable[[Callable[[slice], None], Iterable[slice]], Iterable[None]]


@dataclass(frozen=True, slots=True)
class Job:
    """What stays the same while blocks pass.

    Attributes:
        base: the base.
        block_rows: how many of its rows are taken at once.
        metric: how rows are compared.
        loops: who compares them.
        spread: runs a function over spans of rows, on threads or not.
        workers: how many of them it runs at once.
        progress: told in base rows.
        asked: what messages call the queries, which can be the base itself.
    """

    base: VectorReader
    block_rows: int
    metric: Metric
    loops: Kernels
    spread: Map
    workers: int
    progress: Progress
    asked: str

    def run(self, task: Callable[[slice], None], n: int, size: int) -> None:
        """Run a task over spans of `size` of `n` rows; an error of any is raised."""
        for _ in self.spread(task, [slice(start, min(n, start + size)) for start in range(0, n, size)]):
            pass

    def run_queries(self, task: Callable[[slice], None], n: int) -> None:
        """Run a task over spans of `n` queries, such that all workers finish at about the same time."""
        tasks = -(-n // (_TASK_QUERIES * self.workers)) * self.workers
        self.run(task, n, -(-n // tasks // _GROUP) * _GROUP)


def unusable(name: str, block: Block, row: int) -> ArrayError:
    """Say what is wrong with a row."""
    sizes = np.abs(block.rows[row].astype(np.float64))
    problem = "NaN or infinite values"
    if np.isfinite(sizes).all():
        problem = "values beyond 1e72" if sizes.max() > 1 else "values below 1e-72, too small for cosine"
    return ArrayError(f"{name} has {problem}, the first in row {block.start + row}.")
