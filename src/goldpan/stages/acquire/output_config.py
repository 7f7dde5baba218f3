"""Where fetched images are written, as fields of a configuration and so as flags."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from goldpan.core.config import Config, runtime_field
from goldpan.core.errors import InputError


class OutputConfig(Config):
    """Shards in img2dataset's layout, in place of copies in the workspace."""

    output: Path | None = Field(None, description="Write images as shards to this folder, not into the workspace.")
    output_format: Literal["webdataset", "parquet", "files", "imagefolder"] | None = Field(
        None, description="Layout of the shards: tars, Parquet files, a folder each; or a folder for each class."
    )
    per_shard: int = Field(10_000, description="Rows of the list a shard.", ge=1)
    shard_digits: int = Field(5, description="Digits of a shard's name.", ge=1, le=12)
    wandb: str | None = runtime_field(None, "Project of Weights & Biases that is told how the fetching goes.")

    @model_validator(mode="after")
    def _folder_and_layout(self) -> Self:
        if (self.output is None) != (self.output_format is None):
            raise InputError(
                "--output FOLDER and --output-format (webdataset, parquet, files, imagefolder) go together."
            )
        return self
