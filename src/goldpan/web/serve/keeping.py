"""Chosen rows as images of the workspace that the server was given for them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from goldpan.compute.executor import Executor
from goldpan.core.errors import ImageError
from goldpan.core.progress import Progress
from goldpan.core.records import Report
from goldpan.formats.caption_column import USUAL_CAPTIONS
from goldpan.stages.acquire.config import AcquireConfig
from goldpan.stages.acquire.intake import Candidate, Member, absolute, admit, split_fields
from goldpan.stages.retrieve.index_rows import IndexRows
from goldpan.stages.retrieve.pictures import COLUMN, open_picture
from goldpan.stages.retrieve.workspace_rows import WorkspaceRows
from goldpan.stages.stage import Stage
from goldpan.store.failures import Failure
from goldpan.store.workspace import Workspace
from goldpan.web.serve.errors import Refused
from goldpan.web.serve.schemas import BasketItem, KeepAnswer, KeepRequest
from goldpan.web.serve.served import ServedPool
from goldpan.web.serve.service import Service, known_rows


class KeepConfig(AcquireConfig):
    """What was chosen."""

    pool: str
    rows: list[int]


def keep(service: Service, pool: ServedPool, asked: KeepRequest) -> KeepAnswer:
    """Bring the images of rows that are on this machine into the workspace; those that are in it already stay.

    Raises:
        Refused: the server was given none.
    """
    path = service.config.keep
    if path is None:
        raise Refused(400, "no_workspace", "Start the server with --keep WORKSPACE to put rows into a workspace.")
    rows = known_rows(pool, [item.row for item in asked.items])
    told = service.rows(pool, rows, pool.pool.metadata.columns)
    here = [(item, one) for item, one in zip(asked.items, told, strict=True) if one.get(COLUMN)]
    answer = KeepAnswer(workspace=str(path), kept=0, known=0, failed=0, elsewhere=len(told) - len(here))
    if not here:
        return answer
    config = KeepConfig(pool=pool.name, rows=[item.row for item, _ in here], max_pixels=service.config.max_pixels)
    stage = Stage("serve keep", KeepConfig, (), ("images", "blobs", "failures"), partial(_run, pool=pool, here=here))
    report = stage(Workspace(path, create=True), config)
    answer.kept, answer.known = report.rows_out - report.already_done, report.already_done
    answer.failed = report.failed
    return answer


def _run(
    ws: Workspace,
    config: KeepConfig,
    executor: Executor,
    progress: Progress,
    *,
    pool: ServedPool,
    here: list[tuple[BasketItem, dict[str, Any]]],
) -> Report:
    def candidates() -> Iterator[Candidate]:
        for item, told in here:
            yield _candidate(pool, item, told)

    return admit(ws, config, f"pool:{config.pool}", candidates(), executor, progress)


def _candidate(pool: ServedPool, item: BasketItem, told: dict[str, Any]) -> Candidate:
    key = str(told.get("id") or f"{pool.name}/{item.row}")
    caption = next((name for usual in USUAL_CAPTIONS for name in told if name.lower() == usual), None)
    named = {("caption" if name == caption else name): value for name, value in told.items() if name != "id"}
    chosen = {"pool": pool.name, "row": item.row, "QUERY": item.query, "similarity": item.score}
    try:
        uri, data = _image(pool, item.row, str(told[COLUMN]))
    except ImageError as error:
        return Candidate("", (Member(key, problem=Failure(key, error.reason, error.detail)),))
    return Candidate(uri, (Member(key, *split_fields(named | chosen)),), data)


def _image(pool: ServedPool, row: int, path: str) -> tuple[str, bytes | None]:
    """Return where the image of a row is, or its bytes where that is no file of its own."""
    if not isinstance(pool.pool.metadata, WorkspaceRows | IndexRows):
        return absolute(Path(path)), None
    source, box = pool.pool.metadata.picture(row)
    if box:
        stream = io.BytesIO()
        open_picture(pool.pool, row).save(stream, "PNG")
        return "", stream.getvalue()
    return ("", source) if isinstance(source, bytes) else (absolute(source), None)
