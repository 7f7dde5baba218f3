"""What can be asked of a search."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from goldpan.core.config import Config


class SearchConfig(Config):
    """One query and how many answers."""

    text: str | None = Field(None, description="Find images that fit this text.")
    image: Path | None = Field(None, description="Find images like this file.")
    id: str | None = Field(None, description="Find images like the one with this id (it is among its own answers).")
    vector: Path | None = Field(
        None, description="Find the neighbors of the one vector in this file (.npy, .fvecs ...)."
    )
    k: int = Field(10, description="How many answers.", ge=1)
    encoder: str | None = Field(None, description="Which vectors to search; needed where there are several.")
    where: str | None = Field(None, description="Only among images for which this SQL predicate holds.")
    device: str = Field("auto", description="Where the query is encoded: cpu, cuda, auto.")

    @model_validator(mode="after")
    def _one_query(self) -> Self:
        given = [name for name in ("text", "image", "id", "vector") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of a text, --image, --id and --vector, not {' and '.join(given) or 'none'}")
        return self
