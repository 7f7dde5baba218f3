"""What can be set when making a benchmark."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field

from goldpan.core.config import Config, runtime_field
from goldpan.core.place import Place

Layout = Literal["fvecs", "fbin", "ann-benchmarks", "vibe", "sisap", "npy", "parquet", "laion"]


class BenchConfig(Config):
    """Which vectors, how they are split, and where the release goes."""

    encoder: str = Field(description="Whose vectors: an encoder spec or the name of a vectors table.")
    output: Place = Field(description="The release folder to make, or s3://bucket/folder; it must not exist yet.")
    queries: int = Field(10_000, description="Number of query vectors.", ge=1)
    learn: int = Field(0, description="Number of learn vectors (drawn like queries, with their own truth).", ge=0)
    base: int | None = Field(None, description="Number of base vectors; all that are left by default.", ge=1)
    k: int = Field(100, description="Neighbors a query in the ground truth.", ge=1)
    metric: str | None = Field(None, description="ip, cosine, l2, sqeuclidean or hamming; fits the encoder by default.")
    normalize: bool | None = Field(None, description="L2-normalize the vectors; done where they are compared by angle.")
    seed: int = Field(1234, description="Seed of the shuffle.", ge=0, lt=2**32)
    group_by: str | None = Field(
        None, description="Keep rows that share this column (parent_id, label ...) on one side of the split."
    )
    order: Literal["shuffle", "class"] = Field("shuffle", description="Base in random order, or class after class.")
    where: str | None = Field(None, description="Only images for which this SQL predicate holds.")
    layout: Layout = Field("fvecs", description="Files of the release: for which readers it is.")
    title: str = Field("", description="Title on the card; made from the encoder by default.")
    license: str = Field("", description="Licence of the vectors, as an SPDX id or an address, for the card.")
    creator: str = Field("", description="Who made it, for the card.")
    url: str = Field("", description="Where it is published, for the card.")
    date: dt.date | None = Field(None, description="Date on the card (YYYY-MM-DD); today by default.")
    workers: int | None = runtime_field(None, "Threads of the exact search; the processors by default.", ge=1)
