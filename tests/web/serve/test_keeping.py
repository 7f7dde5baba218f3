"""Chosen rows become images of a workspace: each one kept, known, failed or elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import goldpan
from goldpan.core.errors import InputError
from goldpan.store.workspace import Workspace
from goldpan.web.serve.config import ServeConfig
from tests.web.serve.colors import REMOTE, write_index
from tests.web.serve.conftest import Start

NO_IMAGE = 12
ALL = 13


def test_every_row_is_accounted_for_and_the_same_again_keeps_nothing_new(start: Start, tmp_path: Path) -> None:
    client = start(keep=tmp_path / "kept")
    asked = {"items": [{"row": row, "query": "a color", "score": 0.5} for row in range(ALL)]}
    answer = client.post("/api/v1/keep", json=asked).json()
    assert answer == {"workspace": str(tmp_path / "kept"), "kept": 11, "known": 0, "failed": 1, "elsewhere": 1}
    again = client.post("/api/v1/keep", json=asked).json()
    assert again == answer | {"kept": 0, "known": 11}
    ws = Workspace(tmp_path / "kept")
    images = ws.images.to_table().to_pylist()
    assert [one["id"] for one in images] == [f"colors/{row}" for row in range(ALL) if row not in (REMOTE, NO_IMAGE)]
    assert images[0]["caption"] == "red"
    assert '"QUERY": "a color"' in images[0]["extra"]
    assert ws.failures.to_table()["id"].to_pylist() == [f"colors/{NO_IMAGE}"]


def test_what_is_no_file_fails_and_holds_nobody_up(start: Start, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    paths = [tmp_path / "pipe", "/dev/zero", tmp_path, "a\0b", "x" * 5000, "s3://bucket/a.png", "file:///etc/passwd"]
    folder = tmp_path / "strange"
    write_index(folder)
    table = pq.read_table(folder / "metadata").slice(0, len(paths)).drop_columns(["image_path"])
    table = table.append_column("image_path", pa.array(map(str, paths)))
    index = faiss.read_index(str(folder / "image.index"))
    index.remove_ids(np.arange(len(paths), 13))
    faiss.write_index(index, str(folder / "image.index"))
    pq.write_table(table, folder / "metadata/metadata_0.parquet")
    client = start(pools=[folder], keep=tmp_path / "kept", timeout=10)
    answer = client.post("/api/v1/keep", json={"items": [{"row": row} for row in range(len(paths))]}).json()
    assert (answer["kept"], answer["failed"]) == (0, len(paths))
    assert len(client.find({"text": "red"}, k=20)["results"][0]["hits"]) == len(paths)


def test_crops_and_stored_copies_are_kept_as_they_are_seen(start: Start, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    half = Image.new("RGB", (40, 20), "red")
    half.paste("blue", (20, 0, 40, 20))
    half.save(photos / "half.png")
    ws = Workspace(tmp_path / "ws", create=True)
    goldpan.acquire_folder(ws, folder=photos, copy_bytes=True)
    (whole,) = ws.images.to_table().to_pylist()
    ws.images.append_rows([whole | {"id": "crop", "box": [20, 0, 40, 20], "width": 20, "height": 20}])
    goldpan.embed(ws, encoder="pixels:2")
    (photos / "half.png").unlink()
    client = start(pools=[tmp_path / "ws"], encoder="pixels:2", keep=tmp_path / "kept")
    answer = client.post("/api/v1/keep", json={"items": [{"row": 0}, {"row": 1}]}).json()
    assert (answer["kept"], answer["failed"]) == (2, 0)
    kept = {one["id"]: one for one in Workspace(tmp_path / "kept").images.to_table().to_pylist()}
    assert (kept["half.png"]["width"], kept["crop"]["width"], kept["crop"]["height"]) == (40, 20, 20)
    assert kept["half.png"]["sha256"] == whole["sha256"]


def test_it_takes_a_workspace_that_was_named_and_a_token(start: Start, tmp_path: Path) -> None:
    client = start()
    assert client.refused("/api/v1/keep", {"items": [{"row": 0}]}, 400) == "no_workspace"
    assert client.refused("/api/v1/keep", {"items": [{"row": 99}]}, 400) == "no_workspace"
    client = start(keep=tmp_path / "kept")
    assert client.refused("/api/v1/keep", {"items": [{"row": 99}]}, 404) == "no_such_row"
    assert client.refused("/api/v1/keep", {"items": []}, 400) == "bad_request"
    client.headers.pop("authorization")
    assert client.refused("/api/v1/keep", {"items": [{"row": 0}]}, 403) == "no_token"
    assert not (tmp_path / "kept").exists()
    with pytest.raises(InputError, match="lets anyone in"):
        ServeConfig(public=True, keep=tmp_path / "kept")
