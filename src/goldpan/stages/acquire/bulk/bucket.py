"""Files in a bucket, or wherever fsspec leads: ``s3://bucket/laion/metadata_*.parquet``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from goldpan.core.errors import InputError
from goldpan.core.refusals import speaking
from goldpan.core.remote import file_system
from goldpan.stages.acquire.bulk.templates import is_glob
from goldpan.stages.acquire.bulk.wanted import Expected, Sizes

_PIECE = 8 << 20


def list_bucket(url: str) -> dict[str, Expected]:
    """Return the files that an address names, with their sizes; one that is not there, too, unless it is a glob.

    Raises:
        InputError: a glob names nothing.
        RemoteError: the store cannot be asked.
        MissingExtra: the package for this scheme is not installed.
    """
    scheme = url.partition("://")[0]
    files = file_system(scheme)
    with speaking(url):
        if not is_glob(url):
            try:
                return {url: _expected(files.info(url))}
            except FileNotFoundError:
                return {url: Expected()}
        found = files.glob(url, detail=True)
    known = {f"{scheme}://{name}": _expected(found[name]) for name in sorted(found) if found[name]["type"] == "file"}
    if not known:
        raise InputError(f"{url} names no file; look at what is there and name some, such as *.parquet.")
    return known


def _expected(about: dict[str, Any]) -> Expected:
    return Expected(Sizes(about["size"], about["size"]))


def download_bucket(url: str, path: Path, on_bytes: Callable[[int], None]) -> None:
    """Bring a file, on from where it broke off unless it has changed since.

    Raises:
        RemoteError: it could not be brought.
    """
    files = file_system(url.partition("://")[0])
    with speaking(url):
        version = hashlib.sha256(str(files.ukey(url)).encode()).hexdigest()[:8]
        part = path.with_name(f"{path.name}.{version}.part")
        for stale in path.parent.glob(f"{path.name}.????????.part"):
            if stale != part:
                stale.unlink()
        with files.open(url, "rb") as source, part.open("ab") as target:
            source.seek(target.tell())
            on_bytes(target.tell())
            while piece := source.read(_PIECE):
                target.write(piece)
                on_bytes(len(piece))
            target.flush()
            os.fsync(target.fileno())
    part.replace(path)
