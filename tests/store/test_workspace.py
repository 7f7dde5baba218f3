"""The workspace folder: made once, refused where it is none, names of vector tables."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from goldpan.core.errors import UnknownName, WorkspaceError
from goldpan.store.marker import MARKER
from goldpan.store.overview import overview
from goldpan.store.schemas import vectors_schema
from goldpan.store.workspace import Workspace, vector_array, vectors_name


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "ws", create=True)


def add_vectors(ws: Workspace, name: str, array: np.ndarray) -> None:
    schema = vectors_schema(array.shape[1], array.dtype.name, {"encoder": name, "metric": "cosine"})
    values = pa.FixedSizeListArray.from_arrays(pa.array(array.reshape(-1)), array.shape[1])
    ids = pa.array([f"i{i}" for i in range(len(array))])
    ws.vectors_table(name).append(pa.Table.from_arrays([ids, values], schema=schema))


def test_creating_twice_keeps_what_is_there(ws: Workspace) -> None:
    ws.images.append_rows([{"id": "a"}])
    again = Workspace(ws.path, create=True)
    assert again.images.count() == 1


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(WorkspaceError, match="is not a goldpan workspace"):
        Workspace(tmp_path, create=True)
    with pytest.raises(WorkspaceError, match="goldpan init"):
        Workspace(tmp_path)


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError):
        Workspace(tmp_path / "file" / "ws", create=True)


def test_another_layout_is_refused(ws: Workspace) -> None:
    (ws.path / MARKER).write_text('{"layout": 99}')
    with pytest.raises(WorkspaceError, match="layout 99"):
        Workspace(ws.path)


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_vectors_come_back_as_arrays(ws: Workspace, dtype: str) -> None:
    array = (np.arange(12).reshape(3, 4)).astype(dtype)
    add_vectors(ws, "pixels_2", array)
    found = ws.vectors("pixels:2")
    assert found.ids.tolist() == ["i0", "i1", "i2"]
    assert found.array.dtype == dtype
    np.testing.assert_array_equal(found.array, array)


def test_one_chunk_is_not_copied() -> None:
    values = pa.array(np.arange(8, dtype=np.float32))
    column = pa.chunked_array([pa.FixedSizeListArray.from_arrays(values, 4)])
    assert np.shares_memory(vector_array(column), values.to_numpy())


def test_unknown_vectors_suggest_the_nearest(ws: Workspace) -> None:
    add_vectors(ws, "phash_8", np.zeros((1, 8), np.uint8))
    with pytest.raises(UnknownName, match="Did you mean 'phash_8'"):
        ws.vectors("phash_9")


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("phash:8", "phash_8"),
        ("onnx:../models/dual-encoder", "onnx_dual-encoder"),
        ("onnx:/somewhere/else/dual-encoder/", "onnx_dual-encoder"),
        ("clip:ViT-B-32/openai", "clip_ViT-B-32_openai"),
        ("torchvision:vgg16/fc7", "torchvision_vgg16_fc7"),
        ("../my/encoder.py:make", "encoder_make"),
    ],
)
def test_table_names_are_readable_and_do_not_depend_on_the_folder(spec: str, name: str) -> None:
    assert vectors_name(spec) == name


def test_table_names_stay_short() -> None:
    assert len(vectors_name("hf:" + "x" * 300)) <= 80


def test_overview_always_names_images_and_failures(ws: Workspace) -> None:
    assert overview(ws)["tables"]["images"]["rows"] == 0
    assert overview(ws)["tables"]["failures"]["rows"] == 0
    add_vectors(ws, "pixels_2", np.zeros((3, 4), np.float32))
    assert overview(ws)["tables"]["vectors/pixels_2"]["rows"] == 3


def test_many_blocks_are_read_in_order(ws: Workspace) -> None:
    array = np.arange(150_000, dtype=np.float32).reshape(-1, 1)
    for start in range(0, 150_000, 50_000):
        add_vectors(ws, "long", array[start : start + 50_000])
    np.testing.assert_array_equal(ws.vectors("long").array, array)
