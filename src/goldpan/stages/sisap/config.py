"""What can be set when running a SISAP task."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from goldpan.core.config import Config, runtime_field
from goldpan.core.errors import InputError

GENERATED = "generated"


class SisapConfig(Config):
    """Which task, on which data, by which engine."""

    year: int = Field(description="Year of the challenge: 2023 to 2026.")
    task: str = Field(description="Its task: A, B, C in 2023, then 1, 2, 3.")
    data: str = Field(description='The challenge\'s files: a folder, or one HDF5 file; or "generated".')
    engine: str | None = Field(
        None, description="Index to run, such as hnswlib@M=16 (2023 B: a sketch, thermo:1024); only score if unset."
    )
    output: Path = Field(description="Folder of results; all those of this task and data in it are scored.")
    settings: tuple[str, ...] = Field(
        (), description="Search settings, such as ef=64 or nprobe=8,k_factor=2; the engine's ladder if unset."
    )
    size: str | None = Field(None, description="2023, 2024: which size where the folder has several, such as 300K.")
    private: bool = Field(False, description="2023, 2024: the private queries.")
    part: str | None = Field(None, description="2025, 2026: another group of queries, such as itest.")
    dataset: str | None = Field(
        None, description="2025, 2026: name of the data in results; that of config.json if unset."
    )
    algo: str | None = Field(None, description="Name of the index in results; the engine if unset.")
    rows: int = Field(5000, description="Rows to generate; whole thousands.", ge=1000, multiple_of=1000)
    n_queries: int = Field(200, description="Queries to generate.", ge=1)
    seed: int = Field(1234, description="Seed of generated data and of the engine.", ge=0, lt=2**32)
    threads: int | None = runtime_field(None, "Threads; as many as the task allows and there are.", ge=1)

    @model_validator(mode="after")
    def _fits(self) -> SisapConfig:
        if self.engine is None and (self.settings or self.algo):
            raise InputError("Settings and a name belong to an engine; add --engine SPEC.")
        return self
