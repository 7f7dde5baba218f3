"""Our own HTTP API: pools, searches of one or many queries, rows, their pictures, and rows to take away."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from goldpan.web.serve.describing import describe, known_columns
from goldpan.web.serve.errors import PROBLEMS, Refused
from goldpan.web.serve.export import MEDIA_TYPES, exported
from goldpan.web.serve.keeping import keep
from goldpan.web.serve.plain import Json
from goldpan.web.serve.schemas import (
    ExportRequest,
    KeepAnswer,
    KeepRequest,
    PoolFacts,
    Row,
    RowsRequest,
    SearchAnswer,
    SearchRequest,
    SessionAnswer,
)
from goldpan.web.serve.searching import search
from goldpan.web.serve.served import ServedPool, find
from goldpan.web.serve.service import Service, known_rows

_FILES: dict[int | str, dict[str, Any]] = {200: {"content": {kind: {} for kind in MEDIA_TYPES.values()}}}
_A_PICTURE_STAYS = {"Cache-Control": "private, max-age=3600"}
router = APIRouter(prefix="/api/v1", tags=["goldpan"], responses=PROBLEMS)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


@router.get("/pools", response_model=list[PoolFacts])
async def pools(request: Request) -> Any:
    """Return what is served; the first is the one that is meant where none is named."""
    return [_facts(pool) for pool in _service(request).pools.values()]


def _facts(pool: ServedPool) -> PoolFacts:
    encoder = pool.encoder.encoder if pool.encoder is not None else None
    takes = ["text"] if encoder is not None and encoder.encodes_text else []
    takes += ["image", "image_url"] if encoder is not None and encoder.encodes_images else []
    return PoolFacts(
        name=pool.name,
        rows=pool.pool.n,
        modalities=list(pool.pool.modalities),
        dim=pool.pool.dim,
        metric=pool.pool.metric,
        columns=list(pool.pool.columns),
        encoder=pool.pool.encoder_spec,
        takes=[*takes, "vector", *(["row"] if pool.by_row else [])],
        compares=[modality for modality in pool.pool.modalities if modality in pool.compared],
        problem=pool.problem,
    )


@router.post("/search", response_model=SearchAnswer)
async def search_(request: Request, asked: SearchRequest) -> Response:
    """Find what is near to each query."""
    service = _service(request)
    with service.metrics.total.time():
        return Json(await search(service, asked))


@router.post("/rows", response_model=list[Row])
async def rows(request: Request, asked: RowsRequest) -> Response:
    """Return what is known of rows."""
    service = _service(request)
    pool = find(service.pools, asked.pool)
    service.check_results(len(asked.rows))
    numbers = known_rows(pool, asked.rows)
    told = await service.work.run(describe, service, pool, numbers, known_columns(pool, asked.columns))
    return Json([{"row": row, **one} for row, one in zip(asked.rows, told, strict=True)])


@router.get("/thumbnail", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}})
async def thumbnail(
    request: Request, row: int, pool: str | None = None, side: Annotated[int, Query(ge=16, le=1024)] = 256
) -> Response:
    """Return the picture of a row as a small JPEG."""
    service = _service(request)
    found = find(service.pools, pool)
    known_rows(found, [row])
    picture = await service.thumbnail(found, row, side)
    return Response(picture, media_type="image/jpeg", headers=_A_PICTURE_STAYS)


@router.post("/export", response_class=Response, responses=_FILES)
async def export(request: Request, asked: ExportRequest) -> Response:
    """Return rows as a file to take away."""
    service = _service(request)
    pool = find(service.pools, asked.pool)
    service.check_results(len(asked.items))
    columns = known_columns(pool, asked.columns)
    content = await service.work.run(exported, service, pool, asked, columns)
    name = f'attachment; filename="goldpan.{asked.format}"'
    return Response(content, media_type=MEDIA_TYPES[asked.format], headers={"Content-Disposition": name})


@router.post("/keep", response_model=KeepAnswer)
async def keep_(request: Request, asked: KeepRequest) -> Any:
    """Put the images of rows into the workspace that the server was given for them."""
    service = _service(request)
    service.check_results(len(asked.items))
    return await service.keeps.run(keep, service, find(service.pools, asked.pool), asked)


@router.post("/sessions", response_model=SessionAnswer)
async def sessions(request: Request) -> Any:
    """Return an address that opens the page in another browser, once."""
    keys = request.app.state.keys
    if keys is None:
        raise Refused(400, "no_token_needed", "This server is public: open its address.")
    return SessionAnswer(url=f"{request.base_url}?token={keys.ticket()}")
