"""The answers to the queries of classes, told as rows of a chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goldpan.formats.chunks import QUERY, chunk_names
from goldpan.formats.clip_indices import Modality
from goldpan.formats.record_batches import batch_of
from goldpan.search.fusion import Fused, Scale, fuse
from goldpan.stages.retrieve.answers import Answers
from goldpan.stages.retrieve.config import SemanticConfig
from goldpan.stages.retrieve.pool import Pool
from goldpan.stages.retrieve.predicates import Rules

_BATCH_ROWS = 4096


@dataclass(frozen=True)
class Teller:
    """Tells rows.

    Attributes:
        config: the settings.
        pool: what was asked.
        modalities: its indexes, in order.
        scales: of each.
        rules: which rows are taken.
    """

    config: SemanticConfig
    pool: Pool
    modalities: Sequence[Modality]
    scales: Sequence[Scale]
    rules: Rules

    def rows(self, names: Sequence[str], answers: Answers, counts: dict[str, int]) -> Iterator[dict[str, Any]]:
        """Yield the rows of all classes, of each the nearest first, and count them."""
        for name in names:
            fused = fuse([answers.load(name, side) for side in self.modalities], self.scales)
            for row in self._of_class(name, self._near_enough(fused)):
                counts[name] += 1
                yield row
                if counts[name] == self.config.per_class:
                    break

    def _near_enough(self, fused: Fused) -> Fused:
        if self.config.min_similarity is None or not len(fused.ids):
            return fused
        keep = np.nanmax(fused.raw, axis=0) >= self.config.min_similarity
        return Fused(fused.ids[keep], fused.scores[keep], fused.raw[:, keep])

    def _of_class(self, name: str, fused: Fused) -> Iterator[dict[str, Any]]:
        columns = self.config.columns or list(self.pool.columns)
        needed = list(dict.fromkeys([*columns, *self.rules.columns(self.pool.metadata.columns)]))
        called = chunk_names(columns)
        for start in range(0, len(fused.ids), _BATCH_ROWS):
            told = self.pool.rows(fused.ids[start : start + _BATCH_ROWS], needed)
            fits = self.rules.fit(batch_of(told, needed)).to_pylist()
            for at, (row, fit) in enumerate(zip(told, fits, strict=True), start):
                if fit:
                    yield self._row(name, fused, at, {called[key]: row[key] for key in columns if key in row})

    def _row(self, name: str, fused: Fused, at: int, row: dict[str, Any]) -> dict[str, Any]:
        raw = fused.raw[:, at]
        best = int(np.nanargmax([scale.standard(value) for scale, value in zip(self.scales, raw, strict=True)]))
        each = {f"similarity_{side}": float(value) for side, value in zip(self.modalities, raw, strict=True)}
        given = {key: value for key, value in row.items() if key not in ("similarity", QUERY)}
        found = {"similarity": float(raw[best]), QUERY: name, "row": int(fused.ids[at])}
        return given | found | {"score": float(fused.scores[at])} | each
