"""retrieve filter: images that show their class stay, and those that repeat a test set go, each with its reason."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import goldpan
from goldpan.core.errors import FormatError, InputError
from goldpan.core.records import Report
from goldpan.store.workspace import Workspace
from tests.stages.conftest import add_vectors
from tests.web.serve.colors import write_encoder

PICTURES = {  # id: (label, color)
    "a": ("red", "red"),
    "b": ("red", "#f01000"),
    "c": ("Red", "crimson"),
    "d": ("red", "blue"),
    "e": ("navy_blue", "blue"),
    "f": ("navy_blue", "lime"),
    "g": ("ox", "white"),
    "h": (None, "red"),
}


@pytest.fixture
def encoder(tmp_path: Path) -> str:
    return write_encoder(tmp_path)


def workspace(folder: Path, name: str, pictures: dict[str, tuple[str | None, str]], encoder: str) -> Workspace:
    (folder / f"{name}_pictures").mkdir()
    listed = []
    for key, (label, color) in pictures.items():
        path = folder / f"{name}_pictures" / f"{key}.png"
        Image.new("RGB", (8, 8), color).save(path)
        listed.append({"id": key, "path": str(path), "label": label})
    (folder / f"{name}.json").write_text(json.dumps(listed))
    ws = Workspace(folder / name, create=True)
    goldpan.acquire_table(ws, table=folder / f"{name}.json", id_column="id", label_column="label")
    goldpan.embed(ws, encoder=encoder)
    return ws


@pytest.fixture
def ws(tmp_path: Path, encoder: str) -> Workspace:
    return workspace(tmp_path, "ws", PICTURES, encoder)


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    (tmp_path / "classes.json").write_text(json.dumps({"classes": ["red", "navy blue"], "templates": ["a {}"]}))
    return tmp_path / "classes.json"


def run(ws: Workspace, folder: Path, **fields: Any) -> tuple[str, dict[str, str], Report]:
    """Filter; return the ids that stay, the reasons of the others, and the report."""
    report = goldpan.retrieve_filter(ws, output=folder / "kept.txt", **fields)
    kept = (folder / "kept.txt").read_text().split("\n")[:-1]
    with (folder / "kept.reasons.csv").open(newline="") as file:
        told = {row["id"]: row for row in csv.DictReader(file)}
    assert list(told) == list(PICTURES)
    reasons = {key: row["left_out"] for key, row in told.items() if row["left_out"]}
    assert [key for key in told if key not in reasons] == kept
    assert report.details["kept"] == len(kept)
    assert sum(report.details["left_out"].values()) == len(reasons)
    return "".join(kept), reasons, report


def test_images_stay_that_are_near_the_text_of_their_class(ws: Workspace, tmp_path: Path, classes: Path) -> None:
    kept, reasons, report = run(ws, tmp_path, classes=classes, threshold=0.5)
    assert kept == "abce"
    assert reasons == {
        "d": "far_from_text: -0.3333 < 0.5",
        "f": "far_from_text: -0.3333 < 0.5",
        "g": "class_not_listed: ox",
        "h": "class_not_listed: None",
    }
    assert report.details["left_out"] == {"class_not_listed": 2, "far_from_text": 2}
    with (tmp_path / "kept.reasons.csv").open(newline="") as file:
        scores = {row["id"]: row["similarity"] for row in csv.DictReader(file)}
    assert float(scores["a"]) == pytest.approx(1)
    assert scores["g"] == ""


def test_the_text_of_a_class_is_the_mean_of_its_templates(ws: Workspace, tmp_path: Path) -> None:
    listed = {"classes": ["red"], "templates": ["a {}", "not {} but blue"]}
    (tmp_path / "two.json").write_text(json.dumps(listed))
    _, reasons, _ = run(ws, tmp_path, classes=tmp_path / "two.json", threshold=0.9)
    assert reasons["a"] == "far_from_text: 0.5774 < 0.9"


def test_the_best_of_each_class(ws: Workspace, tmp_path: Path, classes: Path) -> None:
    kept, reasons, _ = run(ws, tmp_path, classes=classes, top_percent=50)
    assert kept == "abce"  # 2 of 3 `red`, 1 of 1 `Red`, 1 of 2 `navy_blue`
    assert reasons["d"] == "not_among_the_nearest: 2 of red"
    kept, reasons, _ = run(ws, tmp_path, classes=classes, threshold=-1, per_class=1)
    assert kept == "ace"
    assert reasons["b"] == "not_among_the_nearest: 1 of red"


def test_thresholds_of_classes(ws: Workspace, tmp_path: Path, classes: Path) -> None:
    listed = tmp_path / "thresholds.json"
    listed.write_text('{"red": 0.999, "Navy Blue": -1}')
    kept, reasons, _ = run(ws, tmp_path, classes=classes, class_thresholds=listed)
    assert kept == "aef"
    assert reasons["b"].endswith("< 0.999")
    listed.write_text('{"red": "high"}')
    with pytest.raises(FormatError, match="thresholds of classes are"):
        run(ws, tmp_path, classes=classes, class_thresholds=listed)
    listed.write_text('{"rot": 0.5}')
    with pytest.raises(FormatError, match="'rot' is none of the classes of"):
        run(ws, tmp_path, classes=classes, class_thresholds=listed)


def test_the_nearest_of_some_texts(ws: Workspace, tmp_path: Path) -> None:
    kept, _, _ = run(ws, tmp_path, texts=["a red", "a white"], threshold=0.99)
    assert kept == "abgh"


def test_what_repeats_an_image_of_the_test_set_goes(ws: Workspace, tmp_path: Path, classes: Path, encoder: str) -> None:
    workspace(tmp_path, "test", {"t1": ("x", "#ff0200"), "t2": ("x", "lime")}, encoder)
    fields = {"against": tmp_path / "test", "against_encoder": encoder, "against_threshold": 0.99}
    kept, reasons, _ = run(ws, tmp_path, **fields)
    assert kept == "cdeg"
    assert reasons["a"] == "in_test_set: t1 (1.0000)"
    assert reasons["f"] == "in_test_set: t2 (1.0000)"
    kept, reasons, _ = run(ws, tmp_path, classes=classes, threshold=0.5, **fields)
    assert kept == "ce"
    assert reasons["f"].startswith("far_from_text")  # the first reason is told


def test_images_without_a_vector_cannot_stay(ws: Workspace, tmp_path: Path, classes: Path, encoder: str) -> None:
    ws.find_vectors(encoder).delete("id = 'a'")
    _, reasons, _ = run(ws, tmp_path, classes=classes, threshold=-1)
    assert reasons["a"] == "no_vector"
    _, reasons, _ = run(ws, tmp_path, against=ws.path, against_encoder=encoder, against_threshold=2)
    assert reasons == {"a": "no_vector"}


def test_the_encoder_of_texts_is_found_beside_another_for_the_test_set(
    ws: Workspace, tmp_path: Path, classes: Path
) -> None:
    add_vectors(ws, "isc", list(PICTURES), np.eye(len(PICTURES), 16, dtype=np.float32), "ip")
    test = Workspace(tmp_path / "test", create=True)
    add_vectors(test, "isc", ["t"], np.eye(1, 16, dtype=np.float32), "ip")
    kept, reasons, _ = run(ws, tmp_path, classes=classes, threshold=0.5, against=test.path, against_encoder="isc")
    assert kept == "bce"
    assert reasons["a"] == "in_test_set: t (1.0000)"


def test_what_stays_is_written_by_class(ws: Workspace, tmp_path: Path, classes: Path) -> None:
    out = tmp_path / "images"
    _, _, report = run(ws, tmp_path, classes=classes, threshold=0.5, imagefolder=out)
    files = {str(path.relative_to(out)) for path in out.rglob("*.png")}
    assert files == {"red/a.png", "red/b.png", "Red/c.png", "navy_blue/e.png"}
    assert (out / "red/a.png").read_bytes() == (tmp_path / "ws_pictures/a.png").read_bytes()
    told = json.loads((out / "metadata.json").read_text())
    assert (told["a"]["QUERY"], told["a"]["width"]) == ("red", 8)
    (tmp_path / "ws_pictures/a.png").unlink()
    (out / "red/a.png").unlink()
    _, _, report = run(ws, tmp_path, classes=classes, threshold=0.5, imagefolder=out)
    assert report.failures == {"missing_file": 1}
    assert "a" not in json.loads((out / "metadata.json").read_text())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "Nothing to filter by: give --classes, --texts or --against"),
        ({"texts": ["a"], "classes": "c.json"}, "--classes or --texts, not both"),
        ({"texts": ["a"], "top_percent": 3, "class_thresholds": "t.json"}, "--class-thresholds or --top-percent"),
        ({"against": "x"}, "give both or none"),
        ({"against": "x", "against_encoder": "y", "per_class": 3}, "compare with a text: give --classes"),
        ({"texts": ["a"], "top_percent": 0}, "top_percent"),
        ({"texts": ["a"], "encoder": "phash:8"}, "phash:8"),
        ({"classes": "none.json"}, "There is no file none.json"),
    ],
)
def test_what_cannot_be_is_said(ws: Workspace, tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(ws, tmp_path, **fields)


def test_vectors_that_texts_compare_to_are_needed(tmp_path: Path) -> None:
    ws = Workspace(tmp_path / "empty", create=True)
    with pytest.raises(InputError, match="holds no images; fetch what was retrieved"):
        goldpan.retrieve_filter(ws, output=tmp_path / "kept.txt", texts=["a"])
    ws.images.append_rows([{"id": "a", "uri": "/a.png"}])
    with pytest.raises(InputError, match="0 tables of vectors that texts compare to"):
        goldpan.retrieve_filter(ws, output=tmp_path / "kept.txt", texts=["a"])


def test_real_photos_stay_with_their_own_name_and_go_with_another(shared: Path, tmp_path: Path) -> None:
    """Of 30 photos labeled right and 30 labeled wrong, the best half of each class are the right ones."""
    photos = sorted((shared / "data/imagenet1k").iterdir())[:30]
    names = [path.stem.partition("_")[2] for path in photos]
    listed = [{"id": f"{i}", "path": str(path), "label": names[i]} for i, path in enumerate(photos)]
    listed += [{"id": f"x{i}", "path": str(photos[i - 15]), "label": names[i]} for i in range(30)]
    (tmp_path / "list.json").write_text(json.dumps(listed))
    (tmp_path / "classes.json").write_text(json.dumps([name.replace("_", " ") for name in names]))
    ws = Workspace(tmp_path / "ws", create=True)
    goldpan.acquire_table(ws, table=tmp_path / "list.json", id_column="id")
    goldpan.embed(ws, encoder=f"onnx:{shared / 'models/dual-encoder'}")
    goldpan.retrieve_filter(ws, classes=tmp_path / "classes.json", top_percent=50, output=tmp_path / "kept.txt")
    kept = (tmp_path / "kept.txt").read_text().split()
    assert len(kept) == 30
    assert sum(not key.startswith("x") for key in kept) >= 28
