"""What became of each file, beside the files: a line of JSON for each try, of which the last counts."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from goldpan.stages.acquire.bulk.wanted import Wanted

LEDGER = "files.jsonl"


class Ledger:
    """The lines of ``files.jsonl`` in a folder.

    A line tells name, URL, what was expected, and either `size` and `changed` (the file's time, in nanoseconds) or the
    `reason` and `detail` of the failure.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / LEDGER
        self._lock = threading.Lock()
        self._last: dict[str, dict[str, Any]] = {}
        if self._path.is_file():
            for line in self._path.read_text("utf-8", "replace").splitlines():
                self._read(line)

    def has(self, file: Wanted) -> bool:
        """Return whether a file was checked, against the same sums, and was not touched since."""
        known = self._last.get(file.name, {})
        try:
            status = (self._folder / file.name).stat()
        except OSError:
            return False
        same = (known.get("size"), known.get("changed")) == (status.st_size, status.st_mtime_ns)
        return same and known.get("expected") == _said(file)

    def brought(self, file: Wanted) -> None:
        """Write that a file is there, and was checked."""
        status = (self._folder / file.name).stat()
        self._write(file, {"size": status.st_size, "changed": status.st_mtime_ns})

    def missed(self, file: Wanted, reason: str, detail: str) -> None:
        """Write why a file is not there."""
        self._write(file, {"reason": reason, "detail": detail})

    def _write(self, file: Wanted, outcome: dict[str, Any]) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        entry = {"name": file.name, "url": file.url, "expected": _said(file), **outcome, "at": now}
        with self._lock, self._path.open("ab") as stream:
            # A line that a kill cut short must not take the next one with it.
            start = b"\n" if stream.tell() and not self._ends_well() else b""
            stream.write(start + json.dumps(entry).encode() + b"\n")
            self._last[file.name] = entry

    def _ends_well(self) -> bool:
        with self._path.open("rb") as stream:
            stream.seek(-1, 2)
            return stream.read(1) == b"\n"

    def _read(self, line: str) -> None:
        try:
            entry = json.loads(line)
            self._last[entry["name"]] = entry
        except (ValueError, KeyError, TypeError):
            pass  # cut short by a kill: the file is looked at again


def _said(file: Wanted) -> dict[str, Any]:
    """Return what was expected of a file, as JSON values."""
    sizes, md5, sha256 = file.expected
    said = {"sizes": list(sizes) if sizes else None, "md5": md5, "sha256": sha256}
    return {name: value for name, value in said.items() if value is not None}
