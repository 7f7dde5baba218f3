"""Queries of our own API to answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import GoldpanError, InputError
from goldpan.core.records import Floats, Ids, Neighbors
from goldpan.formats.clip_indices import Modality
from goldpan.search.fusion import Scale, fuse
from goldpan.web.serve.describing import describe, known_columns
from goldpan.web.serve.errors import as_problem
from goldpan.web.serve.schemas import Query, SearchRequest
from goldpan.web.serve.served import ServedPool, find
from goldpan.web.serve.service import Service, from_base64

_BARE: dict[str, Any] = {"metadata": None, "picture": None}


class _Ranked(NamedTuple):
    """Answers to one query, best first.

    Attributes:
        rows: ``(m,)`` of the pool.
        scores: ``(m,)``.
        raw: ``(n_modalities, m)`` similarities; nan where an index did not find the row.
    """

    rows: Ids
    scores: Floats
    raw: Floats


async def search(service: Service, asked: SearchRequest) -> dict[str, Any]:
    """Return a `SearchAnswer`; of several queries, one that cannot be answered has a problem of its own.

    Raises:
        GoldpanError: what is asked for cannot be done; of a single query, whatever is wrong with it.
    """
    started = time.perf_counter()
    pool = find(service.pools, asked.pool)
    modalities = _modalities(pool, asked)
    columns = known_columns(pool, asked.columns)
    service.check_results(asked.k * len(asked.queries))
    if len(asked.queries) > service.config.max_queries:
        raise InputError(f"{len(asked.queries)} queries are more than {service.config.max_queries}, the most at once.")
    made = await asyncio.gather(*(_vector(service, pool, query) for query in asked.queries), return_exceptions=True)
    problems = [one for one in made if isinstance(one, BaseException)]
    for error in problems:
        if len(made) == 1 or not isinstance(error, GoldpanError):
            raise error
    vectors = [one for one in made if not isinstance(one, BaseException)]
    found = await _find(service, pool, asked, modalities, vectors)
    hits = iter(await service.work.run(_hits, service, pool, asked, columns, modalities, found))
    return {
        "pool": pool.name,
        "modality": asked.modality or modalities[0],
        "metric": str(pool.pool.metric),
        "seconds": time.perf_counter() - started,
        "results": [
            {"hits": [], "problem": as_problem(one).model_dump()}
            if isinstance(one, BaseException)
            else {"hits": next(hits), "problem": None}
            for one in made
        ],
    }


def _modalities(pool: ServedPool, asked: SearchRequest) -> list[Modality]:
    there = list(pool.pool.modalities)
    if asked.modality is None:
        return there[:1]
    if asked.modality == "fused":
        return there
    return [asked.modality]


async def _vector(service: Service, pool: ServedPool, query: Query) -> NDArray[np.float32]:
    """Return the vector of a query, ``(dim,)``."""
    if query.text is not None:
        return await service.of_text(pool, query.text)
    if query.image is not None:
        return await service.of_image(pool, from_base64(query.image))
    if query.image_url is not None:
        return await service.of_url(pool, query.image_url)
    if query.vector is not None:
        return pool.vector(query.vector)
    return await service.of_row(pool, query.row or 0)


async def _find(
    service: Service,
    pool: ServedPool,
    asked: SearchRequest,
    modalities: Sequence[Modality],
    queries: Sequence[NDArray[np.float32]],
) -> list[_Ranked]:
    """Return the answers to each query that became a vector."""
    if not queries:
        return []
    if asked.deduplicate is not None and not set(modalities) <= pool.compared:
        raise InputError(f"{pool.name} does not keep the vectors that look-alikes are told by; leave deduplicate out.")
    sign = 1.0 if pool.pool.metric.is_similarity else -1.0
    parts = [await _of_index(service, pool, asked, modality, np.stack(queries), sign) for modality in modalities]
    scales = [Scale.of([part.scores]) for part in parts]
    return [
        _ranked([Neighbors(part.ids[[at]], part.scores[[at]]) for part in parts], scales, sign, asked.k)
        for at in range(len(queries))
    ]


async def _of_index(
    service: Service,
    pool: ServedPool,
    asked: SearchRequest,
    modality: Modality,
    queries: NDArray[np.float32],
    sign: float,
) -> Neighbors:
    """Return the neighbors in one index, higher scores nearer; look-alikes become -1."""
    compared = asked.deduplicate is not None
    (ids, scores), vectors = await service.search(pool, queries, asked.k, modality, vectors=compared)
    if vectors is not None and asked.deduplicate is not None:
        keep = await service.work.run(service.distinct, vectors, asked.deduplicate)
        ids = np.where(keep, ids, -1)
    return Neighbors(ids, sign * scores)


def _ranked(parts: Sequence[Neighbors], scales: Sequence[Scale], sign: float, k: int) -> _Ranked:
    fused = fuse(parts, scales)
    raw = sign * fused.raw[:, :k]
    return _Ranked(fused.ids[:k], fused.scores[:k] if len(parts) > 1 else raw[0], raw)


def _hits(
    service: Service,
    pool: ServedPool,
    asked: SearchRequest,
    columns: Sequence[str],
    modalities: Sequence[Modality],
    found: Sequence[_Ranked],
) -> list[list[dict[str, Any]]]:
    """Return the `Hit`s of each query; the metadata of all are read at once."""
    shown = [one.rows[: asked.described] for one in found]
    told = iter(describe(service, pool, np.concatenate([np.empty(0, np.int64), *shown]), columns))
    return [
        [
            {"row": row, "score": score, "similarities": dict(zip(modalities, raw, strict=True))}
            | (next(told) if place < len(few) else _BARE)
            for place, (row, score, raw) in enumerate(
                zip(one.rows.tolist(), one.scores.tolist(), one.raw.T.tolist(), strict=True)
            )
        ]
        for one, few in zip(found, shown, strict=True)
    ]
