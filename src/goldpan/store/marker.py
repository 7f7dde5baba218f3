"""The file that makes a folder, or a prefix of a bucket, a workspace: its layout, and where its journal is."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from goldpan import __version__
from goldpan.core.errors import WorkspaceError
from goldpan.core.place import RemotePath

MARKER = "goldpan.json"
_LAYOUT = 1


def read_marker(path: Path) -> dict[str, Any]:
    """Return what the marker of a workspace says.

    Raises:
        WorkspaceError: there is none, or it is of another layout than this goldpan reads.
        RemoteError: its bucket cannot be read.
    """
    try:
        marker = json.loads((path / MARKER).read_text("utf-8"))
        layout = marker.get("layout")
    except (FileNotFoundError, NotADirectoryError):
        raise WorkspaceError(f"{path} is not a goldpan workspace; type: goldpan init {path}") from None
    except (ValueError, AttributeError) as error:
        raise WorkspaceError(f"{path / MARKER} is damaged; it is no JSON that goldpan wrote.") from error
    if layout != _LAYOUT:
        raise WorkspaceError(
            f"{path} has layout {layout}, this goldpan {__version__} reads {_LAYOUT}; install the goldpan that made it."
        )
    found: dict[str, Any] = marker
    return found


def create_marker(path: Path) -> None:
    """Make a workspace where there is none yet.

    Raises:
        WorkspaceError: something else is there, or nothing can be written there.
        RemoteError: its bucket cannot be written.
    """
    if (path / MARKER).is_file():
        return
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise WorkspaceError(f"{path} exists and is not a goldpan workspace; name a new or empty folder.")
    write_marker(path, {"layout": _LAYOUT, "goldpan": __version__, "created_at": datetime.now(UTC).isoformat()})


def write_marker(path: Path, marker: dict[str, Any]) -> None:
    """Write the marker; a reader sees the old one or the new one."""
    text = json.dumps(marker) + "\n"
    if isinstance(path, RemotePath):
        (path / MARKER).write_bytes(text.encode())
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
        fresh = path / f".{MARKER}.{os.getpid()}"
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path / MARKER)
    except OSError as error:
        raise WorkspaceError(f"{path} cannot be made a workspace: {error.strerror}.") from error
