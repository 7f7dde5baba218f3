"""indices.json and the index folders of clip-retrieval."""

import json
from pathlib import Path

import numpy as np
import pytest

from goldpan.core.errors import FormatError, InputError
from goldpan.formats.clip_indices import (
    REORDERED,
    USUAL_COLUMNS,
    index_files,
    metadata_place,
    read_indices,
    reordered_rows,
)


def indices(folder: Path, content: object) -> Path:
    (folder / "indices.json").write_text(json.dumps(content))
    return folder / "indices.json"


def test_entries_are_folders_or_have_options(tmp_path: Path) -> None:
    (tmp_path / "near").mkdir()
    options = {
        "indice_folder": "/far/away", "clip_model": "ViT-L/14", "columns_to_return": ["url"], "use_arrow": True,
        "enable_faiss_memory_mapping": False, "provide_aesthetic_embeddings": True,
    }  # fmt: skip
    found = read_indices(indices(tmp_path, {"a": options, "b": "near", "c": "elsewhere"}))
    assert list(found) == ["a", "b", "c"]
    assert (found["a"].folder, found["a"].clip_model, found["a"].columns) == (Path("/far/away"), "ViT-L/14", ("url",))
    assert found["a"].options == options
    assert (found["b"].folder, found["c"].folder) == (tmp_path / "near", Path("elsewhere"))


def test_an_option_of_one_entry_says_nothing_of_the_next(tmp_path: Path) -> None:
    first = {"indice_folder": "a", "clip_model": "ViT-L/14", "columns_to_return": ["url"]}
    found = read_indices(indices(tmp_path, {"a": first, "b": "b"}))
    assert (found["b"].clip_model, found["b"].columns) == (None, USUAL_COLUMNS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "lists no indexes"),
        (["a"], "lists no indexes"),
        ({"a": 3}, "'a' names no folder"),
        ({"a": {"clip_model": "x"}}, "'a' names no folder"),
        ({"a": {"indice_folder": "x", "colums": []}}, "unknown options colums; known: clip_model"),
    ],
)
def test_what_is_no_list_of_indexes(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_indices(indices(tmp_path, content))


def test_indexes_are_files_or_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds neither image\.index nor text\.index"):
        index_files(tmp_path)
    with pytest.raises(InputError, match=r"There is no folder .*none; name a workspace"):
        index_files(tmp_path / "none")
    (tmp_path / "text.index").touch()
    (tmp_path / "image.index").mkdir()
    assert index_files(tmp_path) == {"text": tmp_path / "text.index"}
    (tmp_path / "image.index" / "populated.index").touch()
    found = index_files(tmp_path)
    assert list(found) == ["image", "text"]
    assert found["image"] == tmp_path / "image.index" / "populated.index"


def test_metadata_are_a_folder_or_hdf5(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no metadata"):
        metadata_place(tmp_path)
    (tmp_path / REORDERED).touch()
    assert metadata_place(tmp_path) == tmp_path / REORDERED
    (tmp_path / "metadata").mkdir()
    assert metadata_place(tmp_path) == tmp_path / "metadata"
    assert metadata_place(tmp_path, reordered=True) == tmp_path / REORDERED
    (tmp_path / "metadata.hdf5").touch()
    assert metadata_place(tmp_path) == tmp_path / "metadata.hdf5"
    assert metadata_place(tmp_path, reordered=True) == tmp_path / REORDERED


def test_reordered_metadata_need_to_say_where_rows_went(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ivf_old_to_new_mapping\.npy is missing"):
        reordered_rows(tmp_path, 3)
    (tmp_path / "ivf_old_to_new_mapping.npy").write_bytes(np.array([2, 0, 1]).tobytes())
    assert reordered_rows(tmp_path, 3).tolist() == [2, 0, 1]
    with pytest.raises(FormatError, match="4 rows take 32"):
        reordered_rows(tmp_path, 4)
