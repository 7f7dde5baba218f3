"""Index folders: built whole, tied to their metadata, changed in one step."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import faiss
import numpy as np
import pyarrow.parquet as pq
import pytest

from goldpan.core.errors import FormatError, InputError
from goldpan.formats.clip_indices import check_metadata
from goldpan.formats.sums import check_sums
from goldpan.formats.truth import read_truth
from goldpan.formats.vectors import write_vectors
from goldpan.search.engines.loading import load_index
from goldpan.search.exact import exact_search
from goldpan.stages.index import folder as folders
from goldpan.stages.index.config import (
    IndexAddConfig,
    IndexBuildConfig,
    IndexExportConfig,
    IndexRemoveConfig,
    IndexSearchConfig,
)
from goldpan.stages.index.export import export
from goldpan.stages.index.run import add, build, info, remove, search
from goldpan.store.workspace import Workspace

DIM = 16
BASE = np.random.default_rng(0).standard_normal((600, DIM)).astype(np.float32)
IVF = "faiss:IVF8,Flat@nprobe=8"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name, rows in (("base", BASE[:500]), ("new", BASE[500:]), ("queries", BASE[::50] + 0.01)):
        write_vectors(tmp_path / f"{name}.fvecs", [rows], dim=DIM, dtype="float32")
    return tmp_path


def built(place: Path, **fields: object) -> Path:
    given = {"vectors": str(place / "base.fvecs"), "metric": "l2", "engine": IVF, "output": place / "index"} | fields
    build(IndexBuildConfig(**given))
    return Path(str(given["output"]))


def asked(index: Path, place: Path, **fields: object) -> np.ndarray:
    return search(IndexSearchConfig(index=index, queries=str(place / "queries.fvecs"), **fields)).neighbors.ids


def test_an_index_of_a_file_answers_as_exact_search(place: Path) -> None:
    index = built(place)
    truth = exact_search(BASE[:500], BASE[::50] + np.float32(0.01), 10, "l2").neighbors
    np.testing.assert_array_equal(asked(index, place), truth.ids)
    record = info(index)
    assert (record["engine"], record["rows"], record["dim"], record["metric"]) == (IVF, 500, DIM, "l2")
    assert record["parameters"] == {"nprobe": 8.0}
    assert record["measured"]["recall"] == 1.0 and record["measured"]["p99_ms"] > 0
    assert load_index(index).n == 500


def test_autofaiss_names(place: Path) -> None:
    infos = json.loads((built(place) / "index_infos.json").read_text())
    assert infos["index_key"] == "IVF8,Flat" and infos["index_param"] == "nprobe=8"
    assert infos["nb vectors"] == 500 and infos["vectors dimension"] == DIM
    assert infos["compression ratio"] == pytest.approx(500 * DIM * 4 / infos["size in bytes"], rel=1e-3)
    assert infos["avg_search_speed_ms"] > 0 and infos["99p_search_speed_ms"] > 0
    unmeasured = json.loads((built(place, measure=0, output=place / "other") / "index_infos.json").read_text())
    assert "avg_search_speed_ms" not in unmeasured


def test_rows_come_and_go(place: Path) -> None:
    index = built(place)
    add(IndexAddConfig(index=index, vectors=str(place / "new.fvecs")))
    assert info(index)["rows"] == 600
    np.testing.assert_array_equal(asked(index, place)[:, 0], np.arange(0, 600, 50))
    (place / "gone.txt").write_text("0\n550\n\n")
    remove(IndexRemoveConfig(index=index, ids=place / "gone.txt"))
    assert info(index)["rows"] == 598
    assert not np.isin(asked(index, place), [0, 550]).any()
    add(IndexAddConfig(index=index, vectors=str(place / "new.fvecs")))
    assert info(index)["next_row"] == 700  # a row number is never given twice
    assert "measured" not in info(index)
    with pytest.raises(InputError, match="not in the index"):
        remove(IndexRemoveConfig(index=index, ids=place / "gone.txt"))
    assert info(index)["rows"] == 698


def test_metadata_of_a_workspace_go_along(filled: Workspace, tmp_path: Path) -> None:
    output = tmp_path / "index"
    with pytest.raises(InputError, match="choose with --encoder"):
        build(IndexBuildConfig(vectors=str(filled.path), output=output))
    build(IndexBuildConfig(vectors=str(filled.path), encoder="toy", output=output, engine="flat"))
    assert info(output)["metric"] == "cosine"
    table = pq.read_table(output / "metadata.parquet")
    assert table.column_names == ["row", "id", "uri", "label", "width", "parent_id"]
    assert table["id"].to_pylist() == [f"i{i:03}" for i in range(300)]
    found = search(IndexSearchConfig(index=output, queries=str(filled.path / "vectors/toy.lance"), k=1))
    hit = next(found.hits(17))
    assert (hit["id"], hit["uri"], hit["label"]) == ("i017", "/somewhere/i017.jpg", "c")
    (tmp_path / "gone.txt").write_text("i017\ni299\n")
    remove(IndexRemoveConfig(index=output, ids=tmp_path / "gone.txt"))
    assert "i017" not in pq.read_table(output / "metadata.parquet")["id"].to_pylist()
    add(IndexAddConfig(index=output, vectors=str(filled.path / "vectors/toy.lance")))
    table = pq.read_table(output / "metadata.parquet")
    assert table.num_rows == 598 and table["row"].to_pylist()[-1] == 599
    assert table["uri"].to_pylist()[-1] is None  # the file alone does not know it
    with pytest.raises(InputError, match="'i999' is not the id of a row"):
        (tmp_path / "gone.txt").write_text("i999\n")
        remove(IndexRemoveConfig(index=output, ids=tmp_path / "gone.txt"))


def test_packed_bits_of_a_workspace(filled: Workspace, tmp_path: Path) -> None:
    output = tmp_path / "index"
    build(IndexBuildConfig(vectors=str(filled.path), encoder="bits", output=output, engine="faiss:BFlat"))
    found = search(IndexSearchConfig(index=output, queries=str(filled.path / "vectors/bits.lance"), k=1))
    np.testing.assert_array_equal(found.neighbors.ids[:, 0], np.arange(300))
    assert found.neighbors.scores.max() == 0
    report = build(IndexBuildConfig(vectors=str(filled.path), encoder="bits", output=tmp_path / "usual"))
    assert report.details["engine"].startswith("faiss:BHNSW32")
    assert report.details["measured"]["recall"] > 0.9


def test_a_workspace_of_several_vectors_or_none_says_which(filled: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds several vectors; choose with --encoder: bits, toy"):
        build(IndexBuildConfig(vectors=str(filled.path), output=tmp_path / "index"))
    (tmp_path / "empty").mkdir()
    for name in ("goldpan.json", "images.lance"):
        place = filled.path / name
        (shutil.copytree if place.is_dir() else shutil.copy)(place, (tmp_path / "empty").joinpath(name))
    with pytest.raises(InputError, match="holds no vectors; make some with: goldpan embed"):
        build(IndexBuildConfig(vectors=str(tmp_path / "empty"), output=tmp_path / "index"))


@pytest.mark.parametrize("name", ["ids.npy", "metadata.parquet"])
def test_strange_ids_or_metadata_are_refused(filled: Workspace, tmp_path: Path, name: str) -> None:
    vectors = str(filled.path / "vectors/toy.lance")
    for output, seed in (("a", 0), ("b", 1)):
        build(IndexBuildConfig(vectors=vectors, output=tmp_path / output, engine="flat", seed=seed))
    (tmp_path / "gone.txt").write_text("i001\n")
    remove(IndexRemoveConfig(index=tmp_path / "b", ids=tmp_path / "gone.txt"))
    shutil.copy(tmp_path / "b" / name, tmp_path / "a" / name)
    for work in (
        lambda: info(tmp_path / "a"),
        lambda: search(IndexSearchConfig(index=tmp_path / "a", queries=vectors)),
        lambda: add(IndexAddConfig(index=tmp_path / "a", vectors=vectors)),
    ):
        with pytest.raises(FormatError, match="not those this index was written with"):
            work()


def test_the_same_build_is_done_once_and_another_is_refused(place: Path) -> None:
    index = built(place)
    before = (index / "goldpan.json").read_bytes()
    config = IndexBuildConfig(vectors=str(place / "base.fvecs"), metric="l2", engine=IVF, output=index)
    assert "nothing_to_do" in build(config).details
    assert (index / "goldpan.json").read_bytes() == before
    with pytest.raises(InputError, match="add --replace"):
        built(place, engine="flat")
    built(place, engine="flat", replace=True)
    assert info(index)["engine"] == "flat"
    write_vectors(place / "base.fvecs", [BASE[:400]], dim=DIM, dtype="float32")
    with pytest.raises(InputError, match="add --replace"):
        built(place, engine="flat")


def test_what_is_no_index_is_never_replaced(place: Path) -> None:
    (place / "index").mkdir()
    (place / "index" / "thesis.tex").write_text("years of work")
    for replace in (False, True):
        with pytest.raises(InputError, match="is no index"):
            built(place, replace=replace)
    assert (place / "index" / "thesis.tex").read_text() == "years of work"
    with pytest.raises(InputError, match="is no index; type: goldpan index build"):
        info(place / "nowhere")


def test_a_build_that_fails_leaves_nothing(place: Path) -> None:
    broken = BASE[:500].copy()
    broken[77, 3] = np.nan
    write_vectors(place / "base.fvecs", [broken], dim=DIM, dtype="float32")
    with pytest.raises(InputError, match="NaN"):
        built(place)
    assert not list(place.glob("*index*"))


def test_two_changes_at_once_do_not_lose_one(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index, save = built(place), folders.save_index

    def meanwhile(*args: object) -> None:
        monkeypatch.setattr(folders, "save_index", save)
        add(IndexAddConfig(index=index, vectors=str(place / "new.fvecs")))
        save(*args)

    (place / "gone.txt").write_text("0\n")
    monkeypatch.setattr(folders, "save_index", meanwhile)
    with pytest.raises(Exception, match="changed by another command meanwhile"):
        remove(IndexRemoveConfig(index=index, ids=place / "gone.txt"))
    assert info(index)["rows"] == 600


def test_parameters_and_outputs(place: Path) -> None:
    index = built(place, engine="faiss:IVF8,Flat")
    few, all_lists = asked(index, place), asked(index, place, set="nprobe=8")
    assert (few != all_lists).any()
    search(
        IndexSearchConfig(
            index=index, queries=str(place / "queries.fvecs"), k=5, set="nprobe=8", output=place / "found.h5"
        )
    )
    np.testing.assert_array_equal(read_truth(place / "found.h5").ids, all_lists[:, :5])
    with pytest.raises(InputError, match="no search parameter 'speed'; known: nprobe"):
        asked(index, place, set="speed=11")
    with pytest.raises(InputError, match="name=number"):
        asked(index, place, set="nprobe")
    with pytest.raises(InputError, match="does not name a metric"):
        built(place, metric=None, output=place / "other")


def test_graphs_refuse_removals_by_name(place: Path) -> None:
    index = built(place, engine="faiss:HNSW16")
    (place / "gone.txt").write_text("0\n")
    with pytest.raises(InputError, match="faiss:HNSW16 cannot remove rows"):
        remove(IndexRemoveConfig(index=index, ids=place / "gone.txt"))
    assert info(index)["rows"] == 500


def test_an_exported_index_answers_by_the_rows_of_its_metadata(place: Path) -> None:
    index = built(place, engine="faiss:IVF8,Flat@nprobe=8", metric="ip")
    (place / "gone.txt").write_text("0\n3\n")
    remove(IndexRemoveConfig(index=index, ids=place / "gone.txt"))
    export(IndexExportConfig(index=index, output=place / "theirs", modality="text"))
    found = faiss.read_index(str(place / "theirs" / "text.index"))
    rows = pq.read_table(place / "theirs" / "metadata")["row"].to_pylist()
    assert (found.nprobe, rows[:5], len(rows)) == (8, [None, 1, 2, None, 4], 500)
    labels = found.search(BASE[::50], 10)[1]
    np.testing.assert_array_equal(np.array(rows)[labels].astype(np.int64), asked_of(index, BASE[::50]))
    assert check_sums(place / "theirs").ok
    check_metadata(place / "theirs")


def asked_of(index: Path, queries: np.ndarray) -> np.ndarray:
    return load_index(index).search(queries, 10, nprobe=8).ids


def test_what_clip_retrieval_does_not_serve_is_not_exported(place: Path) -> None:
    index = built(place, engine="flat")
    with pytest.raises(InputError, match="indexes of faiss"):
        export(IndexExportConfig(index=index, output=place / "theirs"))
    index = built(place, output=place / "other")
    with pytest.raises(InputError, match="there already"):
        export(IndexExportConfig(index=index, output=place))
