"""What can be set when computing ground truth."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from goldpan.compute.config import Spread
from goldpan.core.config import Config, runtime_field
from goldpan.core.errors import InputError
from goldpan.core.records import Metric, parse_metric


class Exact(Config):
    """What every exact search is told."""

    metric: str | None = Field(
        None, description="ip, cosine, l2, sqeuclidean or hamming; what the base names if unset."
    )
    memory_mb: int = runtime_field(2048, "Memory for blocks, codes and answers of one search, in MiB.", ge=16)
    workers: int | None = runtime_field(None, "Threads, or tasks of a cluster; the processors by default.", ge=1)


class TruthConfig(Exact, Spread):
    """Which vectors, how near is measured, and where the answers go."""

    base: str = Field(description="Vectors to search: a file, file.h5:dataset, or ws/vectors/NAME.lance.")
    queries: str | None = Field(None, description="Vectors to search for; or hold some rows of the base out.")
    output: Path = Field(description="Where to: .ivecs, .ibin, .npy, .parquet or file.h5[:neighbors].")
    k: int = Field(100, description="Neighbors a query.", ge=1)
    hold_out: int | None = Field(
        None, description="Take this many random rows of the base as queries and search the others.", ge=1
    )
    seed: int = Field(1234, description="Seed of the rows held out.", ge=0, lt=2**32)

    @model_validator(mode="after")
    def _one_source_of_queries(self) -> TruthConfig:
        if (self.queries is None) == (self.hold_out is None):
            raise InputError("Name the queries, or hold rows of the base out with --hold-out N: one of the two.")
        return self


def metric_of(asked: str | None, named: Metric | None, base: str) -> Metric:
    """Return the metric asked for, else the one that the file of the base names.

    Raises:
        InputError: neither says.
        UnknownName: no metric has that name.
    """
    if asked is not None:
        return parse_metric(asked)
    if named is None:
        raise InputError(f"{base} does not name a metric; add --metric ip, cosine, l2, sqeuclidean or hamming.")
    return named
