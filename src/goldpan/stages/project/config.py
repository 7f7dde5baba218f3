"""What can be set when projecting vectors."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from goldpan.core.config import Config, runtime_field
from goldpan.core.errors import InputError


class ProjectConfig(Config):
    """Which vectors, which projection, where to."""

    base: str = Field(description="Vectors to learn from and to project: a file, file.h5:dataset, or a .lance table.")
    spec: str | None = Field(
        None, description="The projection, such as pca:96, thermo:1024, binperms:1024 or rotate+cast:int8."
    )
    output: Path = Field(description="Where to; in HDF5 the dataset is named pcaN, hamming or emb unless you name it.")
    queries: str | None = Field(None, description="Vectors to project as well, to OUTPUT-queries.")
    truth: Path | None = Field(None, description="True neighbors of the queries: tells the recall that is left.")
    k: int | None = Field(None, description="Neighbors for that recall; 10 and 30 if unset.", ge=1)
    metric: str | None = Field(
        None, description="ip, cosine, l2 or sqeuclidean among the vectors; what the base names, else ip."
    )
    model: Path | None = Field(None, description="Apply the projection in this folder; learn nothing.")
    save_model: Path | None = Field(None, description="Keep the projection in this new folder.")
    seed: int = Field(0, description="Seed of whatever is random in the projection.", ge=0, lt=2**32)
    workers: int | None = runtime_field(None, "Threads; the processors by default.", ge=1)

    @model_validator(mode="after")
    def _fits(self) -> ProjectConfig:
        if (self.spec is None) == (self.model is None):
            raise InputError("Name a projection (--with pca:96) or the folder of one (--model DIR): one of the two.")
        if self.truth is not None and self.queries is None:
            raise InputError("A truth belongs to queries; add --queries FILE.")
        if self.k is not None and self.truth is None:
            raise InputError("-k is for the recall against a truth; add --truth FILE.")
        if self.model is not None and (self.save_model is not None or self.metric is not None):
            raise InputError("A projection of a folder has its metric, and is there already; leave the two out.")
        return self
