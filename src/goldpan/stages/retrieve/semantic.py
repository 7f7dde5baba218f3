"""Retrieve by meaning: captions of classes against the images and texts of a pool, fused, once each; resumable."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError, UnknownName
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Neighbors, Report
from goldpan.formats.alone import alone_in
from goldpan.formats.class_lists import ClassList
from goldpan.formats.clip_indices import Modality, read_indices
from goldpan.search.fusion import Scale, distinct
from goldpan.stages.retrieve.answers import Answers
from goldpan.stages.retrieve.config import SemanticConfig
from goldpan.stages.retrieve.opening import open_listed, open_pool
from goldpan.stages.retrieve.pool import Pool
from goldpan.stages.retrieve.predicates import Rules
from goldpan.stages.retrieve.queries import class_vectors
from goldpan.stages.retrieve.results import write_results
from goldpan.stages.retrieve.told import Teller
from goldpan.stages.stage import make_config

_ASKING = ("results_per_query", "ensemble", "encoder", "dedup")
_VECTOR_BYTES = 256 << 20


def run(config: SemanticConfig, progress: Progress | None = None) -> Report:
    """Find what is near the captions of classes; rows of the pool's columns, as chunk_0.json and so on.

    One row may serve several classes. A run that was killed goes on behind the last batch of classes.

    Raises:
        InputError: pool, classes, encoder or a condition are not understood, or do not fit together.
        FormatError: a file is not what its name says, or index and metadata do not belong together.
    """
    classes = config.listed()
    classes = classes.with_few_templates() if config.subset else classes
    pool = _pool(config)
    for name in config.columns:
        if name not in pool.metadata.columns:
            raise UnknownName("column", name, pool.metadata.columns)
    with alone_in(config.output):
        return _run(config, classes, pool, progress or Silent())


def retrieve_semantic(**fields: Any) -> Report:
    """Find what is near the captions of classes; the fields are those of `SemanticConfig`.

    Example:
        ``goldpan.retrieve_semantic(pool="ws", classes="classes.toml", output="found")``
    """
    return run(make_config(SemanticConfig, fields))


def _run(config: SemanticConfig, classes: ClassList, pool: Pool, progress: Progress) -> Report:
    started = time.perf_counter()
    modalities = _modalities(config, pool)
    rules = Rules.parse(config.where, keep_nsfw=config.keep_nsfw)
    answers = Answers(config.output / ".answers", _key(config, classes, pool))
    known = _ask(config, classes, pool, modalities, answers, progress)
    answers.forget_others()
    scales = [Scale.of(answers.load(name, side).scores for name in classes.names) for side in modalities]
    teller = Teller(config, pool, modalities, scales, rules)
    counts = dict.fromkeys(classes.names, 0)
    rows = teller.rows(classes.names, answers, counts)
    about = {"scales": {side: scale._asdict() for side, scale in zip(modalities, scales, strict=True)}}
    outputs, details = write_results(config.output, rows, config.layout, classes, counts, about)
    return Report(
        "retrieve semantic",
        rows_in=len(classes.names),
        rows_out=len(classes.names),
        already_done=known,
        seconds=time.perf_counter() - started,
        outputs=outputs,
        details=details,
        next_steps=[f"goldpan retrieve fetch WORKSPACE {config.output}"],
    )


def _pool(config: SemanticConfig) -> Pool:
    if config.pool is not None:
        return open_pool(config.pool, config.encoder)
    assert config.indices is not None  # noqa: S101  the configuration sees to it
    listed = read_indices(config.indices)
    name = config.index or next(iter(listed))
    if name not in listed:
        raise UnknownName("index", name, listed)
    return open_listed(listed[name], config.encoder)


def _modalities(config: SemanticConfig, pool: Pool) -> list[Modality]:
    if config.modality == "both":
        return list(pool.modalities)
    if config.modality not in pool.modalities:
        raise InputError(f"{pool.name} has no {config.modality} index; it has: {', '.join(pool.modalities)}.")
    return [config.modality]


def _key(config: SemanticConfig, classes: ClassList, pool: Pool) -> str:
    """Return what tells one set of questions from another: how they are asked, and of what."""
    options = config.model_dump(mode="json", include=set(_ASKING))
    told = json.dumps([options, classes.templates, pool.name, pool.state], default=str)
    return hashlib.sha256(told.encode()).hexdigest()[:24]


def _ask(
    config: SemanticConfig,
    classes: ClassList,
    pool: Pool,
    modalities: Sequence[Modality],
    answers: Answers,
    progress: Progress,
) -> int:
    """Ask for the classes that were not asked for before; return how many were."""
    missing = [name for name in classes.names if not all(answers.has(name, side) for side in modalities)]
    known = len(classes.names) - len(missing)
    if not missing:
        return known
    if not pool.metric.is_similarity:
        raise InputError(f"{pool.name} measures {pool.metric}; texts are compared to images by ip or cosine.")
    encoder = pool.encoder()
    progress.start("classes", len(classes.names))
    progress.advance(known)
    for start in range(0, len(missing), config.batch_classes):
        names = missing[start : start + config.batch_classes]
        queries = class_vectors(encoder, classes, names, ensemble=config.ensemble)
        for side in modalities:
            found = _distinct(pool, queries.reshape(-1, queries.shape[-1]), side, config)
            parts = zip(np.split(found.ids, len(names)), np.split(found.scores, len(names)), strict=True)
            for name, (ids, scores) in zip(names, parts, strict=True):
                answers.save(name, side, Neighbors(ids, scores))
        progress.advance(len(names))
    progress.finish()
    return known


def _distinct(pool: Pool, queries: NDArray[np.float32], modality: Modality, config: SemanticConfig) -> Neighbors:
    """Search; of answers to one query that look alike, the nearest stays, and the others become -1."""
    if config.dedup == 0:
        return pool.search(queries, config.results_per_query, modality).neighbors
    parts = []
    at_once = max(1, _VECTOR_BYTES // (4 * pool.dim * min(config.results_per_query, pool.n)))
    for start in range(0, len(queries), at_once):
        some = queries[start : start + at_once]
        (ids, scores), vectors = pool.search(some, config.results_per_query, modality, vectors=True)
        assert vectors is not None  # noqa: S101  asked for
        keep = np.stack([distinct(found, config.dedup) for found in vectors])
        parts.append((np.where(keep, ids, -1), np.where(keep, scores, np.nan)))
    ids, scores = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Neighbors(ids, scores)
