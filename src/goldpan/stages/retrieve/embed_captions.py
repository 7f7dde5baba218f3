"""Embed captions at scale: a part a file of metadata, shared out over jobs, done parts left alone.

::

    folder/text_emb/text_emb_0000.npy      (n, d) float16, of length 1 where the encoder makes them so
           metadata/metadata_0000.parquet  the rows of the file, in the same order
           stats/0000.json                 what was embedded and how long it took; where it stands, the part is whole

The layout is that of clip-retrieval and embedding-reader; `goldpan index build` and `bench tune` read it. The numbers
are those of the files in their order, whatever the number of jobs, so that jobs may come and go.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from goldpan.core.errors import InputError, Reason
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Report
from goldpan.encoders.loading import load_encoder
from goldpan.encoders.protocol import Encoder
from goldpan.formats.alone import alone_at
from goldpan.formats.atomic import forget_halves, replace_file
from goldpan.formats.caption_column import captions_of
from goldpan.formats.metadata import metadata_files, state_of, steady_batches
from goldpan.formats.npy import write_npy
from goldpan.formats.parquet import TableFile
from goldpan.formats.protocol import Address, VectorShape
from goldpan.stages.retrieve.config import EmbedCaptionsConfig
from goldpan.stages.stage import make_config

_GROUP_ROWS = 1 << 16


def run(config: EmbedCaptionsConfig, progress: Progress | None = None) -> Report:
    """Turn captions into vectors, file by file, in the folder layout of clip-retrieval; done files are left alone.

    Raises:
        InputError: the encoder takes no texts, a file has no captions, or the folder holds vectors of other settings.
        FormatError: a file is not what its name says.
    """
    started = time.perf_counter()
    settings = config.deciding(but=("metadata", "folder"))
    parts = _parts(config)[config.job_index :: config.total_jobs]
    done = {part: told for part in parts if (told := part.done(settings)) is not None}
    known = sum(told["sample_count"] for told in done.values())
    progress = progress or Silent()
    if len(done) < len(parts):
        encoder = load_encoder(config.encoder, config)
        progress.start("captions")
        for part in parts:
            if part not in done:
                with alone_at(part.stats):
                    done[part] = part.done(settings) or _embed(config, encoder, part, progress, settings)
        progress.finish()
    rows = sum(told["sample_count"] for told in done.values())
    unreadable = sum(told["unreadable"] for told in done.values())
    return Report(
        "retrieve embed",
        rows_in=rows + unreadable,
        rows_out=rows,
        already_done=known,
        failures={Reason.BAD_ROW.value: unreadable} if unreadable else {},
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


class Part(NamedTuple):
    """One file of captions, and the three it becomes."""

    source: Path
    vectors: Path
    metadata: Path
    stats: Path

    def done(self, settings: dict[str, Any]) -> dict[str, Any] | None:
        """Return the statistics of a part that is whole; None where it is not, or its source has changed.

        Raises:
            InputError: it was made with other settings.
        """
        if not (self.stats.is_file() and self.vectors.is_file() and self.metadata.is_file()):
            return None
        told: dict[str, Any] = json.loads(self.stats.read_text())
        if told["settings"] != settings:
            other = next(name for name in settings if told["settings"].get(name) != settings[name])
            raise InputError(
                f"{self.vectors} was made with {other} = {told['settings'].get(other)}, not {settings[other]}; "
                "give this one a folder of its own."
            )
        return told if told["source"] == state_of(self.source) else None


def _parts(config: EmbedCaptionsConfig) -> list[Part]:
    files = metadata_files(config.metadata)
    digits = max(4, len(str(len(files) - 1)))
    names = (f"{number:0{digits}d}" for number in range(len(files)))
    return [
        Part(
            file,
            config.folder / "text_emb" / f"text_emb_{name}.npy",
            config.folder / "metadata" / f"metadata_{name}.parquet",
            config.folder / "stats" / f"{name}.json",
        )
        for file, name in zip(files, names, strict=True)
    ]


def _embed(
    config: EmbedCaptionsConfig, encoder: Encoder, part: Part, progress: Progress, settings: dict[str, Any]
) -> dict[str, Any]:
    """Write one part; return its statistics, under the names of clip-retrieval."""
    part.stats.unlink(missing_ok=True)
    part.vectors.parent.mkdir(parents=True, exist_ok=True)
    for path in (part.vectors, part.metadata):
        forget_halves(path.parent, path.name)
    start, state, unreadable = time.time(), state_of(part.source), 0
    step = config.batch_size or encoder.batch_size

    def blocks() -> Iterator[NDArray[Any]]:
        nonlocal unreadable
        for rows, problems in steady_batches(part.source):
            unreadable += len(problems)
            progress.advance(len(problems), len(problems))
            texts = captions_of(rows, config.column, part.source).to_pylist()
            for first in range(0, len(texts), step):
                some = [text or "" for text in texts[first : first + step]]
                yield np.asarray(encoder.encode_text(some), config.dtype)
                progress.advance(len(some))
            table.append(pa.Table.from_batches([rows]))

    with replace_file(part.metadata) as temporary:
        table = TableFile(temporary, _GROUP_ROWS)
        shape = VectorShape(None, encoder.dim, np.dtype(config.dtype))
        count = write_npy(Address(part.vectors), shape, blocks())
        table.close()
    end = time.time()
    told: dict[str, Any] = {"start_time": start, "end_time": end, "total_duration": end - start, "sample_count": count}
    told |= {"unreadable": unreadable, "source": state, "settings": settings}
    with replace_file(part.stats) as temporary:
        temporary.write_text(json.dumps(told, indent=2) + "\n")
    return told
