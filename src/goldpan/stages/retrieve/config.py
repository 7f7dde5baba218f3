"""What can be set when retrieving."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from goldpan.core.config import Config, runtime_field
from goldpan.search.captions.modes import Mode


class SubstringConfig(Config):
    """Which captions, of which classes, looked for how."""

    metadata: list[Path] = Field(description="Files of captions, or folders of them.", min_length=1)
    classes: Path = Field(description="The classes: .json, .toml, .csv, .txt, or a template of unmet-promise in .py.")
    output: Path = Field(description="Folder for chunk_0.json ... and summary.json.")
    mode: Mode = Field(
        "fts",
        description="fts: the words of a class in any order, or its expression in the language of SQLite FTS5; "
        "phrase: its words in order; substring: its letters, within words too; regex: an expression of RE2.",
    )
    column: str | None = Field(None, description="Column of captions; usual names are found.")
    per_class: int | None = Field(None, description="At most so many rows a class, the first ones.", ge=1)
    where: list[str] = Field([], description='Take only rows that fit, such as "NSFW != NSFW" or "WIDTH >= 256".')
    keep_nsfw: bool = Field(False, description="Take rows that are marked NSFW too.")
    layout: Literal["json", "parquet"] = Field("json", description="Of the chunks: unmet-promise's JSON, or Parquet.")
    workers: int | None = runtime_field(None, "Batches looked at at once; the processors by default.", ge=1)
