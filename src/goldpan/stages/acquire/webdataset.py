"""Tar shards in the WebDataset layout: files that share a name up to the first dot are one sample.

An uncompressed shard is referenced (offset and size of each image), a compressed one is copied.
"""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from goldpan.compute.executor import Executor
from goldpan.core.errors import FormatError, InputError, Reason
from goldpan.core.progress import Progress
from goldpan.core.records import Report
from goldpan.stages.acquire.config import WebDatasetConfig
from goldpan.stages.acquire.folder import IMAGE_SUFFIXES
from goldpan.stages.acquire.intake import Candidate, Member, absolute, admit, readable, split_fields
from goldpan.stages.stage import Stage
from goldpan.store.blobs import slice_uri
from goldpan.store.failures import Failure
from goldpan.store.workspace import Workspace

_TEXT_LIMIT = 1 << 20
_SHARDS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def run(ws: Workspace, config: WebDatasetConfig, executor: Executor, progress: Progress) -> Report:
    """Take the images of tar shards; .txt is the caption, .cls the label, .json more columns."""
    shards = _shards(config.shards)

    def candidates() -> Iterator[Candidate]:
        for shard in shards:
            try:
                yield from read_shard(shard, config.id_prefix)
            except FormatError as error:  # the other shards are still good
                key = f"{config.id_prefix}{shard.name}"
                yield Candidate("", (Member(key, problem=Failure(key, Reason.TRUNCATED, str(error))),))

    parent = os.path.commonpath([shard.absolute().parent for shard in shards])
    return admit(ws, config, f"webdataset:{parent}", candidates(), executor, progress)


def _shards(paths: list[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(file for file in path.iterdir() if file.name.lower().endswith(_SHARDS))
        elif path.is_file():
            found.append(path)
        else:
            raise InputError(f"{path} is neither a tar shard nor a folder of them.")
    if not found:
        raise InputError(f"No .tar shards in {', '.join(map(str, paths))}.")
    return found


def read_shard(shard: Path, id_prefix: str = "") -> Iterator[Candidate]:
    """Yield the images of one shard, each with the texts of its sample.

    Raises:
        FormatError: the file is no tar, or ends early.
    """
    try:
        with tarfile.open(shard) as tar:
            plain = tar.fileobj is not None and type(tar.fileobj).__name__ == "BufferedReader"
            sample: list[tarfile.TarInfo] = []
            for info in tar:
                if not info.isfile():
                    continue
                if sample and _key(info.name) != _key(sample[0].name):
                    yield from _sample(tar, shard, sample, plain, id_prefix)
                    sample = []
                sample.append(info)
            if sample:
                yield from _sample(tar, shard, sample, plain, id_prefix)
    except (tarfile.TarError, EOFError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FormatError(shard, f"not a readable tar file: {reason}") from error


def _key(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.parent / path.name.split(".")[0])


def _sample(
    tar: tarfile.TarFile, shard: Path, files: list[tarfile.TarInfo], plain: bool, prefix: str
) -> Iterator[Candidate]:
    images = [info for info in files if PurePosixPath(info.name).suffix.lower() in IMAGE_SUFFIXES]
    columns = _columns(tar, files)
    fields, extra = split_fields(columns)
    for info in images:
        # One image a sample is the rule: then the sample's key is the id, as other readers have it.
        key = readable(_key(info.name) if len(images) == 1 else info.name)
        member = Member(f"{prefix}{key}", fields, extra)
        if plain:
            yield Candidate(slice_uri(Path(absolute(shard)), info.offset_data, info.size), (member,))
        else:
            yield Candidate(f"{absolute(shard)}/{info.name}", (member,), data=_bytes(tar, info))


def _columns(tar: tarfile.TarFile, files: list[tarfile.TarInfo]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    texts = {PurePosixPath(info.name).suffix: info for info in files if info.size <= _TEXT_LIMIT}
    if ".json" in texts:
        try:
            loaded = json.loads(_bytes(tar, texts[".json"]))
        except (ValueError, RecursionError):
            loaded = None
        columns |= loaded if isinstance(loaded, dict) else {}
    for suffix, name in ((".txt", "caption"), (".cls", "label")):
        if suffix in texts:
            columns[name] = _bytes(tar, texts[suffix]).decode("utf-8", "replace").strip()
    columns.pop("id", None)
    return columns


def _bytes(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(info)
    return file.read() if file is not None else b""


STAGE = Stage("acquire webdataset", WebDatasetConfig, reads=(), writes=("images", "blobs", "failures"), run=run)
