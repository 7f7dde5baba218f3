"""clip-retrieval's HTTP API, for its client, its front and what was written against them.

Source: clip-retrieval 2.45.0, ``clip_back.py``. Requests are JSON whatever their content type says.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, NamedTuple

import numpy as np
from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, Field, FiniteFloat
from starlette.responses import PlainTextResponse, Response

from goldpan.core.errors import InputError
from goldpan.core.records import Ids
from goldpan.formats.clip_indices import Modality
from goldpan.stages.retrieve.pool import Found
from goldpan.web.serve.errors import PROBLEMS
from goldpan.web.serve.plain import Json
from goldpan.web.serve.schemas import LONGEST
from goldpan.web.serve.served import ServedPool, find
from goldpan.web.serve.service import Service, from_base64, known_rows

_LOOK_ALIKE = 0.94
_USUAL_WEIGHT = 0.5
_IGNORED = "X-Goldpan-Ignored"


class _AnyContentType(APIRoute):
    """Takes every body for JSON, as clip-retrieval does: its own client sends no content type."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            headers = [pair for pair in request.scope["headers"] if pair[0] != b"content-type"]
            headers.append((b"content-type", b"application/json"))
            return await handler(Request({**request.scope, "headers": headers}, request.receive))

        return handle


router = APIRouter(tags=["clip-retrieval"], route_class=_AnyContentType, responses=PROBLEMS)


def _none_if_empty(value: Any) -> Any:
    return None if value == "" else value


class KnnRequest(BaseModel):
    """A query of clip-retrieval; the first of text, image, image_url and embedding_input that is given counts."""

    text: Annotated[Annotated[str, Field(max_length=10_000)] | None, BeforeValidator(_none_if_empty)] = None
    image: str | None = Field(None, description="An image file in base64.")
    image_url: str | None = Field(None, max_length=8192)
    embedding_input: list[FiniteFloat] | None = Field(
        None, max_length=LONGEST, fail_fast=True, description="A vector; it is searched for as it is."
    )
    modality: Modality
    num_images: int = Field(ge=0, description="How many answers have metadata.")
    num_result_ids: int | None = Field(None, ge=1, description="How many answers; num_images where not given.")
    indice_name: str | None = Field(None, description="Which pool; the first where not given.")
    use_mclip: bool = False
    deduplicate: bool = False
    use_safety_model: bool = False
    use_violence_detector: bool = False
    aesthetic_score: Annotated[Annotated[int, Field(ge=0, le=9)] | None, BeforeValidator(_none_if_empty)] = None
    aesthetic_weight: Annotated[FiniteFloat | None, BeforeValidator(_none_if_empty)] = None


class MetadataRequest(BaseModel):
    """Rows whose metadata are asked for."""

    indice_name: str | None = None
    ids: list[int] = Field(fail_fast=True)


class KnnRow(BaseModel, extra="allow"):
    """One answer: besides these, the columns of its metadata, and its picture as base64 in `image`."""

    id: int
    similarity: float


class MetadataRow(BaseModel):
    """What is known of one row."""

    id: int
    metadata: dict[str, Any]


class Hits(NamedTuple):
    """Answers to one query: rows ``(m,)`` of the pool and their similarities."""

    rows: Ids
    scores: NDArray[np.float64]


@router.post("/knn-service", response_model=list[KnnRow])
async def knn_service(request: Request, asked: KnnRequest) -> Response:
    """Return the nearest neighbors of a text, an image or a vector."""
    service: Service = request.app.state.service
    with service.metrics.total.time():
        pool = find(service.pools, asked.indice_name)
        k = _checked(service, asked)
        query = await _query(service, pool, asked)
        compared = asked.modality in pool.compared
        vectors = compared and (asked.deduplicate or asked.use_safety_model or asked.use_violence_detector)
        found = await service.search(pool, query[None], k, asked.modality, vectors=vectors)
        return await service.work.run(_answer, service, pool, asked, found, _ignored(service, asked, compared=compared))


def _checked(service: Service, asked: KnnRequest) -> int:
    k = asked.num_images if asked.num_result_ids is None else asked.num_result_ids
    service.check_results(max(k, asked.num_images))
    if not k:
        raise InputError("num_images and num_result_ids are 0: nothing is asked for.")
    return k


async def _query(service: Service, pool: ServedPool, asked: KnnRequest) -> NDArray[np.float32]:
    """Return the vector that is searched for, ``(dim,)``."""
    if asked.text is not None:
        query = await service.of_text(pool, asked.text)
    elif asked.image is not None:
        query = await service.of_image(pool, from_base64(asked.image))
    elif asked.image_url is not None:
        query = await service.of_url(pool, asked.image_url)
    elif asked.embedding_input is not None:
        query = pool.vector(asked.embedding_input)
    else:
        raise InputError("Give one of text, image, image_url and embedding_input.")
    if asked.aesthetic_score is None or service.judges.beautify is None:
        return query
    weight = _USUAL_WEIGHT if asked.aesthetic_weight is None else asked.aesthetic_weight
    return service.judges.beautify(query, asked.aesthetic_score, weight)


def _answer(service: Service, pool: ServedPool, asked: KnnRequest, found: Found, ignored: list[str]) -> Response:
    hits = _kept(service, asked, found)
    shown = hits.rows[: asked.num_images]
    told = service.rows(pool, shown)
    service.add_pictures(pool, shown, told)
    told += [{} for _ in hits.rows[asked.num_images :]]
    rows = [
        row | {"id": key, "similarity": score}
        for row, key, score in zip(told, hits.rows.tolist(), hits.scores.tolist(), strict=True)
    ]
    return Json(rows, headers={_IGNORED: ", ".join(ignored)} if ignored else None)


def _kept(service: Service, asked: KnnRequest, found: Found) -> Hits:
    """Return the answers that are there and that nothing asked for drops."""
    (ids, scores), vectors = found
    _, first = np.unique(ids[0], return_index=True)  # an index may hold an id twice
    keep = np.isin(np.arange(len(ids[0])), first) & (ids[0] >= 0)
    if vectors is not None and asked.deduplicate:
        keep &= service.distinct(vectors, _LOOK_ALIKE)[0]
    if vectors is not None and asked.use_violence_detector and service.judges.is_violent is not None:
        keep &= ~service.judges.is_violent(vectors[0])
    if vectors is not None and asked.use_safety_model and service.judges.is_unsafe is not None:
        with service.metrics["safety_time"].time():
            keep &= ~service.judges.is_unsafe(vectors[0])
    return Hits(ids[0][keep], scores[0][keep])


def _ignored(service: Service, asked: KnnRequest, *, compared: bool) -> list[str]:
    """Return the options that were asked for and that nothing here can do."""
    judges = service.judges
    unmet = {
        "use_mclip": asked.use_mclip,
        "deduplicate": asked.deduplicate and not compared,
        "use_safety_model": asked.use_safety_model and not (judges.is_unsafe and compared),
        "use_violence_detector": asked.use_violence_detector and not (judges.is_violent and compared),
        "aesthetic_score": asked.aesthetic_score is not None and judges.beautify is None,
    }
    return [name for name, is_unmet in unmet.items() if is_unmet]


@router.post("/metadata", response_model=list[MetadataRow])
async def metadata(request: Request, asked: MetadataRequest) -> Response:
    """Return the metadata of rows."""
    service: Service = request.app.state.service
    pool = find(service.pools, asked.indice_name)
    service.check_results(len(asked.ids))
    return Json(await service.work.run(_metadata, service, pool, asked.ids))


def _metadata(service: Service, pool: ServedPool, ids: list[int]) -> list[dict[str, Any]]:
    rows = known_rows(pool, ids)
    told = service.rows(pool, rows)
    service.add_pictures(pool, rows, told)
    return [{"id": row, "metadata": one} for row, one in zip(ids, told, strict=True)]


@router.get("/indices-list", response_model=list[str])
async def indices_list(request: Request) -> Response:
    """Return the names of the pools."""
    service: Service = request.app.state.service
    return Json(list(service.pools))


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Return how long each step took, in Prometheus' text format."""
    service: Service = request.app.state.service
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/metrics-summary", response_class=PlainTextResponse)
async def metrics_summary(request: Request) -> Response:
    """Return the mean time of each step, for people."""
    service: Service = request.app.state.service
    return PlainTextResponse(service.metrics.summary())


@router.get("/config.json")
async def config_json(request: Request) -> Response:
    """Return what clip-retrieval's front asks for."""
    return Json({"defaultBackend": str(request.base_url), "defaultIndex": "", "urlColumn": "url"})
