"""Make rows like those of LAION at any scale, in the folders of clip-retrieval; shards that are there stay.

::

    folder/metadata/metadata_0000.parquet   SAMPLE_ID, URL, TEXT, HEIGHT, WIDTH, LICENSE, NSFW, similarity
           img_emb/img_emb_0000.npy         (n, dim) float16, of length 1; text_emb/ likewise
           laion_like.json                  what they were made with
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field

from goldpan.compute.executor import LocalExecutor
from goldpan.core.config import Config, runtime_field
from goldpan.core.errors import InputError
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Report
from goldpan.formats.alone import alone_in
from goldpan.formats.atomic import forget_halves, replace_file
from goldpan.formats.caption_column import captions_of
from goldpan.formats.json_text import read_json
from goldpan.formats.metadata import find_column, metadata_files, read_batches
from goldpan.formats.npy import open_npy, write_npy
from goldpan.formats.parquet import TableFile
from goldpan.formats.protocol import Address, VectorShape
from goldpan.search.generators.laion import BLOCK_ROWS, LaionLike
from goldpan.stages.stage import make_config

_RECORD = "laion_like.json"
_LEARN_ROWS = 100_000
_GROUP_ROWS = 100_000
_KINDS = {"none": (), "image": ("img_emb",), "text": ("text_emb",), "both": ("img_emb", "text_emb")}


class LaionLikeConfig(Config):
    """How many rows, like which captions, and where they go."""

    captions: Path = Field(description="Metadata with real captions and URLs to be like; 100,000 rows are read.")
    output: Path = Field(description="The folder to make, or to go on with.")
    rows: int = Field(1_000_000, description="Rows in all.", ge=1)
    vectors: Literal["none", "image", "text", "both"] = Field("image", description="Vectors of what are made.")
    dim: int = Field(256, description="Values a vector.", ge=2)
    seed: int = Field(1234, description="Of everything; the same rows come first however many there are.", ge=0)
    shard_rows: int = Field(
        1_000_000, description=f"Rows a file, a multiple of {BLOCK_ROWS:,}.", ge=1, multiple_of=BLOCK_ROWS
    )
    workers: int | None = runtime_field(None, "Blocks made at once; the processors by default.", ge=1)


def run(config: LaionLikeConfig, progress: Progress | None = None) -> Report:
    """Make rows like those of LAION: metadata and clustered vectors in clip-retrieval's folders, shard by shard.

    Raises:
        InputError: there are no captions, or the folder was made with other settings.
        FormatError: the file of captions is not what its name says.
    """
    started = time.perf_counter()
    progress = progress or Silent()
    captions, urls = _learned(config.captions)
    model = LaionLike(captions, urls, config.seed)
    shards = list(_shards(config))
    with alone_in(config.output):
        _check_record(config, hashlib.sha256(json.dumps([captions, urls]).encode()).hexdigest())
        missing = [shard for shard in shards if not shard.is_done(config)]
        known = config.rows - sum(shard.n for shard in missing)
        progress.start("rows", config.rows)
        progress.advance(known)
        for shard in missing:
            _make(shard, config, model, LocalExecutor(config.workers))
            progress.advance(shard.n)
        progress.finish()
    return Report(
        "bench laion-like",
        rows_in=config.rows,
        rows_out=config.rows,
        already_done=known,
        seconds=time.perf_counter() - started,
        outputs={str(config.output): f"{len(shards)} shards of {', '.join(['metadata', *_KINDS[config.vectors]])}"},
        details={"topics": len(model.topics), "dim": config.dim, "seed": config.seed},
        next_steps=[f"goldpan retrieve substring --metadata {config.output}/metadata --classes CLASSES -o FOUND"],
    )


def bench_laion_like(**fields: Any) -> Report:
    """Make rows like those of LAION; the fields are those of `LaionLikeConfig`.

    Example:
        ``goldpan.bench_laion_like(captions="captions.parquet", rows=1_000_000, output="pool")``
    """
    return run(make_config(LaionLikeConfig, fields))


class _Shard(NamedTuple):
    number: int
    n: int

    def path(self, config: LaionLikeConfig, kind: str) -> Path:
        return config.output / kind / f"{kind}_{self.number:04d}{'.parquet' if kind == 'metadata' else '.npy'}"

    def is_done(self, config: LaionLikeConfig) -> bool:
        """Whether all files are there with as many rows as they should have."""
        metadata = self.path(config, "metadata")
        if not metadata.is_file() or pq.read_metadata(metadata).num_rows != self.n:
            return False
        vectors = [self.path(config, kind) for kind in _KINDS[config.vectors]]
        return all(path.is_file() and open_npy(Address(path)).n == self.n for path in vectors)


def _learned(path: Path) -> tuple[list[str], list[str]]:
    """Return real captions and URLs."""
    captions: list[str] = []
    urls: list[str] = []
    for file in metadata_files([path]):
        for batch, _ in read_batches(file):
            if len(captions) >= _LEARN_ROWS:
                return captions, urls
            captions += [text or "" for text in captions_of(batch, None, file).to_pylist()]
            address = find_column(None, ("url",), batch.schema.names, file, "")
            urls += [url or "" for url in batch.column(address).to_pylist()] if address else []
    return captions, urls


def _check_record(config: LaionLikeConfig, learned: str) -> None:
    """Write what the rows are made with; refuse a folder that was made with something else."""
    told = {"seed": config.seed, "dim": config.dim, "shard_rows": config.shard_rows, "captions_sha256": learned}
    path = config.output / _RECORD
    if path.is_file():
        for name, value in read_json(path, "the settings of rows").items():
            if told.get(name) != value:
                raise InputError(f"{config.output} was made with {name} {value}, not {told.get(name)}; name another.")
        return
    with replace_file(path) as temporary:
        temporary.write_text(json.dumps(told, indent=2) + "\n")


def _shards(config: LaionLikeConfig) -> Iterator[_Shard]:
    for number, start in enumerate(range(0, config.rows, config.shard_rows)):
        yield _Shard(number, min(config.shard_rows, config.rows - start))


def _make(shard: _Shard, config: LaionLikeConfig, model: LaionLike, executor: LocalExecutor) -> None:
    """Write the files of a shard, each whole or not at all."""
    for kind in ("metadata", *_KINDS[config.vectors]):
        forget_halves(config.output / kind, shard.path(config, kind).name)
    first = shard.number * config.shard_rows // BLOCK_ROWS
    sizes = [min(BLOCK_ROWS, shard.n - start) for start in range(0, shard.n, BLOCK_ROWS)]
    topics: list[NDArray[np.int64]] = []
    with replace_file(shard.path(config, "metadata")) as temporary:
        table = TableFile(temporary, _GROUP_ROWS)
        for n, block in zip(sizes, executor.map(model.block, range(first, first + len(sizes))), strict=True):
            table.append(pa.Table.from_batches([block.metadata.slice(0, n)]))
            topics.append(block.topics)
        table.close()

    def drawn(block: int) -> NDArray[np.float16]:
        return model.vectors(first + block, topics[block], kind, config.dim)[: sizes[block]]

    for kind in _KINDS[config.vectors]:
        shape = VectorShape(shard.n, config.dim, np.dtype(np.float16))
        write_npy(Address(shard.path(config, kind)), shape, executor.map(drawn, range(len(sizes))))
