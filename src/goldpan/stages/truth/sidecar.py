"""What a ground truth was made from, and how sure it is: the JSON beside it, and the same inside an HDF5 file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan import __version__
from goldpan.core.records import Metric
from goldpan.formats.atomic import replace_file
from goldpan.formats.protocol import Address
from goldpan.formats.sums import list_files, sha256_file
from goldpan.formats.vectors import parse_address
from goldpan.search.exact import ExactResult

TIE_RULE = "lower id first"
ACCUMULATION = "compensated float64 (Dot2): each score is the true one rounded once"


def describe(found: ExactResult, metric: Metric) -> dict[str, Any]:
    """Return metric, rules and proof of exact answers as JSON values.

    `certified` counts queries whose answer is proved to be that of float64 brute force: all, or the search fails.
    `fallback` counts those among them for which the coarse filter left so much that the finer one was used.
    """
    queries, k = found.neighbors.ids.shape
    gaps = found.gaps[np.isfinite(found.gaps)]
    exact = metric is Metric.HAMMING
    return {
        "metric": str(metric),
        "k": k,
        "queries": queries,
        "scores": "whole numbers" if exact else ACCUMULATION,
        "tie_rule": TIE_RULE,
        "certified": queries,
        "fallback": int(found.fallbacks.sum()),
        "ties_at_k": int(found.ties.sum()),
        "gap_after_k": {
            name: float(np.quantile(gaps, q)) if len(gaps) else None
            for name, q in (("min", 0.0), ("p1", 0.01), ("median", 0.5))
        },
        "survivors": {
            "mean": round(float(found.survivors.mean()), 3),
            "median": float(np.median(found.survivors)),
            "max": int(found.survivors.max()),
        },
        "kernels": found.kernels,
        "goldpan": __version__,
    }


def speed(queries: int, base_rows: int, seconds: float) -> dict[str, Any]:
    """Return how fast queries were answered; those that were there already do not count."""
    rate = queries / seconds if seconds > 0 else 0.0
    return {
        "seconds": round(seconds, 3),
        "queries_per_second": round(rate, 1),
        "row_pairs_per_second": round(rate * base_rows),
    }


def columns(found: ExactResult) -> dict[str, NDArray[Any]]:
    """Return what is known of each query, as HDF5 holds it beside the ids."""
    return {
        "gaps": found.gaps,
        "ties": found.ties,
        "survivors": found.survivors,
        "fallback": found.fallbacks,
    }


def attributes(record: dict[str, Any]) -> dict[str, str | int]:
    """Return a record as flat attributes: the value `sha256` in `base` is `base_sha256`."""
    flat: dict[str, str | int] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            flat |= {f"{name}_{key}": item for key, item in value.items() if item is not None}
        else:
            flat[name] = value
    return flat


def write_sidecar(output: str | Path, record: dict[str, Any]) -> Path:
    """Write a record, and the SHA-256 of the output, as JSON beside it; return the file."""
    where = parse_address(output)
    path = where.path.with_name(f"{where.path.name}.json")
    text = json.dumps(record | {"output": fingerprint(where)}, indent=2) + "\n"
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def read_sidecar(address: str | Path) -> dict[str, Any] | None:
    """Return the record beside a truth; None where there is none, or it was written about other bytes."""
    where = parse_address(address).path
    try:
        record = json.loads(where.with_name(f"{where.name}.json").read_text("utf-8"))
        return record if record["output"]["sha256"] == sha256_of(where) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def fingerprint(where: Address) -> dict[str, str]:
    """Return the address and SHA-256 of a file; of a folder, that of its ``sha256sum`` lines."""
    return {"address": str(where), "sha256": sha256_of(where.path)}


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, or of the sums of all files of a folder, in the order of their names."""
    if path.is_file():
        return sha256_file(path)
    lines = "".join(f"{sha256_file(path / name)}  {name}\n" for name in list_files(path))
    return hashlib.sha256(lines.encode()).hexdigest()
