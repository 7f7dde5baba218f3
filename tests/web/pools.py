"""Pools for the search page: real photos with real vectors, and what strangers write on the web about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

import goldpan
from goldpan.core.arrays import unit_rows
from goldpan.store.workspace import Workspace

PHOTOS = 70
TWIN = 30
"""A row of the pool of hostile captions whose vectors are those of row 31."""
OWNED = "document.title='owned'"
HOSTILE = {
    0: f'<script>{OWNED}</script><img src=x onerror="{OWNED}"><svg onload={OWNED}>',
    1: "\u202egnp.exe \u2066 a caption that turns around",
    2: "שלום עולם: (a caption) from right to left!",
    3: "word " * 40_000,
    4: "x" * 5_000,
    5: "</title></style><style>*{display:none}</style>",
    6: "nul \x00, bell \x07, half a pair \\ud800,\n\nlines",
    7: "",
}
LINKS = {
    0: f"javascript:{OWNED}",
    1: f"data:text/html,<script>{OWNED}</script>",
    2: f'https://a.example/"onmouseover="{OWNED}',
    3: " JaVaScRiPt:alert(1)",
    4: "file:///etc/passwd",
    5: "//b.example/c.jpg",
}


def write_workspace(folder: Path, shared: Path) -> Workspace:
    """Make a workspace of photos with the dual-encoder's vectors."""
    photos = sorted((shared / "data/imagenet1k").iterdir())[:PHOTOS]
    (folder / "photos").mkdir(parents=True)
    for photo in photos:
        (folder / "photos" / photo.name).symlink_to(photo)
    ws = Workspace(folder / "photos-ws", create=True)
    goldpan.acquire_folder(ws, folder=folder / "photos", label_pattern=r"(?P<wnid>n\d{8})_(?P<label>.+)")
    goldpan.embed(ws, encoder=encoder_of(shared))
    return ws


def encoder_of(shared: Path) -> str:
    """Return the spec of the dual-encoder."""
    return f"onnx:{shared / 'models/dual-encoder'}"


def write_index(folder: Path, ws: Workspace) -> Path:
    """Write an index folder as clip-retrieval has it: the same photos, hostile captions and links, some marked NSFW."""
    ids, images = ws.vectors(ws.vector_names()[0])
    known = {row["id"]: row for row in ws.images.to_table(columns=["id", "uri", "label"]).to_pylist()}
    told = [_told(place, known[key]) for place, key in enumerate(ids.tolist())]
    images = unit_rows(images.astype(np.float32))
    texts = unit_rows(images + np.random.default_rng(0).normal(0, 0.05, images.shape).astype(np.float32))
    (folder / "metadata").mkdir(parents=True)
    for name, vectors in (("image", images), ("text", texts)):
        vectors[TWIN] = vectors[TWIN + 1]
        _write_faiss(folder / f"{name}.index", vectors)
    pq.write_table(pa.Table.from_pylist(told), folder / "metadata" / "metadata_0.parquet")
    return folder


def _told(place: int, image: dict[str, Any]) -> dict[str, Any]:
    return {
        "image_path": None if place == 20 else "/nowhere/gone.jpg" if place == 21 else image["uri"],
        "caption": HOSTILE.get(place, f"a photo of a {image['label']}"),
        "url": LINKS.get(place, f"https://photos.example/{place}.jpg"),
        "NSFW": "NSFW" if place in (40, 41) else "UNLIKELY",
    }


def _write_faiss(path: Path, vectors: NDArray[np.float32]) -> None:
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(path))
