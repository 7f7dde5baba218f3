"""Where the images of a shard go: a tar, a folder, one folder a class, or a tar that becomes a Parquet file."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Protocol

from goldpan.formats.img2dataset.journal import Entry, Place
from goldpan.formats.img2dataset.layout import Layout
from goldpan.formats.img2dataset.tar import TarFile

Kind = Literal["webdataset", "parquet", "files", "imagefolder"]
_CLASS_BYTES = 200


class Body(Protocol):
    """Takes the samples of one shard."""

    def append(self, key: str, parts: dict[str, bytes], label: str | None) -> Place:
        """Write a sample, ``{suffix: bytes}`` with the image first; return where the image is."""
        ...

    def sync(self) -> None:
        """Bring all samples to the disk."""

    @property
    def is_dirty(self) -> bool:
        """Tell whether it is time to `write_back`."""
        ...

    def write_back(self) -> None:
        """Bring what there is to the disk, in whatever thread."""

    def finish(self) -> None:
        """End the shard: nothing is appended any more."""

    def close(self) -> None:
        """Let go of open files."""


class Folder:
    """Writes ``SHARD/KEY.SUFFIX``."""

    is_dirty = False

    def __init__(self, layout: Layout, name: str) -> None:
        self._root, self._name = layout.folder, name
        (self._root / name).mkdir(exist_ok=True)

    def append(self, key: str, parts: dict[str, bytes], label: str | None) -> Place:
        """Write the files of a sample."""
        for suffix, data in parts.items():
            (self._root / self._name / f"{key}.{suffix}").write_bytes(data)
        suffix, image = next(iter(parts.items()))
        return Place(f"{self._name}/{key}.{suffix}", None, len(image), None)

    def sync(self) -> None:
        """Bring all files to the disk: one call for thousands of them."""
        os.sync()

    def write_back(self) -> None:
        """Nothing waits here."""

    def finish(self) -> None:
        """Bring the last ones to the disk."""
        self.sync()

    def close(self) -> None:
        """Nothing is open."""


class Classes(Folder):
    """Writes ``CLASS/KEY.SUFFIX``, what ImageFolder readers take, and nothing but the image."""

    def __init__(self, layout: Layout) -> None:
        self._root = layout.folder

    def append(self, key: str, parts: dict[str, bytes], label: str | None) -> Place:
        """Write an image to the folder of its class."""
        self._name = class_folder(label)
        (self._root / self._name).mkdir(exist_ok=True)
        return super().append(key, dict(list(parts.items())[:1]), None)


def class_folder(label: str | None) -> str:
    """Return the name of the folder of a class: one plain, visible name, a different one for every label.

    A label that has other characters than letters, digits, spaces and ``-_.,'()&+``, that begins or ends with a dot or
    a space, or that is long is changed, and marked with the first digits of its SHA-256. No label is "unlabeled".
    """
    if not label:
        return "unlabeled"
    text = unicodedata.normalize("NFC", label)
    plain = re.sub(r"[^\w \-.,'()&+]", "_", text).strip(" .")
    while len(plain.encode()) > _CLASS_BYTES:
        plain = plain[:-1]
    return plain if plain == text else f"{plain}~{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:8]}"


def open_body(kind: Kind, layout: Layout, shard: int, entries: Iterable[Entry]) -> Body:
    """Open the body of a shard, with the samples that `entries` tell of and nothing after them."""
    name = layout.name(shard)
    if kind == "files":
        return Folder(layout, name)
    if kind == "imagefolder":
        return Classes(layout)
    end = max((entry.place.end or 0 for entry in entries if entry.place), default=0)
    return TarFile(tar_path(kind, layout, shard), end, is_read_soon=kind == "parquet")


def tar_path(kind: Kind, layout: Layout, shard: int) -> Path:
    """Return the path of a shard's tar, hidden where it becomes a Parquet file."""
    return layout.folder / f"{'.' if kind == 'parquet' else ''}{layout.name(shard)}.tar"
