"""An index folder of ours: what lies in it, and what ties the index to its metadata.

::

    index/
      goldpan.json          engine, dim, metric, rows, next_row, search parameters, source, fingerprint
      ids.npy, index.* ...  the engine's own
      metadata.parquet      row, and whatever the source says of it, where it says anything
      index_infos.json      the same facts under the names that autofaiss gives them
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from goldpan.core.errors import FormatError, InputError
from goldpan.formats.sums import sha256_file

RECORD = "goldpan.json"
METADATA = "metadata.parquet"
ROW = "row"
_IDS = "ids.npy"


def read_record(path: Path) -> dict[str, Any] | None:
    """Return the record of an index folder; None where there is no index."""
    try:
        record = json.loads((path / RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and "engine" in record else None


def checked_record(path: Path) -> dict[str, Any]:
    """Return the record of an index folder whose ids and metadata are those it was written with.

    Raises:
        InputError: there is no index.
        FormatError: they are others.
    """
    record = read_record(path)
    if record is None:
        raise InputError(f"{path} is no index; type: goldpan index build VECTORS -o {path}")
    if fingerprint(path) != record.get("fingerprint"):
        raise FormatError(path, f"{_IDS} and {METADATA} are not those this index was written with; build it again.")
    return record


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of the sums of ids and metadata."""
    names = [name for name in (_IDS, METADATA) if (path / name).is_file()]
    lines = "".join(f"{sha256_file(path / name)}  {name}\n" for name in names)
    return hashlib.sha256(lines.encode()).hexdigest()
