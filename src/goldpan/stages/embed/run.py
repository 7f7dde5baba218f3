"""Embed: rows of `images` in, rows of ``vectors/<encoder>`` out; resumable row by row, in bounded memory."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from goldpan.compute.executor import Executor
from goldpan.core.errors import InputError, WorkspaceError
from goldpan.core.progress import Progress
from goldpan.core.records import Report
from goldpan.encoders.loading import EncoderOptions, load_encoder
from goldpan.encoders.protocol import Encoder
from goldpan.stages.embed.config import EmbedConfig
from goldpan.stages.embed.shards import ShardWorker, spread
from goldpan.stages.embed.work import BatchWorker, Done, Row, as_rows, stored_dtype
from goldpan.stages.stage import Stage
from goldpan.store.failures import Failures
from goldpan.store.pace import Pace
from goldpan.store.schemas import vectors_schema
from goldpan.store.tables import Table
from goldpan.store.workspace import Workspace, vectors_name

_MAX_WAITING_BYTES = 64 << 20


def run(ws: Workspace, config: EmbedConfig, executor: Executor, progress: Progress) -> Report:
    """Embed what has no vector yet.

    Raises:
        InputError: the workspace is empty, the column is unknown, or the encoder cannot do what is asked.
        WorkspaceError: the vectors table was made by another encoder, revision or dtype.
    """
    rows = ws.images.count(config.where)
    if rows == 0:
        chosen = f" with {config.where!r}" if config.where else ""
        raise InputError(f"{ws.path} holds no images{chosen}; type: goldpan acquire folder {ws.path} FOLDER")
    if config.column is not None and config.column not in ws.images.schema.names:
        raise InputError(f"images has no column {config.column!r}; texts are usually in caption or label.")
    encoder = load_encoder(config.encoder, config)
    _check_ability(config, encoder)
    name = config.name or vectors_name(config.encoder, {"output": config.output, "column": config.column})
    table, schema = _open_table(ws, name, config, encoder)
    failures = ws.failures_of("embed", name)
    right = f"vectors/{name}, part {config.part.number} of {config.part.total},"
    with ws.writing(right), ws.staging(right) as folder:
        plan = _Plan(ws, config, config.batch_size or encoder.batch_size, table, failures)
        progress.start(f"embed {config.encoder}", rows if config.part.total == 1 else None)
        writer = _Writer(table, schema, failures, plan.retried)
        work, batches = BatchWorker(ws, config, encoder), plan.batches()
        if executor.is_remote:
            results = spread(ShardWorker(work, name, schema, folder), batches, rows, executor)
        else:
            results = executor.map(work, batches)
        for done in results:
            writer.add(done)
            progress.advance(len(done.ids) + len(done.failures), len(done.failures))
        writer.flush()
        progress.finish()
    table.compact()
    counts = plan.failed_before + writer.failed
    return Report(
        "embed",
        rows_in=plan.rows,
        rows_out=plan.rows - sum(counts.values()),
        already_done=plan.known,
        failures=dict(counts),
        outputs={f"vectors/{name}": f"{table.count():,} x {encoder.dim} {stored_dtype(config, encoder)}"},
        details={"vectors": name},
        next_steps=_next_steps(ws, name if name != vectors_name(config.encoder) else config.encoder, encoder),
    )


def _check_ability(config: EmbedConfig, encoder: Encoder) -> None:
    if config.column is None and not encoder.encodes_images:
        raise InputError(f"{config.encoder} encodes no images; add --column caption to embed texts.")
    if config.column is not None:
        encoder.encode_text([])  # an image-only encoder says so here, before any work


def _open_table(ws: Workspace, name: str, config: EmbedConfig, encoder: Encoder) -> tuple[Table, pa.Schema]:
    metadata = describe(config, encoder)
    schema = vectors_schema(encoder.dim, stored_dtype(config, encoder), metadata)
    table = ws.vectors_table(name)
    if table.exists:
        _check_same(table, schema, metadata)
    return table, schema


def describe(config: EmbedConfig, encoder: Encoder) -> dict[str, Any]:
    """Return what a vectors table says of itself: enough to make the same vectors, and to search them."""
    options = config.model_dump(mode="json", include=set(EncoderOptions.model_fields), exclude_none=True)
    return {
        "encoder": config.encoder,
        "resolved": _resolved(config.encoder),
        "revision": encoder.revision,
        "metric": str(encoder.metric),
        "unit_norm": encoder.unit_norm,
        "dim": encoder.dim,
        "preprocessing": encoder.preprocessing,
        "column": config.column,
        "options": {key: value for key, value in options.items() if key not in ("device", "threads")},
        "encodes_text": encoder.encodes_text,
    }


def _resolved(spec: str) -> str:
    """Return the spec with a local path made absolute, so that it loads from every working directory."""
    kind, _, rest = spec.partition(":")
    if kind.endswith(".py"):
        return f"{Path(kind).absolute()}:{rest}"
    return f"{kind}:{Path(rest).absolute()}" if os.path.isdir(rest) else spec  # noqa: PTH112  never raises


def _check_same(table: Table, schema: pa.Schema, metadata: dict[str, Any]) -> None:
    there = table.metadata
    for key in ("revision", "preprocessing", "column"):
        if there.get(key) != metadata[key]:
            raise WorkspaceError(
                f"{table.name} was made with another {key} ({there.get(key)} there, {metadata[key]} now); "
                "give this one its own table with --name."
            )
    if table.schema.field("vector").type != schema.field("vector").type:
        raise WorkspaceError(
            f"{table.name} holds {table.schema.field('vector').type}, not {schema.field('vector').type}; "
            "give this one its own table with --name."
        )


class _Plan:
    """Cuts the rows into batches by their position, so that a resumed run has the batches of an undisturbed one."""

    def __init__(self, ws: Workspace, config: EmbedConfig, batch_rows: int, table: Table, failures: Failures) -> None:
        self._ws = ws
        self._config = config
        self._batch_rows = batch_rows
        self._done = set(table.to_table(columns=["id"])["id"].to_pylist()) if table.exists else set()
        reasons = failures.reasons()
        self._failed = {} if config.retry_failures else reasons
        self.retried = set(reasons) if config.retry_failures else set()
        self.rows = 0
        self.known = 0
        self.failed_before: Counter[str] = Counter()

    def batches(self) -> Iterator[list[Row]]:
        part = self._config.part
        text = self._config.column
        columns = ["id", text] if text else ["id", "uri", "box"]
        scan = self._ws.images.scan(columns, self._config.where, self._batch_rows)
        for number, batch in enumerate(scan):
            if number % part.total != part.number:
                continue
            rows = _rows(batch, text)
            pending = [row for row in rows if self._is_pending(row.id)]
            if pending:
                yield pending

    def _is_pending(self, key: str) -> bool:
        self.rows += 1
        if key in self._failed:
            self.failed_before[self._failed[key]] += 1
            return False
        self.known += key in self._done
        return key not in self._done


def _rows(batch: pa.RecordBatch, text: str | None) -> list[Row]:
    ids, *values = (column.to_pylist() for column in batch.columns)
    if text is not None:
        return [
            Row(key, None, None, None if value is None else str(value)) for key, value in zip(ids, *values, strict=True)
        ]
    return [Row(key, uri, box and tuple(box), None) for key, uri, box in zip(ids, *values, strict=True)]


class _Writer:
    """Commits finished batches now and then; see `Pace` for what a kill can lose."""

    def __init__(self, table: Table, schema: pa.Schema, failures: Failures, retried: set[str]) -> None:
        self._table = table
        self._schema = schema
        self._failures = failures
        self._retried = retried
        self._waiting: list[Done] = []
        self._waiting_bytes = 0
        self._pace = Pace(_MAX_WAITING_BYTES)
        self.failed: Counter[str] = Counter()

    def add(self, done: Done) -> None:
        self._waiting.append(done)
        self.failed.update(failure.reason.value for failure in done.failures)
        self._waiting_bytes += done.vectors.nbytes
        if self._pace.is_due(self._waiting_bytes):
            self.flush()

    def flush(self) -> None:
        self._table.adopt([done.staged for done in self._waiting if done.staged], self._schema)
        batches = [as_rows(done, self._schema) for done in self._waiting if len(done.vectors)]
        if batches:
            self._table.append(pa.Table.from_batches(batches, self._schema))
        failures = [failure for done in self._waiting for failure in done.failures]
        self._failures.forget([key for done in self._waiting for key in done.ids if key in self._retried])
        if failures:
            self._failures.forget([failure.id for failure in failures if failure.id in self._retried])
            self._failures.add(failures)
        self._waiting.clear()
        self._waiting_bytes = 0


def _next_steps(ws: Workspace, vectors: str, encoder: Encoder) -> list[str]:
    bench = f"goldpan bench make {ws.path} --encoder {vectors} -o release"
    search = f'goldpan search {ws.path} "..."' if encoder.encodes_text else f"goldpan search {ws.path} --id ID"
    return [search, bench]


STAGE = Stage("embed", EmbedConfig, reads=("images",), writes=("vectors", "failures"), run=run)
