"""What goes into our own API and what comes out of it."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from goldpan.core.records import Metric
from goldpan.formats.clip_indices import Modality
from goldpan.web.serve.errors import Problem

_SOURCES = ("text", "image", "image_url", "vector", "row")


_MOST_KEYS = 32
LONGEST = 65_536
"""Values of a vector."""


class _Asked(BaseModel):
    """What programs send; the first mistake ends it, where there could be a million."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _few_keys(cls, given: Any) -> Any:
        if isinstance(given, dict) and len(given) > _MOST_KEYS:
            raise ValueError(f"{len(given):,} keys are given")
        return given


class Query(_Asked):
    """One of a text, an image, the URL of one, a vector, and a row of the pool."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"minProperties": 1, "maxProperties": 1})

    text: str | None = Field(None, min_length=1, max_length=10_000)
    image: str | None = Field(None, description="An image file in base64.")
    image_url: str | None = Field(None, max_length=8192)
    vector: list[FiniteFloat] | None = Field(
        None, max_length=LONGEST, fail_fast=True, description="As many values as the pool's vectors have."
    )
    row: int | None = Field(None, ge=0, description="What is like this row; it is among its own answers.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in _SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of {', '.join(_SOURCES)}, not {' and '.join(given) or 'none'}")
        return self


class SearchRequest(_Asked):
    """Queries to one pool."""

    pool: str | None = Field(None, description="Its name; the first where not given.")
    queries: list[Query] = Field(min_length=1, fail_fast=True)
    modality: Literal["image", "text", "fused"] | None = Field(
        None, description="Which index; fused joins both. The pool's first where not given."
    )
    k: int = Field(20, ge=1, description="Answers to a query.")
    described: int | None = Field(None, ge=0, description="Answers to a query that have metadata; all where not given.")
    columns: list[str] | None = Field(
        None, fail_fast=True, description="Of the metadata; the pool's usual ones where not given."
    )
    deduplicate: float | None = Field(
        None, gt=0, le=1, description="Drop answers whose cosine to a better one is at least this, such as 0.94."
    )


class Hit(BaseModel):
    """One answer.

    `score` is the metric's value; with fused, how many deviations the answer lies above the mean of its index's.
    """

    row: int
    score: float
    similarities: dict[str, float | None] = Field(description="The metric's value in each index.")
    metadata: dict[str, Any] | None
    picture: str | None = Field(description="Where its picture is shown.")


class Answers(BaseModel):
    """The answers to one query, best first; or why there are none."""

    hits: list[Hit] = []
    problem: Problem | None = None


class SearchAnswer(BaseModel):
    """Answers to queries, in their order."""

    pool: str
    modality: str
    metric: Metric
    seconds: float
    results: list[Answers]


class PoolFacts(BaseModel):
    """What a pool is."""

    name: str
    rows: int
    modalities: list[Modality]
    dim: int
    metric: Metric
    columns: list[str]
    encoder: str | None
    takes: list[str] = Field(description="What queries may be.")
    compares: list[Modality] = Field(description="Indexes that can tell look-alikes, for `deduplicate`.")
    problem: str = Field(description="Why texts and images cannot be asked about, where that is so.")


class RowsRequest(_Asked):
    """Rows of one pool."""

    pool: str | None = None
    rows: list[int] = Field(fail_fast=True)
    columns: list[str] | None = Field(None, fail_fast=True)


class Row(BaseModel):
    """What is known of a row."""

    row: int
    metadata: dict[str, Any]
    picture: str | None


class BasketItem(_Asked):
    """A row that was chosen, and for what."""

    row: int
    query: str | None = None
    score: FiniteFloat | None = None


class ExportRequest(_Asked):
    """Rows to take away."""

    pool: str | None = None
    items: list[BasketItem] = Field(fail_fast=True)
    columns: list[str] | None = Field(None, fail_fast=True)
    format: Literal["parquet", "json"] = Field(
        "parquet", description="json: the chunks that unmet-promise retrieves, for goldpan retrieve fetch."
    )


class KeepRequest(_Asked):
    """Rows whose images are to be put into the server's workspace for them."""

    pool: str | None = None
    items: list[BasketItem] = Field(min_length=1, fail_fast=True)


class KeepAnswer(BaseModel):
    """What became of the rows; the counts add up to their number."""

    workspace: str
    kept: int
    known: int = Field(description="Were in it before.")
    failed: int = Field(description="Could not be read; the workspace's failures say why.")
    elsewhere: int = Field(description="Name their image by URL only; goldpan retrieve fetch brings those.")


class SessionAnswer(BaseModel):
    """An address that opens the page in another browser, once."""

    url: str
