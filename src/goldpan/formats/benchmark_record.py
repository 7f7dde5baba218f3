"""The record of a vector-search benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from goldpan.core.records import Metric
from goldpan.formats.protocol import VectorSource
from goldpan.formats.truth import Truth

Source_co = TypeVar("Source_co", bound=VectorSource, covariant=True)


@dataclass(frozen=True, slots=True)
class Benchmark(Generic[Source_co]):
    """A base to search, queries, and the exact answers.

    Attributes:
        base: ``(n, d)`` vectors; packed bits (uint8) where the metric is Hamming.
        queries: ``(n_queries, d)``.
        truth: for each query the rows of the base nearest to it; distances are values of `metric`.
        metric: what "near" means; None where a file does not say.
        learn: further queries, to tune an index with.
        learn_truth: the answers to them.
    """

    base: Source_co
    queries: Source_co
    truth: Truth
    metric: Metric | None
    learn: Source_co | None = None
    learn_truth: Truth | None = None
