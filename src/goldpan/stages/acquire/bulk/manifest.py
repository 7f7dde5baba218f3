"""What is said of files beforehand: lists of md5sum and sha256sum, or JSON with sizes and sums."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from goldpan.core.errors import FormatError, InputError
from goldpan.formats.sums import read_sums
from goldpan.stages.acquire.bulk.wanted import Expected, Sizes, Wanted

_DIGITS = {"md5": 32, "sha256": 64}


def read_manifest(path: Path) -> dict[str, Expected]:
    """Return what a manifest says of each file, by name.

    Text has lines of `md5sum` or `sha256sum`. JSON is an object of names, ``{"a.npy": {"size": 9, "md5": "..."}}``, or
    a list of objects with `name`.

    Raises:
        InputError: there is no such file.
        FormatError: it is neither.
    """
    if not path.is_file():
        raise InputError(f"There is no manifest {path}.")
    try:
        entries = json.loads(path.read_bytes())
    except ValueError:
        return {name: _of_sum(digest) for name, digest in read_sums(path, digits=_DIGITS.values()).items()}
    listed = (
        entries.items()
        if isinstance(entries, dict)
        else [(_name(path, entry), entry) for entry in _list(path, entries)]
    )
    return {name: _entry(path, name, entry) for name, entry in listed}


def expecting(wanted: Iterable[Wanted], manifest: dict[str, Expected]) -> list[Wanted]:
    """Return the files with what a manifest says of them, by their whole name or the last part of it."""
    last: dict[str, list[Expected]] = {}
    for name, expected in manifest.items():
        last.setdefault(name.rpartition("/")[2], []).append(expected)
    known = {name: found[0] for name, found in last.items() if len(found) == 1} | manifest
    found = []
    for file in wanted:
        expected = known.get(file.name) or known.get(file.name.rpartition("/")[2]) or Expected()
        found.append(file._replace(expected=expected.over(file.expected)))
    return found


def _of_sum(digest: str) -> Expected:
    return Expected(md5=digest) if len(digest) == _DIGITS["md5"] else Expected(sha256=digest)


def _list(path: Path, entries: Any) -> list[Any]:
    if not isinstance(entries, list):
        raise FormatError(path, "a manifest is an object of names or a list of objects.")
    return entries


def _name(path: Path, entry: Any) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str):
        raise FormatError(path, f'{json.dumps(entry)[:80]} has no "name".')
    return name


def _entry(path: Path, name: str, entry: Any) -> Expected:
    """Return what a JSON object says of a file."""
    said = entry if isinstance(entry, dict) else {}
    size = said.get("size")
    digests = {kind: str(said[kind]).lower() if said.get(kind) is not None else None for kind in _DIGITS}
    for kind, digest in digests.items():
        if digest is not None and not (len(digest) == _DIGITS[kind] and set(digest) <= set("0123456789abcdef")):
            raise FormatError(path, f"{name}: {digest!r} is no {kind}.")
    if size is not None and not (isinstance(size, int) and size >= 0):
        raise FormatError(path, f"{name}: {size!r} is no number of bytes.")
    if size is None and not any(digests.values()):
        raise FormatError(path, f"{name}: nothing is said of it; give size, md5 or sha256.")
    return Expected(None if size is None else Sizes(size, size), **digests)
