"""retrieve semantic: what is near the captions of classes, in pools whose meaning can be checked by eye."""

import json
import shutil
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import goldpan
from goldpan.core.errors import FormatError, InputError, UnknownName
from goldpan.encoders.loading import load_encoder
from goldpan.formats.alone import alone_in
from goldpan.formats.sums import write_sums
from goldpan.imaging.opening import open_image
from goldpan.stages.retrieve import semantic
from goldpan.stages.retrieve.config import SemanticConfig
from goldpan.stages.retrieve.opening import open_pool
from goldpan.store.workspace import Workspace
from tests.web.serve.colors import NAMES, write_encoder, write_index


@pytest.fixture(scope="module")
def colors(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An index folder of clip-retrieval with images and texts of colors, and the spec of its encoder."""
    folder = tmp_path_factory.mktemp("colors")
    return write_index(folder / "colors", text=True), write_encoder(folder)


def classes(folder: Path, *names: str, **more: Any) -> Path:
    (folder / "classes.json").write_text(json.dumps({"classes": names, "templates": ["a {}"], **more}))
    return folder / "classes.json"


def settings(colors: tuple[Path, str], folder: Path, **fields: Any) -> SemanticConfig:
    usual = {"pool": colors[0], "encoder": colors[1], "output": folder / "found", "results_per_query": 3, "dedup": 0}
    listed = {} if "classes" in fields else {"classes": classes(folder, "red", "blue")}
    return SemanticConfig(**usual | listed | fields)


def found(folder: Path) -> dict[str, list[dict[str, Any]]]:
    told = defaultdict(list)
    for path in sorted((folder / "found").glob("chunk_*.json")):
        for row in json.loads(path.read_text()):
            told[row["QUERY"]].append(row)
    return dict(told)


def texts(folder: Path) -> dict[str, list[str]]:
    return {name: [row["TEXT"] for row in rows] for name, rows in found(folder).items()}


def test_the_nearest_come_first(colors: tuple[Path, str], tmp_path: Path) -> None:
    report = semantic.run(settings(colors, tmp_path))
    assert texts(tmp_path) == {"red": ["red", "#fa0500", "crimson"], "blue": ["blue", "navy", "magenta"]}
    first = found(tmp_path)["red"][0]
    assert first["URL"] == "http://photos.example/red.png"
    assert (first["row"], first["NSFW"]) == (0, "UNLIKELY")
    assert first["similarity"] == pytest.approx(1)
    assert first["similarity_image"] == first["similarity_text"] == first["similarity"]
    summary = json.loads((tmp_path / "found" / "summary.json").read_text())
    assert summary["per_class"] == {"red": 3, "blue": 3}
    assert summary["rows_a_class"] == {"mean": 3, "25%": 3, "50%": 3, "75%": 3}
    assert set(summary["scales"]) == {"image", "text"}
    assert (report.rows_in, report.rows_out) == (2, 2)


def test_classes_may_be_named_without_a_file(colors: tuple[Path, str], tmp_path: Path) -> None:
    semantic.run(settings(colors, tmp_path, classes=None, names=["red", "blue"]))
    named = texts(tmp_path)
    listed = classes(tmp_path, "red", "blue", templates=["a photo of a {}."])
    assert semantic.run(settings(colors, tmp_path, classes=listed)).already_done == 2
    assert texts(tmp_path) == named


def test_one_index_is_asked_where_one_is_wanted(colors: tuple[Path, str], tmp_path: Path) -> None:
    semantic.run(settings(colors, tmp_path, modality="text"))
    assert "similarity_image" not in found(tmp_path)["red"][0]
    (tmp_path / "images").mkdir()
    shutil.copytree(colors[0] / "metadata", tmp_path / "images" / "metadata")
    shutil.copy(colors[0] / "image.index", tmp_path / "images")
    semantic.run(settings(colors, tmp_path, pool=tmp_path / "images"))
    assert set(found(tmp_path)["red"][0]) & {"similarity_image", "similarity_text"} == {"similarity_image"}
    with pytest.raises(InputError, match="has no text index; it has: image"):
        semantic.run(settings(colors, tmp_path, pool=tmp_path / "images", modality="text"))


def test_templates_are_queries_of_their_own_or_one_mean(colors: tuple[Path, str], tmp_path: Path) -> None:
    listed = classes(tmp_path, "red", templates=["a {}", "not {} but blue"], templates_subset=["{}"])
    semantic.run(settings(colors, tmp_path, classes=listed, results_per_query=1))
    assert set(texts(tmp_path)["red"]) == {"red", "blue"}
    semantic.run(settings(colors, tmp_path, classes=listed, results_per_query=1, subset=True))
    assert texts(tmp_path) == {"red": ["red"]}
    semantic.run(settings(colors, tmp_path, classes=listed, results_per_query=1, ensemble=True))
    assert texts(tmp_path) == {"red": ["navy"]}  # between red and blue
    with pytest.raises(InputError, match="no templates_subset"):
        semantic.run(settings(colors, tmp_path, classes=classes(tmp_path, "red"), subset=True))


def test_look_alikes_leave_room_only_within_an_answer(colors: tuple[Path, str], tmp_path: Path) -> None:
    semantic.run(settings(colors, tmp_path, dedup=0.999))
    assert texts(tmp_path)["red"] == ["red", "crimson"]


def test_rows_are_left_out_by_what_is_known_of_them(colors: tuple[Path, str], tmp_path: Path) -> None:
    semantic.run(settings(colors, tmp_path, where=["TEXT != red"]))
    assert texts(tmp_path)["red"] == ["#fa0500", "crimson"]
    semantic.run(settings(colors, tmp_path, where=["caption != red"], columns=["url"]))
    assert set(found(tmp_path)["red"][0]) == {
        "URL", "similarity", "QUERY", "row", "score", "similarity_image", "similarity_text",
    }  # fmt: skip
    semantic.run(settings(colors, tmp_path, min_similarity=0.99))
    assert texts(tmp_path) == {"red": ["red", "#fa0500"], "blue": ["blue"]}
    semantic.run(settings(colors, tmp_path, per_class=1))
    assert texts(tmp_path) == {"red": ["red"], "blue": ["blue"]}
    with pytest.raises(InputError, match="no column 'height' for --where"):
        semantic.run(settings(colors, tmp_path, where=["height > 3"]))


def test_rows_marked_nsfw_are_left_out_before_the_most_of_a_class(colors: tuple[Path, str], tmp_path: Path) -> None:
    pool = tmp_path / "marked"
    shutil.copytree(colors[0], pool)
    path = pool / "metadata" / "metadata_0.parquet"
    table = pq.read_table(path)
    marks = [("NSFW", "UNSURE", None)[row % 3] for row in range(table.num_rows)]
    pq.write_table(table.set_column(table.schema.get_field_index("NSFW"), "NSFW", [marks]), path)
    semantic.run(settings(colors, tmp_path, pool=pool, per_class=2, columns=["caption"]))
    assert texts(tmp_path)["red"] == ["#fa0500"]  # of rows 0, 10 and 9
    assert "NSFW" not in found(tmp_path)["red"][0]
    semantic.run(settings(colors, tmp_path, pool=pool, per_class=2, keep_nsfw=True))
    assert texts(tmp_path)["red"] == ["red", "#fa0500"]


def test_the_same_again_asks_nothing(colors: tuple[Path, str], tmp_path: Path) -> None:
    first = semantic.run(settings(colors, tmp_path))
    before = found(tmp_path)
    again = semantic.run(settings(colors, tmp_path, min_similarity=-1.0))
    assert (first.already_done, again.already_done) == (0, 2)
    assert found(tmp_path) == before
    more = semantic.run(settings(colors, tmp_path, classes=classes(tmp_path, "red", "blue", "lime")))
    assert more.already_done == 2
    for change in ({"results_per_query": 2}, {"dedup": 0.9}, {"classes": classes(tmp_path, "red", templates=["{}"])}):
        assert semantic.run(settings(colors, tmp_path, **change)).already_done == 0


def test_another_state_of_the_pool_is_asked_anew(colors: tuple[Path, str], tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    shutil.copytree(colors[0], pool)
    semantic.run(settings(colors, tmp_path, pool=pool))
    index = faiss.read_index(str(pool / "image.index"))
    rows = index.reconstruct_n(0, index.ntotal)
    turned = faiss.IndexFlatIP(rows.shape[1])
    turned.add(rows[::-1].copy())
    for name in ("image.index", "text.index"):
        faiss.write_index(turned, str(pool / name))
    again = semantic.run(settings(colors, tmp_path, pool=pool))
    assert again.already_done == 0
    assert texts(tmp_path)["red"][0] == "no picture"  # the last row, whose vector is now that of red


def test_vectors_and_metadata_that_do_not_belong_together_are_refused(colors: tuple[Path, str], tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    shutil.copytree(colors[0], pool)
    path = pool / "metadata" / "metadata_0.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(FormatError, match="13 vectors and the metadata 12 rows; they do not belong together"):
        semantic.run(settings(colors, tmp_path, pool=pool))


def test_other_metadata_than_an_index_was_exported_with_are_refused(colors: tuple[Path, str], tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    shutil.copytree(colors[0], pool)
    write_sums(pool)
    semantic.run(settings(colors, tmp_path, pool=pool))
    path = pool / "metadata" / "metadata_0.parquet"
    rows = pq.read_table(path)
    pq.write_table(rows.take(list(range(len(rows)))[::-1]), path)  # as many, in another order
    with pytest.raises(FormatError, match=r"metadata_0\.parquet is not the one this index was written with"):
        semantic.run(settings(colors, tmp_path, pool=pool))
    path.rename(path.with_name("metadata_1.parquet"))
    with pytest.raises(FormatError, match=r"metadata_0\.parquet is not the one this index was written with"):
        semantic.run(settings(colors, tmp_path, pool=pool))


def test_indexes_are_chosen_from_a_list(colors: tuple[Path, str], tmp_path: Path) -> None:
    (tmp_path / "indices.json").write_text(json.dumps({"one": str(colors[0]), "two": str(tmp_path / "none")}))
    fields = {"pool": None, "indices": tmp_path / "indices.json"}
    semantic.run(settings(colors, tmp_path, **fields))
    assert texts(tmp_path)["red"][0] == "red"
    with pytest.raises(InputError, match="There is no folder"):
        semantic.run(settings(colors, tmp_path, index="two", **fields))
    with pytest.raises(UnknownName, match="one"):
        semantic.run(settings(colors, tmp_path, index="onne", **fields))
    for wrong in ({"pool": None}, {"indices": tmp_path / "indices.json"}, {"index": "one"}):
        with pytest.raises(InputError, match=r"--pool|--indices"):
            settings(colors, tmp_path, **wrong)


def test_a_pool_that_says_nothing_of_its_encoder(colors: tuple[Path, str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name it with --encoder"):
        semantic.run(settings(colors, tmp_path, encoder=None))
    with pytest.raises(InputError, match="encodes images only"):
        semantic.run(settings(colors, tmp_path, encoder="pixels:2"))


@pytest.fixture
def workspace(colors: tuple[Path, str], tmp_path: Path) -> Workspace:
    """Pictures with captions, of which one lacks its caption and one its picture."""
    table = pq.read_table(colors[0] / "metadata" / "metadata_0.parquet").to_pylist()[: len(NAMES)]
    listed = [{"path": row["image_path"], "caption": row["caption"], "id": row["caption"]} for row in table]
    (tmp_path / "list.json").write_text(json.dumps(listed))
    ws = Workspace(tmp_path / "ws", create=True)
    goldpan.acquire_table(ws, table=tmp_path / "list.json", id_column="id")
    goldpan.embed(ws, encoder=colors[1], where="id != 'white'")
    return ws


def test_a_workspace_is_a_pool_of_its_images_and_captions(
    colors: tuple[Path, str], tmp_path: Path, workspace: Workspace
) -> None:
    assert open_pool(workspace.path).modalities == ("image",)
    goldpan.embed(workspace, encoder=colors[1], column="caption", where="id != 'navy'")
    pool = open_pool(workspace.path)
    assert (pool.modalities, pool.n) == (("image", "text"), len(NAMES))
    listed = classes(tmp_path, "white", "navy", "red")
    semantic.run(settings(colors, tmp_path, pool=workspace.path, encoder=None, classes=listed, results_per_query=1))
    told = found(tmp_path)
    assert [row["TEXT"] for row in told["red"]] == ["red"]
    white = next(row for row in told["white"] if row["TEXT"] == "white")
    assert (white["similarity_image"], white["similarity_text"]) == (None, pytest.approx(1))
    navy = next(row for row in told["navy"] if row["TEXT"] == "navy")
    assert (navy["similarity_image"], navy["similarity_text"]) == (pytest.approx(1), None)
    assert Path(navy["image_path"]).is_file()
    zeros = pool.vectors(np.array([pool.n - 1]), "image")
    assert not zeros.any()


def test_what_a_source_carried_along_is_known_of_a_row(
    colors: tuple[Path, str], tmp_path: Path, workspace: Workspace
) -> None:
    """Columns of a list that are none of `images` lie in `extra`: NSFW too, which is heeded."""
    first = json.loads((tmp_path / "list.json").read_text())
    listed = [row | {"id": f"{row['id']} again", "NSFW": "NSFW", "shop": "a"} for row in first]
    (tmp_path / "more.json").write_text(json.dumps(listed))
    goldpan.acquire_table(workspace, table=tmp_path / "more.json", id_column="id")
    goldpan.embed(workspace, encoder=colors[1])
    fields = {"pool": workspace.path, "encoder": None, "results_per_query": 2}
    semantic.run(settings(colors, tmp_path, **fields))
    (row,) = found(tmp_path)["red"]
    assert row["id"] == "red"
    assert "shop" not in row
    semantic.run(settings(colors, tmp_path, keep_nsfw=True, columns=["id", "shop"], where=["shop = a"], **fields))
    (row,) = found(tmp_path)["red"]
    assert (row["id"], row["shop"]) == ("red again", "a")


def test_a_workspace_that_was_made_anew_is_asked_anew(
    colors: tuple[Path, str], tmp_path: Path, workspace: Workspace
) -> None:
    fields = {"pool": workspace.path, "encoder": None}
    assert semantic.run(settings(colors, tmp_path, **fields)).already_done == 0
    assert semantic.run(settings(colors, tmp_path, **fields)).already_done == 2
    shutil.rmtree(workspace.path)
    again = Workspace(workspace.path, create=True)
    goldpan.acquire_table(again, table=tmp_path / "list.json", id_column="id")
    goldpan.embed(again, encoder=colors[1], where="id != 'red'")
    assert semantic.run(settings(colors, tmp_path, **fields)).already_done == 0
    assert texts(tmp_path)["red"][0] == "crimson"


def test_one_run_at_a_time_writes_to_a_folder(colors: tuple[Path, str], tmp_path: Path) -> None:
    with alone_in(tmp_path / "found"), pytest.raises(InputError, match="Another run writes to"):
        semantic.run(settings(colors, tmp_path))
    semantic.run(settings(colors, tmp_path))
    with pytest.raises(UnknownName, match="captoin"):
        semantic.run(settings(colors, tmp_path, columns=["captoin"]))


def test_captions_alone_are_a_pool(colors: tuple[Path, str], tmp_path: Path) -> None:
    ws = Workspace(tmp_path / "ws", create=True)
    pictures = colors[0] / "pictures"
    (tmp_path / "list.json").write_text(json.dumps([{"path": str(pictures / "red.png"), "caption": "a red"}]))
    goldpan.acquire_table(ws, table=tmp_path / "list.json")
    with pytest.raises(InputError, match="holds no vectors; make some"):
        open_pool(ws.path)
    goldpan.embed(ws, encoder=colors[1], column="caption")
    assert open_pool(ws.path).modalities == ("text",)


def test_several_encoders_have_to_be_chosen_from(
    colors: tuple[Path, str], tmp_path: Path, workspace: Workspace
) -> None:
    goldpan.embed(workspace, encoder="pixels:2")
    with pytest.raises(InputError, match="holds several vectors: colors_encoder, pixels_2; choose with --encoder"):
        open_pool(workspace.path)
    assert open_pool(workspace.path, "pixels:2").dim == 12


def test_an_index_of_a_workspace_knows_its_encoder(
    colors: tuple[Path, str], tmp_path: Path, workspace: Workspace
) -> None:
    goldpan.index_build(vectors=str(workspace.path / "vectors/colors_encoder.lance"), output=tmp_path / "index")
    pool = open_pool(tmp_path / "index")
    assert pool.modalities == ("image",)
    semantic.run(settings(colors, tmp_path, pool=tmp_path / "index", encoder=None, dedup=0.999))
    assert found(tmp_path)["red"][0]["row"] == 0


@pytest.mark.slow
def test_images_and_texts_together_find_more_classes_than_either(shared: Path, tmp_path: Path) -> None:
    """The figures of docs/retrieve.md."""
    encoder = load_encoder(f"onnx:{shared / 'models/dual-encoder'}")
    paths = sorted((shared / "data/imagenet1k").glob("*.jpg"))
    names = [path.stem.split("_", 1)[1].replace("_", " ") for path in paths]
    real = pq.read_table(shared / "data/captions/laion_10000.parquet")["TEXT"].to_pylist()
    captions = [f"{name}, {real[i]}" if i % 2 == 0 else real[i] for i, name in enumerate(names)]

    def images(start: int) -> np.ndarray:
        return encoder.encode(np.stack([encoder.prepare(open_image(path).image) for path in paths[start : start + 20]]))

    with ThreadPoolExecutor(encoder.concurrency) as pool:
        vectors = {"image": np.concatenate(list(pool.map(images, range(0, 1000, 20))))}
    vectors["text"] = np.concatenate([encoder.encode_text([caption]) for caption in captions])
    for side, rows in vectors.items():
        index = faiss.IndexFlatIP(encoder.dim)
        index.add(np.ascontiguousarray(rows, np.float32))
        faiss.write_index(index, str(tmp_path / f"{side}.index"))
    (tmp_path / "metadata").mkdir()
    pq.write_table(pa.table({"of": names}), tmp_path / "metadata/metadata_0.parquet")

    def share(modality: str) -> float:
        output = tmp_path / "found"
        goldpan.retrieve_semantic(
            pool=tmp_path, encoder=f"onnx:{shared / 'models/dual-encoder'}", names=names, output=output,
            modality=modality, results_per_query=20, per_class=5, columns=["of"],
        )  # fmt: skip
        rows = [row for rows in found(tmp_path).values() for row in rows]
        return len({row["QUERY"] for row in rows if row["of"] == row["QUERY"]}) / len(set(names))

    shares = {modality: share(modality) for modality in ("image", "text", "both")}
    assert shares == pytest.approx({"image": 0.77, "text": 0.42, "both": 0.79}, abs=0.01)
