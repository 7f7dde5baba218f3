"""bench make: the split's rule, groups, drift, truth, what a release holds, and that it can be made again."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import goldpan
from goldpan.core.errors import InputError
from goldpan.stages.bench.split import Sizes, class_order, split_rows
from goldpan.store.workspace import Workspace


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_split_is_the_published_shuffle() -> None:
    np.random.seed(1234)  # noqa: NPY002
    order = np.arange(1000)
    np.random.shuffle(order)  # noqa: NPY002
    split = split_rows(1000, Sizes(100, 700, 50), 1234)
    np.testing.assert_array_equal(split.queries, order[:100])
    np.testing.assert_array_equal(split.base, order[100:800])
    np.testing.assert_array_equal(split.learn, order[800:850])


def test_a_smaller_base_is_a_prefix() -> None:
    large, small = split_rows(1000, Sizes(10, None, 0), 5), split_rows(1000, Sizes(10, 200, 0), 5)
    np.testing.assert_array_equal(large.base[:200], small.base)
    np.testing.assert_array_equal(large.queries, small.queries)
    assert len(large.base) == 990


@pytest.mark.parametrize("base", [None, 150])
def test_groups_stay_on_one_side(base: int | None) -> None:
    groups = [f"g{i // 7}" for i in range(300)]
    split = split_rows(300, Sizes(30, base, 20), 1, groups)
    assert (len(split.queries), len(split.learn)) == (30, 20)
    sides = [{groups[row] for row in rows} for rows in split]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    assert len(set(np.concatenate(split))) == sum(map(len, split))


@pytest.mark.parametrize("groups", [None, ["one"] * 10])
def test_too_few_rows_are_one_sentence(groups: list[str] | None) -> None:
    with pytest.raises(InputError, match="too few"):
        split_rows(10, Sizes(5, 6, 0), 0, groups)


def test_class_order_is_stable_and_largest_first() -> None:
    labels = ["b", "a", "c", "a", None, "a", "b"]
    np.testing.assert_array_equal(class_order(np.arange(7), labels), [1, 3, 5, 0, 6, 4, 2])


def test_a_release_holds_what_it_says(filled: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "release"
    goldpan.bench_make(filled, encoder="toy", output=out, queries=30, learn=20, k=10)
    base = goldpan.open_vectors(out / "base.fvecs").read(0, 250)
    queries = goldpan.open_vectors(out / "queries.fvecs").read(0, 30)
    np.testing.assert_allclose(np.linalg.norm(base, axis=1), 1, atol=1e-6)
    truth = np.fromfile(out / "gtruth.ivecs", np.int32).reshape(30, 11)[:, 1:]
    scores = queries.astype(np.float64) @ base.T.astype(np.float64)
    np.testing.assert_array_equal(truth, np.argsort(-scores, axis=1, kind="stable")[:, :10])
    rows = pq.read_table(out / "metadata" / "base.parquet").to_pylist()
    vectors = dict(zip(*filled.vectors("toy"), strict=True))
    for i in (0, 100, 249):
        own = vectors[rows[i]["id"]]
        np.testing.assert_allclose(base[i], own / np.linalg.norm(own), rtol=1e-5)
        assert rows[i]["row"] == i
    # No address of this machine is published; what was JSON is a column.
    assert set(rows[0]) == {"row", "id", "sha256", "width", "parent_id", "label", "wnid", "score"}
    assert "somewhere" not in (out / "release.json").read_text()


def test_the_same_again_gives_the_same_bytes(filled: Workspace, tmp_path: Path) -> None:
    for name in ("one", "two"):
        goldpan.bench_make(
            filled, encoder="toy", output=tmp_path / name / "release", queries=30, k=10, date="2026-01-01"
        )
    assert digests(tmp_path / "one" / "release") == digests(tmp_path / "two" / "release")


def test_group_by_and_order(filled: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "release"
    goldpan.bench_make(
        filled, encoder="toy", output=out, queries=30, learn=10, k=5, group_by="parent_id", order="class"
    )
    parents, labels = {}, {}
    for name in ("queries", "base", "learn"):
        table = pq.read_table(out / "metadata" / f"{name}.parquet")
        parents[name], labels[name] = set(table["parent_id"].to_pylist()), table["label"].to_pylist()
    assert not parents["queries"] & parents["base"]
    assert not parents["learn"] & parents["base"]
    changes = sum(one != other for one, other in zip(labels["base"], labels["base"][1:], strict=False))
    assert changes == 2


def test_packed_bits_stay_bits(filled: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "release"
    goldpan.bench_make(filled, encoder="bits", output=out, queries=20, k=5)
    assert (out / "base.bvecs").is_file()
    assert json.loads((out / "release.json").read_text())["metric"] == "hamming"
    base, queries = (goldpan.open_vectors(out / f"{name}.bvecs") for name in ("base", "queries"))
    apart = np.bitwise_count(queries.read(0, 20)[:, None] ^ base.read(0, base.n)[None]).sum(axis=2)
    truth = np.fromfile(out / "gtruth.ivecs", np.int32).reshape(20, 6)[:, 1:]
    np.testing.assert_array_equal(truth, np.argsort(apart, axis=1, kind="stable")[:, :5])


def test_zero_vectors_follow_the_rule(filled: Workspace, tmp_path: Path) -> None:
    from tests.stages.conftest import add_vectors

    ids, array = filled.vectors("toy")
    array = array.copy()
    array[7] = 0
    add_vectors(filled, "zeros", ids.tolist(), array, "cosine")
    goldpan.bench_make(filled, encoder="zeros", output=tmp_path / "r", queries=10, k=3)
    assert json.loads((tmp_path / "r" / "release.json").read_text())["zero_norm_rows"] == 1
    rows = pq.read_table(tmp_path / "r" / "metadata" / "base.parquet")["id"].to_pylist()
    if "i007" in rows:
        row = goldpan.open_vectors(tmp_path / "r" / "base.fvecs").take([rows.index("i007")])
        np.testing.assert_allclose(row, 0.25)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"k": 500}, "more than the 270 base rows"),
        ({"queries": 500}, "too few"),
        ({"encoder": "tyo"}, "Did you mean 'toy'"),
        ({"metric": "hamming"}, "holds numbers"),
        ({"encoder": "bits", "metric": "ip"}, "holds packed bits"),
        ({"metric": "l3"}, "Did you mean"),
        ({"group_by": "colour"}, "no column 'colour'"),
        ({"where": "label = 'zebra'"}, "No image"),
        ({"layout": "fvec"}, "layout"),
    ],
)
def test_bad_input_is_one_sentence(filled: Workspace, tmp_path: Path, fields: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        goldpan.bench_make(filled, **{"encoder": "toy", "output": tmp_path / "r", "queries": 30, "k": 10} | fields)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "r").exists()


def test_an_existing_folder_is_left_alone(filled: Workspace, tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        goldpan.bench_make(filled, encoder="toy", output=tmp_path / "r", queries=30, k=10)
    assert (tmp_path / "r" / "mine.txt").read_text() == "mine"


def test_where_chooses_the_rows(filled: Workspace, tmp_path: Path) -> None:
    goldpan.bench_make(filled, encoder="toy", output=tmp_path / "r", queries=10, k=3, where="label = 'a'")
    assert set(pq.read_table(tmp_path / "r" / "metadata" / "base.parquet")["label"].to_pylist()) == {"a"}


@pytest.mark.parametrize("layout", ["fbin", "ann-benchmarks", "sisap", "npy", "parquet", "laion"])
def test_every_layout_verifies_and_publishes(filled: Workspace, tmp_path: Path, layout: str) -> None:
    for encoder in ("toy", "bits"):
        made, moved = tmp_path / f"{encoder}-made", tmp_path / f"{encoder}-moved"
        goldpan.bench_make(filled, encoder=encoder, output=made, queries=20, learn=10, k=5, layout=layout)
        assert {finding.verdict for finding in goldpan.verify(made)} <= {"ok", "note"}
        goldpan.publish(made, moved, "fvecs")
        assert {finding.verdict for finding in goldpan.verify(moved)} <= {"ok", "note"}
        plain = tmp_path / f"{encoder}-plain"
        goldpan.bench_make(filled, encoder=encoder, output=plain, queries=20, learn=10, k=5)
        kept = [name for name in digests(plain) if name.endswith(("vecs", ".parquet"))]
        assert {name: digests(moved)[name] for name in kept} == {name: digests(plain)[name] for name in kept}
        shutil.rmtree(made)


def test_the_same_command_again_does_nothing(filled: Workspace, tmp_path: Path) -> None:
    fields = {"encoder": "toy", "output": tmp_path / "r", "queries": 30, "k": 10}
    goldpan.bench_make(filled, **fields)
    made = (tmp_path / "r" / "release.json").stat().st_mtime_ns
    assert "nothing_to_do" in goldpan.bench_make(filled, **fields).details
    assert (tmp_path / "r" / "release.json").stat().st_mtime_ns == made
    with pytest.raises(InputError, match="exists already"):
        goldpan.bench_make(filled, **fields | {"seed": 1})
    (tmp_path / "r" / "base.fvecs").unlink()
    assert "nothing_to_do" not in goldpan.bench_make(filled, **fields).details
    assert (tmp_path / "r" / "base.fvecs").is_file()
    filled.images.append_rows([{"id": "new"}])
    assert goldpan.bench_make(filled, **fields).rows_in == 300


def test_rows_left_out_are_counted(filled: Workspace, tmp_path: Path) -> None:
    report = goldpan.bench_make(filled, encoder="toy", output=tmp_path / "r", queries=10, base=50, k=3)
    assert (report.rows_in, report.rows_out, report.failures) == (300, 60, {"filtered": 240})
    assert "of 60 images" in (tmp_path / "r" / "README.md").read_text()


@pytest.mark.parametrize("encoder", ["toy", "bits"])
def test_layouts_with_distances_have_them(filled: Workspace, tmp_path: Path, encoder: str) -> None:
    goldpan.bench_make(filled, encoder=encoder, output=tmp_path / "r", queries=20, k=5, layout="fbin")
    raw = np.fromfile(tmp_path / "r" / "gtruth.ibin", np.uint8)
    assert len(raw) == 8 + 20 * 5 * 8
    distances = raw[8 + 400 :].view(np.float32).reshape(20, 5)
    ids = raw[8:408].view(np.int32).reshape(20, 5)
    base, queries = (goldpan.open_vectors(next((tmp_path / "r").glob(f"{name}.*bin"))) for name in ("base", "queries"))
    if encoder == "toy":
        expected = np.einsum("qkd,qd->qk", base.take(ids.ravel()).reshape(20, 5, -1), queries.read(0, 20))
    else:
        apart = base.take(ids.ravel()).reshape(20, 5, -1) ^ queries.read(0, 20)[:, None]
        expected = np.bitwise_count(apart).sum(axis=2)
    np.testing.assert_allclose(np.abs(distances), np.abs(expected), atol=1e-5)
