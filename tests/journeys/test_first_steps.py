"""From photos to a published benchmark, as a newcomer types it, on the real photos and the real model."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.journeys.conftest import Shell


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> tuple[Shell, Path]:
    goldpan = Shell(tmp_path_factory.mktemp("first"))
    goldpan("init", "ws")
    pattern = r"(?P<wnid>n\d{8})_(?P<label>.+)"
    report = goldpan.json("acquire", "folder", "ws", shared / "data/imagenet1k", "--label-pattern", pattern)
    assert (report["rows_in"], report["rows_out"], report["failed"]) == (1000, 1000, 0)
    report = goldpan.json("embed", "ws", "--encoder", f"onnx:{shared}/models/dual-encoder")
    assert report["rows_out"] == 1000
    return goldpan, shared / "models/dual-encoder"


def test_text_finds_the_dog(made: tuple[Shell, Path]) -> None:
    goldpan, _ = made
    answer = goldpan.json("search", "ws", "a photo of a golden retriever", "-k", 5)
    assert [hit["rank"] for hit in answer["results"]] == [1, 2, 3, 4, 5]
    assert "golden_retriever" in [hit["label"] for hit in answer["results"]]
    scores = [hit["score"] for hit in answer["results"]]
    assert scores == sorted(scores, reverse=True)


def test_an_image_finds_itself(made: tuple[Shell, Path], shared: Path) -> None:
    goldpan, _ = made
    photo = shared / "data/imagenet1k/n01440764_tench.jpg"
    for query in (("--image", photo), ("--id", photo.name)):
        first = goldpan.json("search", "ws", *query, "-k", 3)["results"][0]
        assert (first["id"], round(first["score"], 4)) == (photo.name, 1.0)


def test_where_and_html(made: tuple[Shell, Path]) -> None:
    goldpan, _ = made
    answer = goldpan.json(
        "search", "ws", "a fish", "--where", "label IN ('tench', 'goldfish')", "-k", 2, "--html", "f.html"
    )
    assert {hit["label"] for hit in answer["results"]} == {"tench", "goldfish"}
    page = (goldpan.folder / "f.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 2
    assert "http" not in page.replace("http-equiv", "")


def test_a_benchmark_is_made_and_verified(made: tuple[Shell, Path]) -> None:
    goldpan, model = made
    words = ("--queries", 100, "--learn", 100, "--k", 10, "--metric", "ip", "--seed", 1234, "-o", "release")
    goldpan("bench", "make", "ws", "--encoder", f"onnx:{model}", *words)
    assert goldpan("verify", "release").stdout.endswith("verified\n")
    release = goldpan.folder / "release"
    goldpan("truth", release / "base.fvecs", release / "queries.fvecs", "--metric", "ip", "-k", 10, "-o", "truth.ivecs")
    assert (goldpan.folder / "truth.ivecs").read_bytes() == (release / "gtruth.ivecs").read_bytes()
    goldpan("convert", release / "base.fvecs", "base.fbin")
    goldpan("convert", "base.fbin", "again.fvecs")
    assert (goldpan.folder / "again.fvecs").read_bytes() == (release / "base.fvecs").read_bytes()


def test_status_and_log_tell_what_happened(made: tuple[Shell, Path]) -> None:
    goldpan, _ = made
    tables = goldpan.json("status", "ws")["tables"]
    assert tables["images"]["rows"] == 1000
    assert tables["failures"]["rows"] == 0
    assert tables["vectors/onnx_dual-encoder"]["rows"] == 1000
    stages = [run["stage"] for run in goldpan.json("log", "ws")]
    assert stages[:2] == ["acquire folder", "embed"]


def test_zero_shot_from_the_workspace(made: tuple[Shell, Path]) -> None:
    import goldpan as library

    goldpan, model = made
    ws = library.Workspace(goldpan.folder / "ws")
    ids, vectors = ws.vectors(f"onnx:{model}")
    labels = ws.images.to_table(columns=["label"])["label"].to_pylist()
    prompts = [f"a photo of a {label.replace('_', ' ')}." for label in labels]
    words = library.load_encoder(f"onnx:{model}").encode_text(prompts)
    hits = library.exact_search(vectors, words, 5, "cosine").neighbors.ids
    recall = np.mean([i in row for i, row in enumerate(hits)])
    assert recall == pytest.approx(0.774, abs=0.01)
    assert len(ids) == 1000


def test_a_broken_photo_is_a_row(goldpan: Shell, shared: Path) -> None:
    (goldpan.folder / "p").mkdir()
    photo = shared / "data/imagenet1k/n01440764_tench.jpg"
    shutil.copy(photo, goldpan.folder / "p" / "good.jpg")
    (goldpan.folder / "p" / "cut.jpg").write_bytes(photo.read_bytes()[:5000])
    goldpan("init", "ws")
    report = goldpan.json("acquire", "folder", "ws", "p", code=3)
    assert (report["rows_out"], report["failures"]) == (1, {"truncated": 1})
    assert goldpan.json("acquire", "folder", "ws", "p", "--max-failures", "50%")["failed"] == 1
    # The file goes after it was acquired: embedding counts it and goes on.
    (goldpan.folder / "p" / "good.jpg").unlink()
    assert goldpan.json("embed", "ws", "--encoder", "phash:8", code=3)["failures"] == {"missing_file": 1}
    assert goldpan.json("status", "ws")["tables"]["failures"]["rows"] == 2
