"""`goldpan acquire laion`: shards of embeddings and metadata, and indexes, as clip-retrieval and goldpan read them.

::

    output/img_emb/img_emb_0000.npy ...          text_emb/text_emb_0000.npy ...
    output/metadata/metadata_0000.parquet ...    or 0.arrow ..., a row a vector
    output/image.index                           one file, or a folder of several; likewise text.index
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from goldpan.core.errors import FormatError, InputError
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Report
from goldpan.formats.laion import KEYS, LaionReader
from goldpan.formats.protocol import Address
from goldpan.stages.acquire.bulk.config import LaionConfig
from goldpan.stages.acquire.bulk.run import bring
from goldpan.stages.acquire.bulk.sources import find
from goldpan.stages.acquire.bulk.templates import file_name, parse_parts
from goldpan.stages.acquire.bulk.wanted import Expected, Wanted
from goldpan.stages.stage import make_config

_SHARDS = {"img_emb": (".npy",), "text_emb": (".npy",), "metadata": (".parquet", ".arrow")}
_INDEXES = ("image_index", "text_index")


def run_laion(config: LaionConfig, progress: Progress | None = None) -> Report:
    """Bring shards of embeddings and metadata, and indexes, into one folder that clip-retrieval and goldpan read.

    Raises:
        InputError: nothing is named, an address is none or names nothing, or the disk has not the room.
        RemoteError: a bucket cannot be asked.
        FormatError: the manifest is none.
    """
    parts = parse_parts(config.parts) if config.parts else []
    wanted: list[Wanted] = []
    for kind, suffixes in _SHARDS.items():
        wanted += _shards(kind, suffixes, find(getattr(config, kind), parts))
    for field in _INDEXES:
        wanted += _index(field.replace("_", "."), find(getattr(config, field), parts))
    if not wanted:
        raise InputError("Nothing is named; add --img-emb, --text-emb, --metadata, --image-index or --text-index URL.")
    report = bring("acquire laion", wanted, config, progress or Silent())
    if not report.failures:
        report.outputs |= _readable(config.output)
    return report


def acquire_laion(**fields: Any) -> Report:
    """Bring embeddings, metadata and indexes; the fields are those of `LaionConfig`.

    Example:
        ``goldpan.acquire_laion(img_emb=["https://example.org/img_emb/img_emb_{0000..0009}.npy"], output="laion")``
    """
    return run_laion(make_config(LaionConfig, fields))


def _shards(kind: str, suffixes: tuple[str, ...], found: dict[str, Expected]) -> list[Wanted]:
    """Name shards as readers look for them: as they are called where that is so, else by their order."""
    names = [file_name(url) for url in found]
    for name in names:
        if not name.endswith(suffixes):
            raise InputError(f"--{kind.replace('_', '-')} takes files that end in {' or '.join(suffixes)}, not {name}.")
    usual = re.compile(rf"{kind}_\d+\.(npy|parquet)|.*\.arrow")
    if not all(map(usual.fullmatch, names)) or len(set(names)) < len(names):
        width = len(str(len(names) - 1))
        names = [f"{kind}_{n:0{width}d}{Path(name).suffix}" for n, name in enumerate(names)]
    return [Wanted(f"{kind}/{name}", *known) for name, known in zip(names, found.items(), strict=True)]


def _index(name: str, found: dict[str, Expected]) -> list[Wanted]:
    """Name the one file of an index for what it is, several as they are called, in a folder of that name."""
    alone = len(found) == 1
    return [Wanted(name if alone else f"{name}/{file_name(url)}", url, expected) for url, expected in found.items()]


def _readable(folder: Path) -> dict[str, str]:
    """Return what the folder holds, or why that cannot be read, after all of its headers were looked at."""
    found = {}
    for key in KEYS:
        if (folder / key).is_dir():
            try:
                reader = LaionReader(Address(folder, key))
                beside = f", metadata {', '.join(reader.columns)}" if reader.columns else ""
                found[f"{folder}:{key}"] = f"{reader.n:,} x {reader.dim} {reader.dtype}{beside}"
            except FormatError as error:  # parts are missing yet, or do not fit each other
                found[f"{folder}:{key}"] = f"cannot be read as they are: {error}"
    return found
