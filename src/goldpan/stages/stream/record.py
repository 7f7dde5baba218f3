"""The JSON that a stream leaves behind: written whole, without NaN, and read with a sentence where it is damaged."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from goldpan.core.errors import FormatError
from goldpan.formats.atomic import replace_file


def read_record(path: Path) -> dict[str, Any] | None:
    """Return what a file holds, None where there is none.

    Raises:
        FormatError: it is damaged.
    """
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise FormatError(path, f"it is damaged ({error}); remove it, or name another output folder.") from None
    if not isinstance(found, dict):
        raise FormatError(path, "it is no record of a stream; name another output folder.")
    return found


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write a record; NaN and infinity, which JSON does not have, are null."""
    with replace_file(path) as temporary:
        temporary.write_text(json.dumps(_plain(record), indent=1, allow_nan=False) + "\n", "utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
