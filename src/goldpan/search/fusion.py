"""Answers of several indexes to the same query, on one scale; and answers that show the same thing once.

Similarities of a text to images and to texts lie on different scales: with CLIP about .25 and .8. What is fused are
standard scores: how many deviations an answer lies above the mean of all answers of its index.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.records import Floats, Ids, Neighbors

_BLOCK = 512


class Scale(NamedTuple):
    """Where the answers of an index lie: `mean` and `deviation` of their similarities."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, parts: Iterable[Floats]) -> Scale:
        """Return the scale of the answers to many queries, drawn once; nan are passed over."""
        count = total = squares = 0.0
        for part in parts:
            known = part[np.isfinite(part)].astype(np.float64)
            count, total, squares = count + known.size, total + known.sum(), squares + (known * known).sum()
        if not count:
            return cls(0.0, 1.0)
        mean = total / count
        return cls(float(mean), float(np.sqrt(max(0.0, squares / count - mean * mean))) or 1.0)

    def standard(self, scores: Floats) -> Floats:
        """Return standard scores."""
        found: Floats = (scores - self.mean) / self.deviation
        return found


class Fused(NamedTuple):
    """The union of the answers of several indexes to the queries of one class, best first, ties to the lower id.

    Attributes:
        ids: ``(m,)`` int64, distinct.
        scores: ``(m,)`` float64, the best standard score of each.
        raw: ``(n_indexes, m)`` float64, its best similarity in each index; nan where that did not find it.
    """

    ids: Ids
    scores: Floats
    raw: Floats


def fuse(answers: Sequence[Neighbors], scales: Sequence[Scale]) -> Fused:
    """Join answers; higher scores are nearer.

    Args:
        answers: of each index, ``(n_queries_i, k_i)``; ids -1 are passed over.
        scales: of each index.
    """
    ids = np.unique(np.concatenate([np.empty(0, np.int64), *(part.ids[part.ids >= 0] for part in answers)]))
    raw = np.full((len(answers), len(ids)), -np.inf)
    for found, best in zip(answers, raw, strict=True):
        there = found.ids >= 0
        np.maximum.at(best, np.searchsorted(ids, found.ids[there]), found.scores[there])
    raw[np.isinf(raw)] = np.nan
    standard = (
        np.stack([scale.standard(best) for scale, best in zip(scales, raw, strict=True)]) if len(answers) else raw
    )
    scores = np.nanmax(standard, axis=0) if len(ids) else np.empty(0)
    order = np.lexsort((ids, -scores))
    return Fused(ids[order], scores[order], raw[:, order])


def distinct(vectors: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """Return which rows are unlike all kept before them, ``(m,)``: the first of look-alikes stays.

    A row goes only for one that is kept and at least so near, where components that are connected (clip-retrieval)
    chain: there what is kept and what goes for it may have nothing in common.

    Args:
        vectors: ``(m, dim)``, the best first; of any length.
        threshold: cosine from which two show the same.
    """
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    keep = np.ones(len(unit), bool)
    for start in range(0, len(unit), _BLOCK):
        block = unit[start : start + _BLOCK]
        before = unit[:start][keep[:start]]
        if len(before):
            keep[start : start + _BLOCK] = (block @ before.T < threshold).all(axis=1)
        near = np.triu(block @ block.T >= threshold, 1)
        for row in range(len(block)):
            if keep[start + row]:
                keep[start : start + _BLOCK] &= ~near[row]
    return keep
