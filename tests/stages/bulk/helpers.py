"""What the tests of large files share."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from goldpan.core.records import Report
from goldpan.stages.acquire.bulk.ledger import LEDGER


def npy(rows: int, seed: int = 0, dim: int = 8) -> bytes:
    """Return a .npy file of float16 rows."""
    stream = io.BytesIO()
    np.save(stream, np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float16))
    return stream.getvalue()


def parquet(rows: int, seed: int = 0) -> bytes:
    """Return a .parquet file with a caption a row."""
    stream = io.BytesIO()
    pq.write_table(pa.table({"caption": [f"{seed} {n}" for n in range(rows)]}), stream)
    return stream.getvalue()


def names(folder: Path) -> set[str]:
    """Return the files of a folder but the ledger, and what is hidden as it is on its way."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix() for path in found} - {LEDGER}


def reasons(report: Report) -> dict[str, str]:
    return {failed["name"]: failed["reason"] for failed in report.details["failed_files"]}


def wait_for(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)
