"""clip-retrieval as the judge: its client asks our server, its server answers from our index, ours like it."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import faiss
import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

import goldpan
from goldpan.stages.index.config import IndexExportConfig
from goldpan.stages.index.export import export
from goldpan.store.workspace import Workspace
from tests.ports import free_port
from tests.web.browser import chromium
from tests.web.serve import peer
from tests.web.serve.conftest import Client, Start, folder_server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtual environment that has clip-retrieval."""
    try:
        return peer.make(tmp_path_factory.mktemp("peer") / "venv")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"clip-retrieval cannot be installed: {error.stderr.decode()[-300:]}")


def asked(python: Path, *questions: dict[str, Any]) -> list[Any]:
    words = [python, "-W", "ignore", peer.__file__, "client"]
    done = subprocess.run(words, input=json.dumps(questions), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


def test_their_client_asks_our_server(python: Path, start: Start, colors: tuple[Path, str]) -> None:
    server = start(public=True, host="127.0.0.1")
    given = {"url": f"{server.server.address}knn-service", "indice_name": "colors"}
    few = given | {"num_images": 3, "deduplicate": False}
    image, vector, text, usual = asked(
        python,
        {"client": few, "query": {"image": str(colors[0] / "pictures" / "cyan.png")}},
        {"client": few, "query": {"embedding_input": [-0.5, -0.5, 0.5] * 4}},
        {"client": few | {"modality": "text"}, "query": {"text": "a photo of navy"}},
        {"client": given, "query": {"text": "red"}},
    )
    assert [found[0]["caption"] for found in (image, vector, text, usual)] == ["cyan", "blue", "navy", "red"]
    assert {"url", "image_path", "caption", "NSFW", "id", "similarity", "image"} <= set(image[0])
    assert len(image) == 3
    assert len(usual) > 3


def test_their_front_shows_what_our_server_finds(python: Path, start: Start) -> None:
    server = start(public=True, host="127.0.0.1")
    (front,) = python.parents[1].glob("lib/python3*/site-packages/front/build")
    asked: list[str] = []
    with folder_server(front) as address, chromium() as browser:
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/?back={server.server.address}&index=colors&query=red&useMclip=false")
        page.locator("img[src='http://photos.example/red.png']").wait_for(state="attached", timeout=20_000)
        shown = page.locator("img[src^='http://photos.example/']").count()
    assert shown >= 8
    assert {f"{server.server.address}/{path}" for path in ("indices-list", "knn-service")} <= set(asked)  # two slashes


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Path:
    """A hundred photos, embedded, indexed and exported by us."""
    folder = tmp_path_factory.mktemp("exported")
    (folder / "photos").mkdir()
    for photo in sorted((shared / "data/imagenet1k").iterdir())[:100]:
        (folder / "photos" / photo.name).symlink_to(photo)
    ws = Workspace(folder / "ws", create=True)
    goldpan.acquire_folder(ws, folder=folder / "photos")
    goldpan.embed(ws, encoder=f"onnx:{shared / 'models/dual-encoder'}")
    goldpan.index_build(vectors=str(ws.path), engine="faiss:HNSW16", output=folder / "ours")
    export(IndexExportConfig(index=folder / "ours", output=folder / "theirs"))
    return folder


@pytest.fixture
def back(python: Path, exported: Path) -> Iterator[str]:
    """Their server over our index; its address."""
    (exported / "indices.json").write_text(json.dumps({"photos": str(exported / "theirs")}))
    with their_server(python, exported / "indices.json") as address:
        yield address


@contextmanager
def their_server(python: Path, indices: Path) -> Iterator[str]:
    """Run their server; gives its address."""
    port = free_port()
    words, log_file = [python, "-W", "ignore", peer.__file__, "back", indices, port], indices.with_name("log")
    with log_file.open("w") as log:
        server = subprocess.Popen(list(map(str, words)), stdout=log, stderr=log)
        try:
            for _ in range(300):
                assert server.poll() is None, log_file.read_text()
                try:
                    httpx.get(f"http://127.0.0.1:{port}/indices-list")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()
            server.wait(20)


def test_their_server_answers_from_our_index_as_ours_does(back: str, exported: Path, start: Start) -> None:
    ours = start(pools=[], indices=exported / "indices.json", encoder=None)
    vectors = Workspace(exported / "ws").vectors("onnx_dual-encoder").array
    assert ours.get("/indices-list").json() == httpx.get(f"{back}indices-list").json() == ["photos"]
    for row in (0, 7, 99):
        for options in ({}, {"deduplicate": True}, {"num_images": 2, "num_result_ids": 9}):
            body = {"embedding_input": (2 * vectors[row]).tolist(), "modality": "image", "num_images": 5} | options
            _same(ours, back, "knn-service", body | {"indice_name": "photos"})
    _same(ours, back, "metadata", {"indice_name": "photos", "ids": [5, 0, 5]})
    _same(ours, back, "metadata", {"indice_name": "photos", "ids": []})


@pytest.fixture(scope="module")
def made_by_them(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven parts of embeddings, their numbers unpadded, indexed by clip-retrieval; and lists of theirs on disk."""
    folder = tmp_path_factory.mktemp("made")
    random = np.random.default_rng(11)
    for name in ("img_emb", "text_emb", "metadata"):
        (folder / "embeddings" / name).mkdir(parents=True)
    for part in range(11):
        for side in ("img_emb", "text_emb"):
            np.save(folder / f"embeddings/{side}/{side}_{part}.npy", _unit(random, 300).astype(np.float16))
        told = {"caption": [f"{part} \u00e9 {row}" for row in range(300)], "url": [f"http://a/{part}"] * 300}
        pq.write_table(pa.table(told), folder / f"embeddings/metadata/metadata_{part}.parquet")
    words = [python, "-W", "ignore", peer.__file__, "index", folder / "embeddings", folder / "hnsw"]
    subprocess.run(list(map(str, words)), check=True, capture_output=True, timeout=300)
    (folder / "hnsw/arrow/image.index").symlink_to(folder / "hnsw/image.index")
    _write_lists(folder / "lists", _unit(random, 3300))
    (folder / "lists" / "metadata").symlink_to(folder / "hnsw/metadata")
    return folder


def _unit(random: np.random.Generator, rows: int) -> NDArray[np.float32]:
    vectors = random.standard_normal((rows, 32), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _write_lists(folder: Path, vectors: NDArray[np.float32]) -> None:
    """Write an index of lists, as autofaiss makes them of many millions, whose metadata may be reordered."""
    folder.mkdir()
    index = faiss.index_factory(32, "IVF16_HNSW32,PQ8x4", faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    index.add(vectors)
    faiss.ParameterSpace().set_index_parameters(index, "nprobe=16,efSearch=32,ht=2048")
    faiss.write_index(index, str(folder / "image.index"))


def test_ours_serves_what_they_made_as_theirs_does(python: Path, made_by_them: Path, start: Start) -> None:
    plain = {"enable_hdf5": False, "use_arrow": False, "reorder_metadata_by_ivf_index": False}
    told = {"columns_to_return": ["caption", "url"]}
    pools = {
        "hnsw": {"indice_folder": str(made_by_them / "hnsw")} | plain | told,
        "arrow": {"indice_folder": str(made_by_them / "hnsw/arrow")} | plain | told | {"use_arrow": True},
        "lists": {"indice_folder": str(made_by_them / "lists")}
        | plain | told | {"enable_hdf5": True, "reorder_metadata_by_ivf_index": True},
    }  # fmt: skip
    indices = made_by_them / "indices.json"
    indices.write_text(json.dumps(pools))
    with their_server(python, indices) as back:
        ours = start(pools=[], indices=indices, encoder=None)
        assert ours.get("/indices-list").json() == httpx.get(f"{back}indices-list").json() == list(pools)
        for name, modality in (("hnsw", "image"), ("hnsw", "text"), ("arrow", "image"), ("lists", "image")):
            for query in _unit(np.random.default_rng(12), 5).tolist():
                asked = {"embedding_input": query, "modality": modality, "indice_name": name}
                _same(ours, back, "knn-service", asked | {"num_images": 5, "num_result_ids": 20})
            _same(ours, back, "metadata", {"indice_name": name, "ids": [0, 3299, 1500, 0]})


def _same(ours: Client, back: str, path: str, body: dict[str, Any]) -> None:
    """Both answer the same, but for the last digits of similarities and the bytes of pictures."""
    mine, theirs = ours.post(f"/{path}", json=body), httpx.post(f"{back}{path}", json=body, timeout=30)
    assert mine.status_code == theirs.status_code == 200, theirs.text
    assert _comparable(mine.json()) == _comparable(theirs.json())


def _comparable(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    plain = [row.get("metadata", {}) | row for row in rows]
    for row in plain:
        row.pop("metadata", None)
        row["image"] = "image" in row
        row["similarity"] = pytest.approx(row["similarity"], abs=1e-5) if "similarity" in row else None
        row["url"] = row.get("url") or None  # pandas makes nan of what is not there
    return plain


def test_the_metrics_have_their_names(back: str, start: Start) -> None:
    theirs = _names(httpx.get(f"{back}metrics", headers={"Accept": "text/plain"}, follow_redirects=True).text)
    assert _names(start().get("/metrics").text) == theirs
    assert "full_knn_request_time" in theirs


def _names(text: str) -> set[str]:
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
