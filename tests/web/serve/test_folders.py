"""Index folders as others leave them: in many parts, with holes, by lists, with vectors that are no numbers."""

from pathlib import Path
from typing import Any

import faiss
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from goldpan.core.errors import InputError
from goldpan.web.serve.config import ServeConfig
from goldpan.web.serve.service import Service
from tests.web.serve.conftest import Start

CAPTIONS = ["a dog", "", "\u202eright to left", "\U0001f40d snake\u0000", "d\u00e9j\u00e0 vu", "last"]
DIM = 12


def unit(n: int) -> NDArray[np.float32]:
    vectors = np.random.default_rng(3).standard_normal((n, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write_image_index(folder: Path, vectors: NDArray[np.float32], key: str = "Flat") -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    index = faiss.index_factory(DIM, key, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    index.add(vectors)
    faiss.write_index(index, str(folder / "image.index"))
    return index


def write_parquet(folder: Path, *parts: dict[str, Any]) -> None:
    (folder / "metadata").mkdir(parents=True)
    for number, part in enumerate(parts):
        pq.write_table(pa.table(part), folder / "metadata" / f"metadata_{number}.parquet")


def test_parts_that_lack_columns_are_served(start: Start, tmp_path: Path) -> None:
    write_image_index(tmp_path / "holes", unit(6))
    urls = {"url": [f"http://a.example/{row}" for row in range(2)]}
    write_parquet(tmp_path / "holes", {"caption": CAPTIONS[:2]} | urls, {"caption": CAPTIONS[2:], "extra": range(4)})
    client = start(pools=[tmp_path / "holes"])
    for row, vector in enumerate(unit(6).tolist()):
        (found,) = client.knn(embedding_input=vector, num_images=1)
        assert (found["id"], found["caption"], found["url"]) == (row, CAPTIONS[row], (urls["url"] + [None] * 4)[row])
    (hit,) = client.find({"row": 5}, k=1, columns=["extra", "url"])["results"][0]["hits"]
    assert hit["metadata"] == {"extra": 3, "url": None}


def test_reordered_metadata_belong_to_their_vectors(start: Start, tmp_path: Path) -> None:
    vectors = unit(60)
    went = np.random.default_rng(5).permutation(60)
    folder = tmp_path / "lists"
    write_image_index(folder, vectors)
    with h5py.File(folder / "metadata_reordered.hdf5", "w") as file:
        captions = np.array([f"{row} \u00e9".encode() for row in np.argsort(went)])
        file.create_group("dataset").create_dataset("caption", data=captions)
    went.astype(np.int64).tofile(folder / "ivf_old_to_new_mapping.npy")
    client = start(pools=[folder])
    for row in (0, 7, 59):
        (found,) = client.knn(embedding_input=vectors[row].tolist(), num_images=1)
        assert (found["caption"], found["id"]) == (f"{row} \u00e9", went[row])
        (hit,) = client.find({"row": int(went[row])}, k=1)["results"][0]["hits"]
        assert hit["row"] == went[row]
        assert client.post("/metadata", json={"ids": [found["id"]]}).json()[0]["metadata"]["caption"] == f"{row} \u00e9"


def test_lists_find_less_than_is_asked_for(start: Start, tmp_path: Path) -> None:
    vectors = unit(400)
    write_image_index(tmp_path / "ivf", vectors, "IVF10,Flat")
    write_parquet(tmp_path / "ivf", {"caption": [f"c{row}" for row in range(400)]})
    client = start(pools=[tmp_path / "ivf"])
    found = client.knn(embedding_input=vectors[7].tolist(), num_images=400, deduplicate=True)
    assert 1 < len(found) < 400
    assert found[0]["caption"] == "c7"
    assert all(row["caption"] == f"c{row['id']}" for row in found)
    hits = client.find({"vector": vectors[7].tolist()}, k=400, deduplicate=0.94)["results"][0]["hits"]
    assert [hit["row"] for hit in hits] == [row["id"] for row in found]
    assert client.get("/api/v1/pools").json()[0]["takes"] == ["text", "image", "image_url", "vector"]
    answer = client.post("/api/v1/search", json={"queries": [{"row": 7}]})
    assert answer.json()["message"] == "ivf cannot be asked about rows: its index does not keep vectors by row."


def test_an_id_comes_once(start: Start, tmp_path: Path) -> None:
    (tmp_path / "twice").mkdir()
    index = faiss.index_factory(DIM, "IDMap,Flat", faiss.METRIC_INNER_PRODUCT)
    index.add_with_ids(np.repeat(unit(3), 2, axis=0), np.array([2, 2, 0, 0, 1, 1]))
    faiss.write_index(index, str(tmp_path / "twice/image.index"))
    write_parquet(tmp_path / "twice", {"caption": list("abcdef")})
    client = start(pools=[tmp_path / "twice"])
    found = client.knn(embedding_input=unit(3)[0].tolist(), num_images=6)
    assert found[0]["caption"] == "c"
    assert sorted(row["id"] for row in found) == [0, 1, 2]
    hits = client.find({"vector": unit(3)[0].tolist()}, k=6)["results"][0]["hits"]
    assert [hit["row"] for hit in hits] == [row["id"] for row in found]


def test_one_row_is_a_pool_and_none_is_not(start: Start, tmp_path: Path) -> None:
    write_image_index(tmp_path / "one", unit(1))
    write_parquet(tmp_path / "one", {"caption": ["alone"]})
    client = start(pools=[tmp_path / "one"])
    assert [row["caption"] for row in client.knn(text="red", num_images=10_000, deduplicate=True)] == ["alone"]
    found = client.find({"text": "red"}, {"row": 0}, k=5000, modality="fused")["results"]
    assert [len(one["hits"]) for one in found] == [1, 1]
    write_image_index(tmp_path / "none", unit(0))
    write_parquet(tmp_path / "none", {"caption": pa.array([], pa.string())})
    with pytest.raises(InputError, match="none holds no rows"):
        Service(ServeConfig(pools=[tmp_path / "none"]))


def test_vectors_that_are_no_numbers_are_not_asked_about(start: Start, tmp_path: Path) -> None:
    vectors = unit(5)
    vectors[1], vectors[2], vectors[3] = np.nan, np.inf, 0
    write_image_index(tmp_path / "nan", vectors)
    write_parquet(tmp_path / "nan", {"caption": list("abcde")})
    client = start(pools=[tmp_path / "nan"])
    found = client.find(*({"row": row} for row in range(5)), k=2, deduplicate=0.94)["results"]
    assert [one["problem"] is None for one in found] == [True, False, False, False, True]
    assert found[1]["problem"]["message"] == "Row 1 of nan has no image vector to search by."
    assert [found[row]["hits"][0]["row"] for row in (0, 4)] == [0, 4]
    assert client.knn(embedding_input=vectors[4].tolist(), deduplicate=True)[0]["caption"] == "e"
