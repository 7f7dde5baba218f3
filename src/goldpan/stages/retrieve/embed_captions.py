"""Embed captions at scale: a part a file of metadata, shared out over jobs, done parts left alone.

::

    folder/text_emb/text_emb_0000.npy      (n, d) float16, of length 1 where the encoder makes them so
           metadata/metadata_0000.parquet  the rows of the file, in the same order

The layout is that of clip-retrieval and embedding-reader; `goldpan index build` and `bench tune` read it. The numbers
are those of the files sorted, whatever the number of jobs, so that jobs may come and go.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Report
from goldpan.encoders.loading import load_encoder
from goldpan.encoders.protocol import Encoder
from goldpan.formats.caption_column import caption_column
from goldpan.formats.metadata import metadata_files, open_metadata
from goldpan.formats.npy import open_npy, write_npy
from goldpan.formats.parquet import TableFile
from goldpan.formats.protocol import Address, VectorShape
from goldpan.stages.retrieve.config import EmbedCaptionsConfig
from goldpan.stages.stage import make_config

_GROUP_ROWS = 1 << 16


class Part(NamedTuple):
    """One file of captions, and the two it becomes."""

    source: Path
    vectors: Path
    metadata: Path

    def rows(self) -> int | None:
        """Return how many rows were written; None where one of the two is not there, or they do not match."""
        if not (self.vectors.is_file() and self.metadata.is_file()):
            return None
        rows = int(open_npy(Address(self.vectors)).n)
        return rows if pq.read_metadata(self.metadata).num_rows == rows else None


def run(config: EmbedCaptionsConfig, progress: Progress | None = None) -> Report:
    """Turn captions into vectors, file by file, in the folder layout of clip-retrieval; done files are left alone.

    Raises:
        InputError: the encoder takes no texts, or a file has no captions.
        FormatError: a file is not what its name says.
    """
    started = time.perf_counter()
    parts = _parts(config)[config.job_index :: config.total_jobs]
    known = {part: rows for part in parts if (rows := part.rows()) is not None}
    missing = [part for part in parts if part not in known]
    done = sum(known.values())
    progress = progress or Silent()
    if missing:
        encoder = load_encoder(config.encoder, config)
        progress.start("captions")
        for part in missing:
            done += _embed(config, encoder, part, progress)
        progress.finish()
    return Report(
        "retrieve embed",
        rows_in=done,
        rows_out=done,
        already_done=sum(known.values()),
        seconds=time.perf_counter() - started,
        outputs={str(config.folder): f"{len(parts)} parts of text_emb and metadata"},
        next_steps=[f"goldpan index build {config.folder} --metric ip -o INDEX"],
    )


def embed_captions(**fields: Any) -> Report:
    """Embed captions; the fields are those of `EmbedCaptionsConfig`.

    Example:
        ``goldpan.embed_captions(metadata=["shards"], encoder="clip:ViT-L-14/openai", folder="texts")``
    """
    return run(make_config(EmbedCaptionsConfig, fields))


def _parts(config: EmbedCaptionsConfig) -> list[Part]:
    files = metadata_files(config.metadata)
    digits = max(4, len(str(len(files) - 1)))
    vectors, metadata = config.folder / "text_emb", config.folder / "metadata"
    return [
        Part(file, vectors / f"text_emb_{number:0{digits}d}.npy", metadata / f"metadata_{number:0{digits}d}.parquet")
        for number, file in enumerate(files)
    ]


def _embed(config: EmbedCaptionsConfig, encoder: Encoder, part: Part, progress: Progress) -> int:
    """Write one part; the vectors last, so that a part that has both is whole."""
    part.vectors.unlink(missing_ok=True)
    for folder in (part.vectors.parent, part.metadata.parent):
        folder.mkdir(parents=True, exist_ok=True)
    table = TableFile(part.metadata, _GROUP_ROWS)

    def blocks() -> Iterator[NDArray[Any]]:
        for batch in open_metadata(part.source).batches:
            texts = batch.column(caption_column(batch.schema, config.column, part.source)).to_pylist()
            step = config.batch_size or encoder.batch_size
            for start in range(0, len(texts), step):
                some = [text or "" for text in texts[start : start + step]]
                yield np.asarray(encoder.encode_text(some), config.dtype)
                progress.advance(len(some))
            table.append(pa.Table.from_batches([batch]))
        table.close()

    return write_npy(Address(part.vectors), VectorShape(None, encoder.dim, np.dtype(config.dtype)), blocks())
