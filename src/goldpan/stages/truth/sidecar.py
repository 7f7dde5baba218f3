"""What a ground truth was made from, and how sure it is: the JSON beside it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from goldpan import __version__
from goldpan.core.records import Metric
from goldpan.formats.protocol import Address
from goldpan.formats.sums import list_files, sha256_file
from goldpan.search.exact import ExactResult

TIE_RULE = "lower id first"
ACCUMULATION = "float64, compensated (Dot2): each score is the true one rounded once"


def describe(found: ExactResult, metric: Metric) -> dict[str, Any]:
    """Return metric, rules and proof of exact answers as JSON values.

    `certified` counts queries whose answer is proved to be that of float64 brute force: all, or the search fails.
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
        "ties_at_k": int(found.ties.sum()),
        "gap_after_k": {
            name: float(np.quantile(gaps, q)) if len(gaps) else None
            for name, q in (("min", 0.0), ("p1", 0.01), ("median", 0.5))
        },
        "survivors": {"median": float(np.median(found.survivors)), "max": int(found.survivors.max())},
        "kernels": found.kernels,
        "goldpan": __version__,
    }


def fingerprint(where: Address) -> dict[str, str]:
    """Return the address and SHA-256 of a file; of a folder, that of its ``sha256sum`` lines."""
    return {"address": str(where), "sha256": sha256_of(where.path)}


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, or of the sums of all files of a folder, in the order of their names."""
    if path.is_file():
        return sha256_file(path)
    lines = "".join(f"{sha256_file(path / name)}  {name}\n" for name in list_files(path))
    return hashlib.sha256(lines.encode()).hexdigest()
