"""Our own HTTP API."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import goldpan
from goldpan.formats.chunks import COLUMNS
from goldpan.store.workspace import Workspace
from tests.web.serve.colors import BIG, HOSTILE, NAMES, NEAR_RED, REMOTE
from tests.web.serve.conftest import Client, Start


def test_pools_tell_what_they_are(client: Client) -> None:
    (pool,) = client.get("/api/v1/pools").json()
    assert pool["name"] == "colors"
    assert (pool["rows"], pool["dim"], pool["metric"]) == (13, 12, "ip")
    assert pool["modalities"] == ["image", "text"]
    assert pool["takes"] == ["text", "image", "image_url", "vector", "row"]
    assert not pool["problem"]


def test_queries_of_all_kinds_in_one_request(client: Client) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (20, 20), "lime").save(stream, "PNG")
    image = base64.b64encode(stream.getvalue()).decode()
    vector = [-0.5, -0.5, 0.5] * 4
    found = client.find({"text": "red"}, {"image": image}, {"vector": vector}, {"row": 4}, k=1, columns=["caption"])
    assert [[hit["metadata"] for hit in one["hits"]] for one in found["results"]] == [
        [{"caption": name}] for name in ("red", "lime", "blue", "cyan")
    ]
    assert found["results"][3]["hits"][0]["score"] == pytest.approx(1, abs=1e-6)


def test_a_query_at_fault_does_not_take_the_others_with_it(client: Client) -> None:
    found = client.find({"image_url": "http://127.0.0.1/a.png"}, {"text": "red"}, {"row": 99}, k=1)["results"]
    assert [one["problem"] and one["problem"]["error"] for one in found] == ["private_address", None, "no_such_row"]
    assert found[1]["hits"][0]["row"] == 0


def test_answers_without_metadata_are_bare(client: Client) -> None:
    hits = client.find({"text": "red"}, k=3, described=1)["results"][0]["hits"]
    assert [hit["metadata"] is None for hit in hits] == [False, True, True]


def test_both_indexes_are_joined(client: Client) -> None:
    found = client.find({"text": "blue"}, k=5, modality="fused")
    assert found["modality"] == "fused"
    hits = found["results"][0]["hits"]
    assert len({hit["row"] for hit in hits}) == 5
    assert hits[0]["row"] == 2
    assert hits[0]["similarities"] == {"image": pytest.approx(1, abs=1e-6), "text": pytest.approx(1, abs=1e-6)}
    assert hits[0]["score"] > hits[1]["score"]


def test_look_alikes_are_dropped_on_request(client: Client) -> None:
    both = {hit["row"] for hit in client.find({"text": "red"}, k=5)["results"][0]["hits"]}
    one = {hit["row"] for hit in client.find({"text": "red"}, k=5, deduplicate=0.94)["results"][0]["hits"]}
    assert {0, NEAR_RED} <= both
    assert NEAR_RED not in one


def test_rows_tell_what_is_known(client: Client) -> None:
    found = client.post("/api/v1/rows", json={"rows": [REMOTE, 0], "columns": ["caption", "key", "score"]}).json()
    assert found == [
        {"row": REMOTE, "metadata": {"caption": HOSTILE, "key": BIG + REMOTE, "score": None}, "picture": None},
        {"row": 0, "metadata": {"caption": "red", "key": BIG, "score": None}, "picture": found[1]["picture"]},
    ]
    picture = client.get(f"{found[1]['picture']}&side=16")
    assert Image.open(io.BytesIO(picture.content)).size == (16, 12)
    assert picture.headers["content-type"] == "image/jpeg"


def test_rows_without_a_picture_say_so(client: Client) -> None:
    for row in (REMOTE, 12):
        answer = client.get("/api/v1/thumbnail", params={"row": row})
        assert (answer.status_code, answer.json()["error"]) == (404, "no_picture")


def test_a_basket_is_taken_away_as_parquet(client: Client) -> None:
    items = [{"row": 3, "query": "sun", "score": 0.5}, {"row": REMOTE}]
    table = pq.read_table(io.BytesIO(client.post("/api/v1/export", json={"items": items}).content)).to_pylist()
    assert [row["caption"] for row in table] == ["yellow", HOSTILE]
    assert table[0]["key"] == BIG + 3
    assert [(row["QUERY"], row["similarity"], row["row"]) for row in table] == [("sun", 0.5, 3), (None, None, REMOTE)]


def test_a_basket_is_taken_away_as_a_chunk(client: Client) -> None:
    answer = client.post("/api/v1/export", json={"items": [{"row": 3, "query": "sun", "score": 0.5}], "format": "json"})
    assert answer.headers["content-disposition"] == 'attachment; filename="goldpan.json"'
    (row,) = answer.json()
    assert (row["TEXT"], row["QUERY"], row["similarity"]) == ("yellow", "sun", 0.5)
    assert [name for name in row if name in COLUMNS] == [name for name in COLUMNS if name in row]


def test_an_empty_basket_is_an_empty_file(client: Client) -> None:
    assert pq.read_table(io.BytesIO(client.post("/api/v1/export", json={"items": []}).content)).num_rows == 0
    assert client.post("/api/v1/export", json={"items": [], "format": "json"}).json() == []


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("search", {"queries": []}, 400),
        ("search", {"queries": [{}]}, 400),
        ("search", {"queries": [{"text": "a", "row": 1}]}, 400),
        ("search", {"queries": [{"text": "a"}], "kk": 1}, 400),
        ("search", {"queries": [{"text": "a"}], "pool": "none"}, 404),
        ("search", {"queries": [{"text": "a"}], "columns": ["none"]}, 404),
        ("search", {"queries": [{"text": "a"}] * 300, "k": 1}, 400),
        ("search", {"queries": [{"text": "a"}] * 200, "k": 200}, 400),
        ("search", {"queries": [{"row": 10**30}]}, 404),
        ("search", {"queries": [{"vector": [1.0]}]}, 400),
        ("rows", {"rows": [-1]}, 404),
        ("rows", {"rows": [0] * 10_001}, 400),
        ("export", {"items": [{"row": 13}]}, 404),
    ],
)
def test_what_cannot_be_done_is_refused(client: Client, path: str, body: Any, status: int) -> None:
    client.refused(f"/api/v1/{path}", body, status)


def test_names_that_are_not_there_have_words_of_their_own(client: Client) -> None:
    asked = {"queries": [{"text": "a"}]}
    assert client.refused("/api/v1/search", asked | {"pool": "none"}, 404) == "no_such_pool"
    assert client.refused("/api/v1/search", asked | {"columns": ["none"]}, 404) == "no_such_column"
    assert client.get("/api/v1/none").json() == {"error": "not_found", "message": "Not Found."}
    assert client.get("/knn-service").json() == {"error": "method_not_allowed", "message": "Method Not Allowed."}


def test_vectors_with_nan_are_refused(client: Client) -> None:
    body = json.dumps({"queries": [{"vector": [float("nan")] * 12}]}).encode()
    answer = client.post("/api/v1/search", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400


def test_what_is_asked_for_at_once_is_the_same_as_alone(client: Client) -> None:
    alone = [client.find({"text": name}, k=4)["results"] for name in NAMES]
    assert client.find(*({"text": name} for name in NAMES), k=4)["results"] == [one[0] for one in alone]


def test_a_workspace_and_an_index_without_encoder(start: Start, tmp_path: Path, colors: tuple[Path, str]) -> None:
    ws = Workspace(tmp_path / "ws", create=True)
    goldpan.acquire_folder(ws, folder=colors[0] / "pictures")
    goldpan.embed(ws, encoder=colors[1])
    client = start(pools=[ws.path, colors[0]], encoder=None)
    assert [pool["name"] for pool in client.get("/api/v1/pools").json()] == ["ws", "colors"]
    hit = client.find({"text": "magenta"}, k=1)["results"][0]["hits"][0]
    assert hit["metadata"]["id"] == "magenta.png"
    assert client.get(hit["picture"]).status_code == 200
    assert client.get("/api/v1/pools").json()[1]["takes"] == ["vector", "row"]
    assert client.find({"row": 1}, k=1, pool="colors")["results"][0]["hits"][0]["row"] == 1
    problem = client.post("/api/v1/search", json={"pool": "colors", "queries": [{"text": "red"}]})
    assert "name it with --encoder" in problem.json()["message"]


def test_an_index_of_a_workspace_shows_the_pictures_of_the_workspace(
    start: Start, tmp_path: Path, colors: tuple[Path, str]
) -> None:
    ws = Workspace(tmp_path / "ws", create=True)
    goldpan.acquire_folder(ws, folder=colors[0] / "pictures", copy_bytes=True)
    goldpan.embed(ws, encoder=colors[1])
    goldpan.index_build(vectors=str(ws.path), output=tmp_path / "index", engine="faiss:Flat")
    client = start(pools=[tmp_path / "index"], encoder=None)
    hit = client.find({"text": "magenta"}, k=1)["results"][0]["hits"][0]
    assert (hit["metadata"]["id"], hit["score"]) == ("magenta.png", pytest.approx(1, abs=1e-5))
    assert Image.open(io.BytesIO(client.get(hit["picture"]).content)).getpixel((0, 0)) == pytest.approx(
        (255, 0, 255), abs=9
    )
    assert "image" in client.knn(text="magenta", deduplicate=True)[0]


def test_packed_bits_are_searched_too(start: Start, tmp_path: Path, colors: tuple[Path, str]) -> None:
    ws = Workspace(tmp_path / "ws", create=True)
    goldpan.acquire_folder(ws, folder=colors[0] / "pictures")
    goldpan.embed(ws, encoder="phash:8")
    client = start(pools=[ws.path], encoder=None)
    (pool,) = client.get("/api/v1/pools").json()
    assert (pool["metric"], pool["compares"], pool["takes"]) == ("hamming", [], ["image", "image_url", "vector", "row"])
    assert client.find({"row": 3}, k=1)["results"][0]["hits"][0]["score"] == 0
    assert client.find({"vector": [255.0] * 8}, k=1)["results"][0]["hits"]
    for value in (0.5, -1.0, 256.0):
        client.refused("/api/v1/search", {"queries": [{"vector": [value] * 8}]}, 400)


def test_indices_json_names_the_pools(start: Start, tmp_path: Path, colors: tuple[Path, str]) -> None:
    listed = {"a/b?c": {"indice_folder": str(colors[0]), "columns_to_return": ["caption"]}}
    (tmp_path / "indices.json").write_text(json.dumps(listed))
    client = start(pools=[], indices=tmp_path / "indices.json")
    (hit,) = client.find({"text": "red"}, k=1)["results"][0]["hits"]
    assert hit["metadata"] == {"caption": "red"}
    assert client.get(hit["picture"]).status_code == 200  # whatever characters its name has


def test_images_are_fetched_where_that_is_allowed(start: Start, photo_server: str) -> None:
    port = httpx.URL(photo_server).port
    client = start(allow_private=True, ports=[port])
    assert client.find({"image_url": f"{photo_server}/orange.png"}, k=1)["results"][0]["hits"][0]["row"] == 7
    gone = client.post("/api/v1/search", json={"queries": [{"image_url": f"{photo_server}/none.png"}]})
    assert (gone.status_code, gone.json()["error"]) == (502, "not_found")
    no_image = client.post("/api/v1/search", json={"queries": [{"image_url": f"{photo_server}/text"}]})
    assert (no_image.status_code, no_image.json()["error"]) == (400, "not_an_image")
    off = start(image_urls=False)
    assert off.refused("/api/v1/search", {"queries": [{"image_url": photo_server}]}, 403) == "image_urls_off"


def test_pictures_elsewhere_are_shown_where_that_is_allowed(
    start: Start, photo_server: str, tmp_path: Path, colors: tuple[Path, str]
) -> None:
    folder = tmp_path / "far"
    (folder / "metadata").mkdir(parents=True)
    (folder / "image.index").symlink_to(colors[0] / "image.index")
    table = pq.read_table(colors[0] / "metadata").drop_columns(["url", "image_path"])
    urls = [f"{photo_server}/orange.png"] * 12 + ["file:///etc/passwd"]
    pq.write_table(table.append_column("url", [urls]), folder / "metadata" / "0.parquet")
    client = start(pools=[folder], remote_pictures=True, allow_private=True, ports=[httpx.URL(photo_server).port])
    hit = client.find({"text": "red"}, k=1)["results"][0]["hits"][0]
    shown = Image.open(io.BytesIO(client.get(hit["picture"]).content))
    assert np.allclose(np.asarray(shown).mean((0, 1)), (255, 165, 0), atol=6)
    assert client.get("/api/v1/thumbnail?row=12").json()["error"] == "scheme_not_allowed"
    closed = start(pools=[folder])
    assert closed.find({"text": "red"}, k=1)["results"][0]["hits"][0]["picture"] is None
    assert closed.get("/api/v1/thumbnail?row=0").status_code == 404
