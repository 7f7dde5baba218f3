"""What can be set when an index is built, changed and searched."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from goldpan.core.config import Config, runtime_field
from goldpan.core.errors import InputError
from goldpan.formats.clip_indices import Modality

DEFAULT_ENGINE = "faiss:HNSW32_SQ8@efConstruction=200,efSearch=64"
DEFAULT_BINARY = "faiss:BHNSW32@efConstruction=200,efSearch=64"  # for packed bits


class IndexBuildConfig(Config):
    """Which vectors, which engine, and where the index goes."""

    vectors: str = Field(description="Vectors to index: a file, file.h5:train, or a workspace.")
    output: Path = Field(description="The index folder; it appears whole.")
    engine: str | None = Field(
        None,
        description="flat, faiss:FACTORY, hnswlib, usearch ... with @option=value,...; "
        f"{DEFAULT_ENGINE} if unset, {DEFAULT_BINARY} for packed bits.",
    )
    metric: str | None = Field(
        None, description="ip, cosine, l2, sqeuclidean or hamming; what the vectors name if unset."
    )
    encoder: str | None = Field(None, description="Which vectors of a workspace; needed where there are several.")
    measure: int = Field(100, description="Rows to search for when speed and recall are measured; 0 for none.", ge=0)
    seed: int = Field(0, description="Seed of training samples, of the engine, and of the rows to measure with.", ge=0)
    replace: bool = Field(False, description="Build anew where another index is.")
    threads: int | None = runtime_field(None, "Threads; the processors by default.", ge=1)


class IndexAddConfig(Config):
    """Which vectors come into which index."""

    index: Path = Field(description="The index folder.")
    vectors: str = Field(description="Vectors to add: a file, file.h5:train, or a workspace.")
    encoder: str | None = Field(None, description="Which vectors of a workspace; needed where there are several.")
    threads: int | None = runtime_field(None, "Threads; the processors by default.", ge=1)


class IndexRemoveConfig(Config):
    """Which rows leave which index."""

    index: Path = Field(description="The index folder.")
    ids: Path = Field(description="A text file, an id a line: of the column id, or row numbers where there is none.")
    threads: int | None = runtime_field(None, "Threads; the processors by default.", ge=1)


class IndexSearchConfig(Config):
    """What to search an index for."""

    index: Path = Field(description="The index folder.")
    queries: str = Field(description="Vectors to search for: a file, or file.h5:test.")
    k: int = Field(10, description="Neighbors a query.", ge=1)
    set: str = Field("", description="Search parameters, such as nprobe=8,k_factor_rf=4; the index's if unset.")
    output: Path | None = Field(None, description="Write ids and scores here, as truth does: .ivecs, .h5 ...")
    threads: int | None = runtime_field(None, "Threads; the processors by default.", ge=1)

    @field_validator("set")
    @classmethod
    def _parameters(cls, text: str) -> str:
        _pairs(text)
        return text

    @property
    def parameters(self) -> dict[str, float]:
        """The search parameters by name."""
        return _pairs(self.set)


def _pairs(text: str) -> dict[str, float]:
    found = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            raise InputError(f"--set {part!r} must be name=number, such as nprobe=8.")
    return found


class IndexExportConfig(Config):
    """Which index goes where, for clip-retrieval."""

    index: Path = Field(description="The index folder.")
    output: Path = Field(description="The folder for clip-retrieval; it appears whole.")
    modality: Modality = Field("image", description="What its vectors are of: image or text.")
