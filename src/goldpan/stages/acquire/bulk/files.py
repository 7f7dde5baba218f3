"""`goldpan acquire files`: files of any kind, by their names."""

from __future__ import annotations

from typing import Any

from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Report
from goldpan.stages.acquire.bulk.config import FilesConfig
from goldpan.stages.acquire.bulk.run import bring
from goldpan.stages.acquire.bulk.sources import find
from goldpan.stages.acquire.bulk.templates import file_name, parse_parts
from goldpan.stages.acquire.bulk.wanted import Wanted
from goldpan.stages.stage import make_config


def run_files(config: FilesConfig, progress: Progress | None = None) -> Report:
    """Bring large files into a folder: several at once, on from where they broke off, checked, the same again for free.

    Raises:
        InputError: an address is none or names nothing, two files have one name, or the disk has not the room.
        RemoteError: a bucket cannot be asked.
        FormatError: the manifest is none.
    """
    found = find(config.urls, parse_parts(config.parts) if config.parts else [])
    wanted = [Wanted(file_name(url), url, expected) for url, expected in found.items()]
    return bring("acquire files", wanted, config, progress or Silent())


def acquire_files(**fields: Any) -> Report:
    """Bring large files; the fields are those of `FilesConfig`.

    Example:
        ``goldpan.acquire_files(urls=["https://example.org/part-{00..41}.parquet"], output="parts")``
    """
    return run_files(make_config(FilesConfig, fields))
