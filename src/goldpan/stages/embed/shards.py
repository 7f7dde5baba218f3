"""Embedding on other machines: a task is a shard of several batches, and writes its vectors where it runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pyarrow as pa

from goldpan.compute.executor import Executor, chunks
from goldpan.stages.embed.work import BatchWorker, Done, Row, as_rows

_ROWS = 1024  # some seconds of a processor: what a worker that dies takes with it
_BYTES = 64 << 20
_PER_WORKER = 8  # shards at least, so that all end at about the same time


@dataclass(frozen=True)
class ShardWorker:
    """Embeds the batches of a shard one after the other, and stages the vectors beside their table.

    Attributes:
        work: embeds one batch.
        name: of the table of vectors.
        schema: of it.
        folder: to stage in.
    """

    work: BatchWorker
    name: str
    schema: pa.Schema
    folder: Path

    def __call__(self, shard: list[list[Row]]) -> Done:
        """Return the outcome of all batches, with the place of the vectors in place of them."""
        parts = [self.work(batch) for batch in shard]
        ids = [key for part in parts for key in part.ids]
        failures = [failure for part in parts for failure in part.failures]
        rows = pa.Table.from_batches([as_rows(part, self.schema) for part in parts], self.schema)
        staged = self.work.ws.vectors_table(self.name).stage(rows, self.folder) if ids else None
        return Done(ids, parts[0].vectors[:0], failures, staged)


def spread(work: ShardWorker, batches: Iterator[list[Row]], rows: int, executor: Executor) -> Iterator[Done]:
    """Yield the outcomes of all batches, in order, a shard at a time.

    Args:
        work: does a shard.
        batches: to embed.
        rows: of all of them, about.
        executor: who does the work.
    """
    return executor.map(work, _cut(batches, rows, work.schema, executor))


def _cut(batches: Iterator[list[Row]], rows: int, schema: pa.Schema, executor: Executor) -> Iterator[list[list[Row]]]:
    """Yield shards; the executor is asked for its workers when the first is drawn, and has joined the cluster then."""
    first = next(batches, None)
    if first is None:
        return
    kind = schema.field("vector").type
    vector_bytes = kind.list_size * kind.value_type.bit_width // 8
    most = min(_ROWS, _BYTES // vector_bytes, rows // (_PER_WORKER * executor.workers))
    yield from chunks(chain([first], batches), max(1, most // len(first)))
