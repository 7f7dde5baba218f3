"""Workspaces to work on."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from goldpan.store.schemas import vectors_schema
from goldpan.store.workspace import Workspace


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "ws", create=True)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve little pictures in three class folders."""
    rng = np.random.default_rng(3)
    for label in ("cat", "dog", "eel"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(4):
            pixels = rng.integers(0, 255, (24 + i, 32, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{i}.png")
    return tmp_path / "photos"


@pytest.fixture
def filled(ws: Workspace) -> Workspace:
    """300 images with labels, parents and 16-d vectors under the name ``toy``, and packed bits under ``bits``."""
    rng = np.random.default_rng(7)
    n, dim = 300, 16
    ids = [f"i{i:03}" for i in range(n)]
    ws.images.append_rows(
        [
            {
                "id": key,
                "uri": f"/somewhere/{key}.jpg",
                "sha256": f"{i:064x}",
                "width": 8,
                "label": "abc"[i % 3],
                "parent_id": f"p{i // 4}",
                "extra": f'{{"wnid": "n{i % 3}", "score": {i}}}',
            }
            for i, key in enumerate(ids)
        ]
    )
    centers = rng.standard_normal((3, dim)) * 3
    vectors = (rng.standard_normal((n, dim)) + centers[np.arange(n) % 3]).astype(np.float32)
    add_vectors(ws, "toy", ids, vectors, "cosine")
    add_vectors(ws, "bits", ids, rng.integers(0, 256, (n, 8), np.uint8), "hamming")
    return ws


def add_vectors(ws: Workspace, name: str, ids: list[str], array: np.ndarray, metric: str) -> None:
    about = {"encoder": f"test:{name}", "revision": "1", "metric": metric, "column": None, "encodes_text": False}
    schema = vectors_schema(array.shape[1], array.dtype.name, about)
    values = pa.FixedSizeListArray.from_arrays(pa.array(array.reshape(-1)), array.shape[1])
    ws.vectors_table(name).append(pa.Table.from_arrays([pa.array(ids), values], schema=schema))
