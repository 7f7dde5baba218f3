"""Retrieve by meaning: captions of classes against the images and texts of a pool, fused, once each; resumable."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError, UnknownName
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Neighbors, Report
from goldpan.encoders.protocol import Encoder
from goldpan.formats.atomic import replace_file
from goldpan.formats.chunks import chunk_names, write_chunks
from goldpan.formats.class_lists import ClassList, read_classes
from goldpan.formats.clip_indices import Modality, read_indices
from goldpan.search.fusion import Fused, Scale, distinct, fuse
from goldpan.stages.retrieve.answers import Answers
from goldpan.stages.retrieve.config import SemanticConfig
from goldpan.stages.retrieve.opening import open_listed, open_pool
from goldpan.stages.retrieve.pool import Pool
from goldpan.stages.retrieve.predicates import Condition, parse_conditions
from goldpan.stages.stage import make_config

_BATCH_ROWS = 4096
_ASKING = ("results_per_query", "ensemble", "encoder", "pool", "indices", "index", "dedup")


def run(config: SemanticConfig, progress: Progress | None = None) -> Report:
    """Find what is near the captions of classes; rows of the pool's columns, as chunk_0.json and so on.

    One row may serve several classes. A run that was killed goes on behind the last batch of classes.

    Raises:
        InputError: pool, classes, encoder or a condition are not understood, or do not fit together.
        FormatError: a file is not what its name says, or index and metadata do not belong together.
    """
    started = time.perf_counter()
    classes = read_classes(config.classes)
    pool = _pool(config)
    modalities = _modalities(config, pool)
    conditions = parse_conditions(config.where)
    config.output.mkdir(parents=True, exist_ok=True)
    answers = Answers(config.output / ".answers", _key(config, classes, pool))
    known = _ask(config, classes, pool, modalities, answers, progress or Silent())
    scales = [Scale.of([answers.load(name, modality).scores for name in classes.names]) for modality in modalities]
    counts: dict[str, int] = {}
    rows = _Rows(config, pool, modalities, scales, conditions)
    chunks = write_chunks(config.output, rows.all(classes.names, answers, counts))
    summary = _summary(classes, modalities, scales, counts)
    with replace_file(config.output / "summary.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    return Report(
        "retrieve semantic",
        rows_in=len(classes.names),
        rows_out=len(classes.names),
        already_done=known,
        seconds=time.perf_counter() - started,
        outputs={str(config.output): f"{sum(counts.values()):,} rows in {len(chunks)} chunk(s), summary.json"},
        details={key: value for key, value in summary.items() if key != "per_class"},
        next_steps=[f"goldpan retrieve fetch WORKSPACE {config.output}"],
    )


def retrieve_semantic(**fields: Any) -> Report:
    """Find what is near the captions of classes; the fields are those of `SemanticConfig`.

    Example:
        ``goldpan.retrieve_semantic(pool="ws", classes="classes.toml", output="found")``
    """
    return run(make_config(SemanticConfig, fields))


def _pool(config: SemanticConfig) -> Pool:
    if config.pool is not None:
        return open_pool(config.pool, config.encoder)
    listed = read_indices(config.indices or Path())
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
    """Return what tells one set of questions from another."""
    options = config.model_dump(mode="json", include=set(_ASKING))
    told = json.dumps([options, classes.names, classes.templates, pool.n, pool.dim])
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
    missing = [name for name in classes.names if not all(answers.has(name, modality) for modality in modalities)]
    if not missing:
        return len(classes.names)
    if not pool.metric.is_similarity:
        raise InputError(f"{pool.name} measures {pool.metric}; texts are compared to images by ip or cosine.")
    encoder = pool.encoder(config.encoder)
    progress.start("classes", len(classes.names))
    progress.advance(len(classes.names) - len(missing))
    for start in range(0, len(missing), config.batch_classes):
        names = missing[start : start + config.batch_classes]
        queries = [_queries(encoder, classes.captions(name), ensemble=config.ensemble) for name in names]
        ends = np.cumsum([len(part) for part in queries])[:-1]
        for modality in modalities:
            found = _distinct(pool, np.concatenate(queries), modality, config)
            parts = zip(np.split(found.ids, ends), np.split(found.scores, ends), strict=True)
            for name, (ids, scores) in zip(names, parts, strict=True):
                answers.save(name, modality, Neighbors(ids, scores))
        progress.advance(len(names))
    progress.finish()
    return len(classes.names) - len(missing)


def _distinct(pool: Pool, queries: NDArray[np.float32], modality: Modality, config: SemanticConfig) -> Neighbors:
    """Search; of answers to one query that look alike, the nearest stays, and the others become -1."""
    (ids, scores), vectors = pool.search(queries, config.results_per_query, modality, vectors=config.dedup > 0)
    if vectors is not None:
        keep = np.stack([distinct(found, config.dedup) for found in vectors])
        ids, scores = np.where(keep, ids, -1), np.where(keep, scores, np.nan)
    return Neighbors(ids, scores)


def _queries(encoder: Encoder, captions: list[str], *, ensemble: bool) -> NDArray[np.float32]:
    """Return ``(n, dim)``: a query a caption, or the mean of all at unit length, as CLIP makes its classifiers."""
    vectors = np.asarray(encoder.encode_text(captions), np.float32)
    if not ensemble:
        return vectors
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    mean = unit.mean(axis=0, keepdims=True)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


class _Rows(NamedTuple):
    """Turns answers into rows.

    Attributes:
        config: the settings.
        pool: what was asked.
        modalities: its indexes, in order.
        scales: of each.
        conditions: which rows are taken.
    """

    config: SemanticConfig
    pool: Pool
    modalities: list[Modality]
    scales: list[Scale]
    conditions: list[Condition]

    def all(self, names: Sequence[str], answers: Answers, counts: dict[str, int]) -> Iterator[dict[str, Any]]:
        """Yield the rows of all classes, and count them."""
        for name in names:
            counts[name] = 0
            fused = fuse([answers.load(name, modality) for modality in self.modalities], self.scales)
            for row in self._of_class(name, fused):
                counts[name] += 1
                yield row
                if counts[name] == self.config.per_class:
                    break

    def _of_class(self, name: str, fused: Fused) -> Iterator[dict[str, Any]]:
        """Yield the rows of one class, the nearest first."""
        fused = self._near_enough(fused)
        columns = self.config.columns or list(self.pool.columns)
        needed = list(dict.fromkeys([*columns, *self._asked_by_conditions()]))
        renamed = chunk_names(needed)
        written = {renamed[column] for column in columns}
        for start in range(0, len(fused.ids), _BATCH_ROWS):
            told = self.pool.rows(fused.ids[start : start + _BATCH_ROWS], needed)
            for at, row in enumerate(told, start):
                named = {renamed[column]: value for column, value in row.items()}
                if self._is_safe(named) and all(condition.holds_for(named) for condition in self.conditions):
                    yield self._row(name, fused, at, {key: value for key, value in named.items() if key in written})

    def _asked_by_conditions(self) -> list[str]:
        known = {new: old for old, new in chunk_names(self.pool.metadata.columns).items()}
        wanted = [condition.column for condition in self.conditions] + ([] if self.config.keep_nsfw else ["NSFW"])
        return [known[column] for column in wanted if column in known]

    def _is_safe(self, row: dict[str, Any]) -> bool:
        return self.config.keep_nsfw or row.get("NSFW") != "NSFW"

    def _near_enough(self, fused: Fused) -> Fused:
        if self.config.min_similarity is None or not len(fused.ids):
            return fused
        keep = np.nanmax(fused.raw, axis=0) >= self.config.min_similarity
        return Fused(fused.ids[keep], fused.scores[keep], fused.raw[:, keep])

    def _row(self, name: str, fused: Fused, at: int, row: dict[str, Any]) -> dict[str, Any]:
        raw = fused.raw[:, at]
        best = int(np.nanargmax([scale.standard(value) for scale, value in zip(self.scales, raw, strict=True)]))
        each = {f"similarity_{side}": float(value) for side, value in zip(self.modalities, raw, strict=True)}
        given = {key: value for key, value in row.items() if key not in ("similarity", "QUERY")}
        found = {"similarity": float(raw[best]), "QUERY": name, "row": int(fused.ids[at])}
        return given | found | {"score": float(fused.scores[at])} | each


def _summary(
    classes: ClassList, modalities: Sequence[Modality], scales: Sequence[Scale], counts: dict[str, int]
) -> dict[str, Any]:
    sizes = np.array(list(counts.values()))
    quartiles = np.percentile(sizes, [25, 50, 75]).tolist()
    return {
        "rows": int(sizes.sum()),
        "classes": len(classes.names),
        "rows_a_class": {"mean": float(sizes.mean()), "25%": quartiles[0], "50%": quartiles[1], "75%": quartiles[2]},
        "scales": {modality: scale._asdict() for modality, scale in zip(modalities, scales, strict=True)},
        "classes_without_rows": [name for name, count in counts.items() if not count][:100],
        "repeated_names": classes.repeated,
        "per_class": counts,
    }
