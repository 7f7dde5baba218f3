"""What can be set when embedding."""

from __future__ import annotations

from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from goldpan.compute.config import Spread
from goldpan.core.config import runtime_field
from goldpan.encoders.loading import EncoderOptions


class Part(NamedTuple):
    """Part `number` of `total`, counted from 0."""

    number: int
    total: int


class EmbedConfig(EncoderOptions, Spread):
    """Which encoder, on what, and how it is stored."""

    encoder: str = Field(description="Encoder spec, such as phash:8, onnx:DIR, clip:ViT-B-32/openai, timm:resnet50.")
    column: str | None = Field(None, description="Embed this text column (caption) instead of the images.")
    dtype: Literal["float16", "float32"] = Field("float32", description="How vectors are stored.")
    name: str | None = Field(
        None,
        description="Name of the vectors table (letters, digits, . _ -); made from the encoder by default.",
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$",
    )
    where: str | None = Field(None, description="Embed only rows for which this SQL predicate holds.")
    max_pixels: int = Field(1 << 28, description="Refuse images with more pixels than this, before decoding.", ge=1)
    shard: str | None = runtime_field(None, "Do part I of N (I/N, I counted from 0); run all parts to do all rows.")
    job_index: int | None = runtime_field(None, "The I of --shard, for job arrays.", ge=0)
    total_jobs: int | None = runtime_field(None, "The N of --shard, for job arrays.", ge=1)
    batch_size: int | None = runtime_field(None, "Rows a batch; the encoder's own default where not given.", ge=1)
    workers: int | None = runtime_field(None, "Batches worked on at once; the processors by default.", ge=1)
    retry_failures: bool = runtime_field(False, "Try the rows that failed before once more.")

    @model_validator(mode="after")
    def _one_way_to_shard(self) -> Self:
        if (self.job_index is None) != (self.total_jobs is None):
            raise ValueError("job_index and total_jobs go together")
        if self.shard is not None and self.job_index is not None:
            raise ValueError("give shard, or job_index and total_jobs, not both")
        part = self.part
        if part.number >= part.total:
            raise ValueError(f"shard {part.number}/{part.total}: parts count from 0 to {part.total - 1}")
        return self

    @property
    def part(self) -> Part:
        """Which part of the rows to do."""
        if self.shard is None:
            return Part(self.job_index or 0, self.total_jobs or 1)
        number, slash, total = self.shard.partition("/")
        if not (slash and number.isdecimal() and total.isdecimal() and int(total)):
            raise ValueError(f"shard {self.shard!r} is not of the form I/N, such as 0/4")
        return Part(int(number), int(total))
