"""clip-retrieval's HTTP API, as spec'd by what its server answers."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.web.serve.colors import BIG, HOSTILE, NEAR_RED, REMOTE
from tests.web.serve.conftest import Client, Start

HISTOGRAMS = (
    "full_knn_request_time", "download_time", "text_clip_inference_time", "image_clip_inference_time",
    "metadata_get_time", "knn_index_time", "dedup_time", "safety_time", "image_prepro_time", "text_prepro_time",
)  # fmt: skip


def test_a_text_finds_its_pictures(client: Client) -> None:
    found = client.knn(text="a photo of red", num_images=2, num_result_ids=4)
    assert [row["id"] for row in found][:2] == [0, NEAR_RED]
    assert found[0]["caption"] == "red"
    assert found[0]["similarity"] == pytest.approx(1, abs=1e-6)  # not that of the metadata, which is 7
    assert [set(row) for row in found[2:]] == [{"id", "similarity"}] * 2
    assert [row["similarity"] for row in found] == sorted((row["similarity"] for row in found), reverse=True)


def test_local_pictures_come_as_jpeg(client: Client) -> None:
    (found,) = client.knn(text="blue", num_images=1)
    picture = Image.open(io.BytesIO(base64.b64decode(found["image"])))
    assert picture.format == "JPEG"
    assert picture.size == (40, 30)


def test_files_that_are_no_pictures_stay_here(client: Client) -> None:
    answer = client.post("/metadata", json={"ids": [12, REMOTE], "indice_name": "colors"}).json()
    assert answer[0]["metadata"]["image_path"] == "/etc/passwd"
    assert all("image" not in one["metadata"] for one in answer)


def test_an_image_finds_itself(client: Client) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (99, 77), "cyan").save(stream, "PNG")
    image = base64.b64encode(stream.getvalue()).decode()
    assert client.knn(image=image)[0]["caption"] == "cyan"
    assert client.knn(image=f"data:image/png;base64,{image}")[0]["caption"] == "cyan"


def test_vectors_are_searched_for_as_they_are(client: Client) -> None:
    vector = [3.0] * 12
    assert client.knn(embedding_input=vector)[0]["similarity"] == pytest.approx(3 * np.sqrt(12), rel=1e-5)


def test_the_first_that_is_given_counts(client: Client) -> None:
    asked = {"text": "red", "image": "!", "image_url": "file:///etc/passwd", "embedding_input": [1.0]}
    assert client.knn(**asked)[0]["id"] == 0
    assert client.knn(text="", image=None, image_url=None, embedding_input=[1.0] * 12)


def test_look_alikes_are_told_apart(client: Client) -> None:
    ids = [row["id"] for row in client.knn(text="red", num_images=13, deduplicate=True)]
    assert 0 in ids
    assert NEAR_RED not in ids


def test_the_other_index_is_searched(client: Client) -> None:
    assert client.knn(text="blue", modality="text")[0]["id"] == 2


def test_content_types_do_not_matter(client: Client) -> None:
    body = json.dumps({"text": "red", "modality": "image", "num_images": 1, "indice_name": "colors"})
    assert client.post("/knn-service", content=body).json()[0]["id"] == 0


def test_what_clip_client_sends_by_default_works_and_says_what_it_could_not_do(client: Client) -> None:
    answer = client.post("/knn-service", json={
        "text": "red", "image": None, "image_url": None, "embedding_input": None, "deduplicate": True,
        "use_safety_model": True, "use_violence_detector": True, "indice_name": "colors", "use_mclip": False,
        "aesthetic_score": 9, "aesthetic_weight": 0.5, "modality": "image", "num_images": 40, "num_result_ids": 40,
    })  # fmt: skip
    assert len(answer.json()) > 3
    assert answer.headers["x-goldpan-ignored"] == "use_safety_model, use_violence_detector, aesthetic_score"


def test_it_takes_what_flask_takes(client: Client) -> None:
    backend = client.get("/config.json").json()["defaultBackend"]  # which the front puts before "/knn-service"
    assert client.get(f"{backend}/indices-list").json() == ["colors"]
    asked = {"text": "red", "modality": "image", "num_images": 1, "indice_name": "colors"}
    assert client.post(f"{backend}/knn-service", json=asked).json()[0]["id"] == 0
    for path in ("/", "/health", "/indices-list", "/metrics", "/api/v1/pools"):
        head = client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["content-length"]) > 0
    assert client.head("/knn-service").status_code == 405


def test_metadata(client: Client) -> None:
    answer = client.post("/metadata", json={"indice_name": "colors", "ids": [REMOTE, 0]}).json()
    assert [one["id"] for one in answer] == [REMOTE, 0]
    assert answer[0]["metadata"]["caption"] == HOSTILE
    assert answer[0]["metadata"]["key"] == BIG + REMOTE  # whole, beyond what a double holds
    assert answer[0]["metadata"]["score"] is None  # nan is no JSON
    assert answer[0]["metadata"]["raw"] == base64.b64encode(b"\xff\x00").decode()
    assert client.post("/metadata", json={"indice_name": "colors", "ids": []}).json() == []


def test_the_rest_of_the_api(client: Client) -> None:
    assert client.get("/indices-list").json() == ["colors"]
    assert client.get("/config.json").json() == {
        "defaultBackend": str(client.base_url),
        "defaultIndex": "",
        "urlColumn": "url",
    }
    assert "calls to the knn end point" in client.get("/metrics-summary").text
    metrics = client.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    for name in HISTOGRAMS:
        assert f"# TYPE {name} histogram" in metrics.text
        assert f'{name}_bucket{{le="+Inf"}}' in metrics.text


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"indice_name": "colours"}, 404, "Did you mean 'colors'?"),
        ({"modality": "sound"}, 400, "modality"),
        ({"num_images": None}, 400, "num_images"),
        ({"num_images": -1}, 400, "num_images"),
        ({"num_images": 10**9}, 400, "10,000 are the most"),
        ({"num_images": 0}, 400, "nothing is asked for"),
        ({"text": None}, 400, "Give one of"),
        ({"text": None, "image": "abcde"}, 400, "base64"),
        ({"text": None, "image": base64.b64encode(b"no image").decode()}, 400, "not_an_image"),
        ({"text": None, "embedding_input": [1.0]}, 400, "12 values"),
        ({"text": None, "embedding_input": ["a"]}, 400, "embedding_input"),
        ({"text": None, "image_url": "file:///etc/passwd"}, 400, "scheme_not_allowed"),
        ({"aesthetic_score": 11}, 400, "aesthetic_score"),
    ],
)
def test_errors_are_typed(client: Client, fields: dict[str, Any], status: int, said: str) -> None:
    answer = client.post("/knn-service", json={"text": "red", "modality": "image", "num_images": 3} | fields)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "message"}
    assert said in answer.text


def test_models_that_are_given_are_used(start: Start, tmp_path: Path) -> None:
    toward_blue = np.tile([-0.5, -0.5, 0.5], 4)
    for score in range(10):
        np.save(tmp_path / f"rating{score}.npy", (toward_blue * score).astype(np.float32)[None])
    np.save(tmp_path / "violence.npy", np.stack([-toward_blue, toward_blue]).astype(np.float32))
    client = start(aesthetic=tmp_path, violence=tmp_path / "violence.npy", safety=_safety_model(tmp_path))
    assert client.knn(text="red", aesthetic_score=9, aesthetic_weight=10)[0]["caption"] == "blue"
    assert client.knn(text="red", aesthetic_score="", aesthetic_weight="")[0]["caption"] == "red"
    bluish = {row["caption"] for row in client.knn(text="blue", num_images=13)}
    peaceful = {row["caption"] for row in client.knn(text="blue", num_images=13, use_violence_detector=True)}
    assert {"blue", "navy"} <= bluish - peaceful
    safe = {row["caption"] for row in client.knn(text="red", num_images=13, use_safety_model=True)}
    assert "red" in bluish - safe
    assert "cyan" in safe


def _safety_model(folder: Path) -> Path:
    """Write a model that finds what is red unsafe."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.tile([9.0, -9.0, -9.0], 4).astype(np.float32)[:, None], "w")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Sigmoid", ["y"], ["p"])]
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, n]) for name, n in (("x", 12), ("p", 1))]
    graph = helper.make_graph(nodes, "safety", shapes[:1], shapes[1:], [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), folder / "s.onnx")
    return folder / "s.onnx"
