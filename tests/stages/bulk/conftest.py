"""Files as data sets have them."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest


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


@pytest.fixture
def laion() -> dict[str, bytes]:
    """Return two parts of embeddings with their metadata, by path."""
    rows = (50, 30)
    return {f"/img_emb/img_emb_{n:04d}.npy": npy(count, n) for n, count in enumerate(rows)} | {
        f"/meta/metadata_{n:04d}.parquet": parquet(count, n) for n, count in enumerate(rows)
    }


@pytest.fixture
def sums() -> Callable[[dict[str, bytes]], str]:
    """Return what makes the lines of md5sum for files."""
    import hashlib

    return lambda files: "".join(
        f"{hashlib.md5(data).hexdigest()}  {path.rpartition('/')[2]}\n" for path, data in files.items()
    )
