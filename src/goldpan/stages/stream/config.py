"""What can be set when a runbook is played, and when one is made."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from goldpan.core.config import Config
from goldpan.core.errors import InputError


class StreamConfig(Config):
    """Which stream, over which vectors, through which engines."""

    runbook: Path = Field(description="The runbook, a YAML file of big-ann-benchmarks or of `goldpan bench runbook`.")
    dataset: str = Field(
        description="random-xs or A to K, a benchmark (folder or HDF5 file of any layout), or a file of base vectors."
    )
    queries: str | None = Field(None, description="The query vectors, where the dataset is a file of base vectors.")
    metric: str | None = Field(
        None, description="ip, cosine, l2, sqeuclidean or hamming; what the dataset names if unset."
    )
    size: int | None = Field(None, description="Base rows of a dataset A to K.", ge=1)
    entry: str | None = Field(None, description="Which dataset of the runbook; the one of this name, or the only one.")
    order: Path | None = Field(
        None, description="Row numbers (.npy): row i of the stream; RUNBOOK.order.npy where it lies beside the runbook."
    )
    engine: tuple[str, ...] = Field((), description="An engine, such as hnswlib or faiss:IVF64,Flat; may be repeated.")
    answers: tuple[Path, ...] = Field(
        (), description="Answers that were recorded (.hdf5 of big-ann's streaming track): scored, not played."
    )
    output: Path = Field(Path("stream-results"), description="Folder of the results; a second run goes on in it.")
    k: int = Field(10, description="Neighbors a query.", ge=1, le=1000)
    truth: Path | None = Field(None, description="Folder with step<N>.gt100 files; computed into the output if unset.")
    truth_k: int = Field(100, description="Neighbors a query in a truth that is computed.", ge=1)
    batch: int = Field(1000, description="Points that one call inserts or deletes.", ge=1)
    consolidate_every: int = Field(5, description="Delete or replace steps between consolidations; 0 for none.", ge=0)
    rebuild: bool = Field(False, description="Build engines that cannot remove, or add, anew for each search.")
    latency_queries: int = Field(100, description="Queries asked one by one at each search, for the latency.", ge=1)
    repeats: int = Field(3, description="How often all queries are asked at each search; the median is the rate.", ge=1)
    probes: int = Field(16, description="Points of each update that are searched for right after it.", ge=0)
    threads: int | None = Field(None, description="Threads of an engine; the processors by default.", ge=1)
    time_limit: float = Field(
        3600, description="Seconds for the whole runbook; an engine that needs more is ended.", gt=0
    )
    memory_limit_mb: int | None = Field(None, description="MiB an engine's process may hold; it is ended beyond.", ge=1)
    seed: int = Field(1234, description="Seed of the engines, and of a dataset A to K.", ge=0, lt=2**32)

    @model_validator(mode="after")
    def _engines_and_depth(self) -> StreamConfig:
        played = (*self.engine, *self.answers)
        if not played or len(set(played)) < len(played):
            raise InputError("Name one engine or more, each once: --engine hnswlib --engine faiss:IVF64,Flat.")
        if self.truth_k < self.k:
            raise InputError(
                f"--truth-k is {self.truth_k}, below --k {self.k}; the truth must be as deep as the answers."
            )
        return self


Kind = Literal["iid", "sliding", "expiration", "clustered", "replace", "class-drift"]


class RunbookConfig(Config):
    """Which stream to make; a setting that a kind does not have is refused."""

    kind: Kind = Field(description="iid, sliding, expiration, clustered, replace or class-drift.")
    output: Path = Field(description="The .yaml to write; the order of the rows goes beside it as .order.npy.")
    n: int | None = Field(None, description="Rows of the base; those of --base or --labels if unset.", ge=2)
    name: str = Field("goldpan", description="Name of the dataset in the runbook.", min_length=1)
    base: str | None = Field(None, description="Base vectors to cluster: a file, or random-xs (clustered, replace).")
    metric: str | None = Field(None, description="hamming where the base is packed bits and its file does not say so.")
    labels: str | None = Field(None, description="Class of each row: .txt, .npy or .parquet:COLUMN (class-drift).")
    seed: int | None = Field(None, description="Seed of all that is drawn.", ge=0, lt=2**32)
    rounds: int | None = Field(None, description="iid: 30 rounds; clustered: 5.", ge=1)
    initial: float | None = Field(None, description="iid, class-drift: share live at first, .7.", gt=0, lt=1)
    share: float | None = Field(None, description="iid, class-drift: share that one round inserts, .01.", gt=0, lt=1)
    consolidate_every: int | None = Field(
        None,
        description="iid, class-drift: rounds between the extra searches after consolidation, 5; 0 for none.",
        ge=0,
    )
    batches: int | None = Field(None, description="sliding: 200 batches; expiration: 400.", ge=2)
    lifetimes: tuple[int, ...] | None = Field(None, description="expiration: 0 200 50 batches, 0 is forever.")
    ratios: tuple[float, ...] | None = Field(None, description="expiration: how often each lifetime is drawn, 1 4 14.")
    clusters: int | None = Field(None, description="clustered: 64 clusters of k-means; replace: 32.", ge=1)
    source: Literal["same", "random"] | None = Field(
        None, description="replace: new rows from the same cluster, or from one drawn at random."
    )
