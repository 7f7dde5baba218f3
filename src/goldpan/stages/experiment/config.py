"""What an experiment is: data sets, engines, and how they are measured; read from TOML."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from goldpan.core.config import Config, read_toml, runtime_field
from goldpan.core.errors import InputError
from goldpan.core.records import parse_metric
from goldpan.search.engines.loading import CATALOG
from goldpan.search.engines.spec import parse_spec
from goldpan.stages.stage import make_config

EXACT = "exact"
Mode = Literal["batch", "single"]
Setting = dict[str, float]


class DatasetConfig(Config):
    """One data set: a synthetic one by name, a folder or file that holds all of it, or files one by one."""

    name: str = Field("", description="What it is called in the results; made from the source by default.")
    source: str | None = Field(
        None, description="A synthetic set (A, random-xs ...), or a benchmark or release: a folder or an HDF5 file."
    )
    base: str | None = Field(None, description="Vectors to search, where there is no source.")
    queries: str | None = Field(None, description="Vectors to search for, with base.")
    truth: str | None = Field(None, description='Neighbors of the queries; "exact", or nothing: compute them.')
    metric: str | None = Field(None, description="ip, cosine, l2, sqeuclidean or hamming, where no file says.")
    self_join: bool = Field(
        False, description="The queries are the first rows of the base (all, if unset), and no row answers itself."
    )
    n: int | None = Field(None, description="Base rows of a synthetic set.", ge=2)
    dim: int | None = Field(None, description="Dimension of a synthetic set.", ge=1)
    n_queries: int | None = Field(None, description="Take the first queries only (synthetic: make so many).", ge=1)

    @model_validator(mode="after")
    def _one_origin(self) -> DatasetConfig:
        if (self.source is None) == (self.base is None):
            raise InputError("A [[dataset]] has either a source, or base and queries.")
        if self.base is not None and self.queries is None and not self.self_join:
            raise InputError(f'The data set of base {self.base} has no queries; add queries = "FILE".')
        if self.source is not None and (self.queries or self.truth not in (None, EXACT)):
            raise InputError(f"{self.source} brings its own queries and truth; name base, queries and truth instead.")
        if self.metric is not None:
            parse_metric(self.metric)
        return self

    @property
    def label(self) -> str:
        """What it is called in the results."""
        return self.name or Path(self.source or self.base or "").name


class EngineConfig(Config):
    """One engine: what builds it, in which Python it lives, and the search settings to try."""

    spec: str = Field(description="kind[:name][@option=value,...], such as hnswlib@M=16.")
    name: str = Field("", description="What it is called in the results; the spec by default.")
    python: Path | None = Field(None, description="Interpreter of the virtual environment it is installed in.")
    sweep: dict[str, tuple[float, ...]] | None = Field(
        None, description="Values of each search parameter, all combinations; the engine's own ladder by default."
    )

    @field_validator("spec")
    @classmethod
    def _is_spec(cls, spec: str) -> str:
        return str(parse_spec(spec))

    @field_validator("sweep", mode="before")
    @classmethod
    def _lists(cls, sweep: Any) -> Any:
        if not isinstance(sweep, dict):
            return sweep
        return {key: value if isinstance(value, list | tuple) else [value] for key, value in sweep.items()}

    @property
    def label(self) -> str:
        """What it is called in the results."""
        return self.name or self.spec


class Experiment(Config):
    """Which engines on which data, and how they are measured."""

    title: str = Field("", description="Title of the report.")
    dataset: tuple[DatasetConfig, ...] = Field(description="Data sets.", min_length=1)
    engine: tuple[EngineConfig, ...] = Field(description="Engines.", min_length=1)
    k: tuple[int, ...] = Field((1, 10, 100), description="Neighbors asked for, one measurement each.", min_length=1)
    modes: tuple[Mode, ...] = Field(("batch", "single"), description="All queries at once; one after the other.")
    rounds: int = Field(5, description="Times that every setting is measured, in turn with the others.", ge=1)
    warmup: int = Field(1, description="Passes before the first measured one that are thrown away.", ge=0)
    min_seconds: float = Field(0.2, description="Repeat a batch until it was searched for so long.", ge=0)
    single_queries: int = Field(1000, description="At most so many queries one after the other.", ge=1)
    threads: int = Field(1, description="Threads an engine may use.", ge=1)
    build_timeout_s: float = Field(3600, description="A build that takes longer is a failure.", gt=0)
    search_timeout_s: float = Field(600, description="A pass over the queries that takes longer is a failure.", gt=0)
    memory_mb: int | None = Field(None, description="Memory an engine's process may take, in MiB.", ge=64)
    sisap_task: str | None = Field(
        None, description="Write the answers as results of this task of a SISAP challenge too (2025 and later)."
    )
    seed: int = Field(1234, description="Seed of synthetic data, engines and bootstrap.", ge=0, lt=2**32)

    @field_validator("k")
    @classmethod
    def _counts(cls, k: tuple[int, ...]) -> tuple[int, ...]:
        if min(k) < 1:
            raise ValueError("every k is at least 1")
        return tuple(sorted(set(k)))

    @model_validator(mode="after")
    def _distinct(self) -> Experiment:
        for kind, labels in (
            ("data sets", [item.label for item in self.dataset]),
            ("engines", [item.label for item in self.engine]),
        ):
            twice = next((label for label in labels if labels.count(label) > 1), None)
            if twice is not None:
                raise InputError(f'Two {kind} are called {twice!r}; tell them apart with name = "...".')
        return self

    @model_validator(mode="after")
    def _known(self) -> Experiment:
        for engine in self.engine:
            if engine.python is None:  # packages of another interpreter may bring engines of their own
                CATALOG.find(parse_spec(engine.spec).kind)
        return self


class BenchRunConfig(Config):
    """An experiment, where its results go, and how patient to be."""

    experiment: Path = Field(description="The experiment: a TOML file.")
    output: Path = Field(description="Folder of results; what is there already is kept and not measured again.")
    allow_load: float = runtime_field(3.0, "Refuse to measure when the machine's load is above this.", ge=0)
    wait_for_quiet: float = runtime_field(0.0, "Wait up to so many seconds for the load to fall.", ge=0)
    retry_failed: bool = runtime_field(False, "Try again what failed before.")


def read_experiment(path: Path) -> Experiment:
    """Read and check an experiment before anything runs.

    Raises:
        InputError: no such file, an unknown key, or a value that is not allowed.
        FormatError: the file is no TOML.
    """
    content = read_toml(path, "an experiment")
    try:
        return make_config(Experiment, content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def settings_of(engine: EngineConfig, ladder: dict[str, tuple[float, ...]]) -> tuple[Setting, ...]:
    """Return the search settings to try: the sweep, else the engine's ladder, else its defaults alone.

    Raises:
        InputError: the sweep names a parameter that the ladder does not have.
    """
    unknown = set(engine.sweep or ()) - set(ladder)
    if unknown:
        known = ", ".join(ladder) or "none"
        raise InputError(f"{engine.label} has no search parameter {min(unknown)!r} to sweep; it has: {known}.")
    axes = ladder if engine.sweep is None else engine.sweep
    return tuple(dict(zip(axes, values, strict=True)) for values in product(*axes.values()))
