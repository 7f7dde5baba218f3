"""The facts about an index under the names that autofaiss gives them, for tools that read its ``index_infos.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

INFOS = "index_infos.json"


def infos(record: dict[str, Any], path: Path, size: int) -> dict[str, Any]:
    """Return them; what was not measured is left out.

    Args:
        record: of the index folder.
        path: where the folder will be.
        size: bytes of all its files.
    """
    measured = record.get("measured") or {}
    raw = record["rows"] * record["dim"] * (1 if record["metric"] == "hamming" else 4)
    found = {
        "index_key": record["engine"].partition("@")[0].removeprefix("faiss:"),
        "index_param": ",".join(f"{name}={value:g}" for name, value in record["parameters"].items()),
        "index_path": str(path),
        "size in bytes": size,
        "avg_search_speed_ms": measured.get("mean_ms"),
        "99p_search_speed_ms": measured.get("p99_ms"),
        "nb vectors": record["rows"],
        "vectors dimension": record["dim"],
        "compression ratio": round(raw / size, 4) if size else None,
    }
    return {name: value for name, value in found.items() if value is not None}
