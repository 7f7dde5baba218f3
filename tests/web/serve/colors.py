"""A small pool whose meaning can be checked by eye: pictures of one color each, and an encoder that knows colors.

The encoder is a user's file, as ``--encoder colors.py:encoder`` takes it: a text is the picture of the color it names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

ENCODER = """
import numpy as np
from PIL import Image, ImageColor
from goldpan.core.arrays import unit_rows
from goldpan.core.records import Metric


class Colors:
    spec, revision, dim, dtype, metric = "colors", "1", 12, "float32", Metric.COSINE
    unit_norm = encodes_images = encodes_text = True
    concurrency, batch_size, preprocessing = 1, 32, {}

    def prepare(self, image):
        return np.asarray(image.resize((2, 2)), np.float32) / 255 - 0.5

    def encode(self, batch):
        return unit_rows(batch.reshape(len(batch), -1))

    def encode_text(self, texts):
        if not len(texts):
            return np.empty((0, self.dim), np.float32)
        known = [ImageColor.colormap.get((text.split() or [""])[-1], "black") for text in texts]
        return self.encode(np.stack([self.prepare(Image.new("RGB", (2, 2), color)) for color in known]))


def encoder():
    return Colors()
"""
NAMES = ("red", "lime", "blue", "yellow", "cyan", "magenta", "white", "orange", "navy", "crimson")
HOSTILE = "<script>document.title='owned'</script>\U0001f600\u2028"
BIG = 2**62 + 1
NEAR_RED = 10
"""A row whose picture looks like that of row 0."""
REMOTE = 11
"""A row that names its picture by URL only."""


def write_encoder(folder: Path) -> str:
    """Write the encoder; return its spec."""
    (folder / "colors.py").write_text(ENCODER)
    return f"{folder / 'colors.py'}:encoder"


def rows(folder: Path) -> list[dict[str, Any]]:
    """Make the pictures, 40 x 30 pixels; return what is known of them."""
    told: list[dict[str, Any]] = []
    for name in (*NAMES, "#fa0500"):
        path = folder / f"{name.removeprefix('#')}.png"
        Image.new("RGB", (40, 30), name).save(path)
        told.append({"url": f"http://photos.example/{path.name}", "image_path": str(path), "caption": name})
    told.append({"url": "http://photos.example/far.png", "image_path": None, "caption": HOSTILE})
    told.append({"url": None, "image_path": "/etc/passwd", "caption": "no picture"})
    for place, one in enumerate(told):
        one |= {"NSFW": "UNLIKELY", "similarity": 7.0, "key": BIG + place, "score": float("nan"), "raw": b"\xff\x00"}
    return told


def write_index(folder: Path, *, text: bool = False) -> Path:
    """Write an index folder as clip-retrieval has it: 13 rows, an exact index of inner products."""
    import faiss

    (folder / "pictures").mkdir(parents=True)
    told = rows(folder / "pictures")
    names: dict[str, Any] = {}
    exec(ENCODER, names)
    encoder = names["encoder"]()
    images = [Image.new("RGB", (2, 2), one["caption"] if one["caption"] in NAMES else "#fa0500") for one in told]
    images[REMOTE], images[-1] = Image.new("RGB", (2, 2), "gray"), Image.new("RGB", (2, 2), "pink")
    vectors = encoder.encode(np.stack([encoder.prepare(image) for image in images]))
    for modality in ("image", "text") if text else ("image",):
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        faiss.write_index(index, str(folder / f"{modality}.index"))
    (folder / "metadata").mkdir()
    pq.write_table(pa.Table.from_pylist(told), folder / "metadata" / "metadata_0.parquet")
    return folder
