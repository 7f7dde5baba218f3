"""Folders of VectorDBBench: ids become row numbers, whatever order the parts and the answers are in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goldpan.core.errors import FormatError, UnknownName
from goldpan.core.records import Metric
from goldpan.formats.vdbbench import allowed_rows, filters, is_vdbbench, read_vdbbench

N, DIM = 40, 4
VECTORS = np.random.default_rng(0).random((N, DIM)).astype(np.float32)
ANSWERS = np.array([[3, 39, 0], [20, 7, 1]])


def table(path: Path, ids: np.ndarray | list[int], **columns: object) -> None:
    arrays = {name: pa.array(list(column)) for name, column in columns.items()}
    pq.write_table(pa.table({"id": pa.array(np.asarray(ids, np.int64)), **arrays}), path)


def folder(path: Path, name: str = "train", parts: int = 1, order: np.ndarray | None = None) -> Path:
    order = np.arange(N) if order is None else order
    for part, ids in enumerate(np.array_split(order, parts)):
        file = f"{name}.parquet" if parts == 1 else f"{name}-{part:02}-of-{parts:02}.parquet"
        table(path / file, ids, emb=VECTORS[ids])
    table(path / "test.parquet", [0, 1], emb=VECTORS[:2])
    table(path / "neighbors.parquet", [0, 1], neighbors_id=ANSWERS)
    return path


@pytest.mark.parametrize(("name", "parts"), [("train", 1), ("train", 3), ("shuffle_train", 1), ("shuffle_train", 12)])
def test_answers_are_rows_of_the_base(tmp_path: Path, name: str, parts: int) -> None:
    order = np.random.default_rng(1).permutation(N) if "shuffle" in name else None
    root = folder(tmp_path, name, parts, order)
    assert is_vdbbench(root)
    found = read_vdbbench(root, metric=Metric.COSINE)
    assert (found.base.n, found.base.dim, found.queries.n, found.metric) == (N, DIM, 2, Metric.COSINE)
    for query in range(2):
        np.testing.assert_array_equal(found.base.take(found.truth.ids[query]), VECTORS[ANSWERS[query]])
    np.testing.assert_array_equal(np.concatenate(list(found.base.blocks(7))), found.base.read(0, N))
    assert [len(block) for block in found.base.blocks(7)] == [7, 7, 7, 7, 7, 5]


def test_rows_in_their_own_order_come_before_shuffled_ones(tmp_path: Path) -> None:
    folder(tmp_path, "shuffle_train", 1, np.arange(N)[::-1])
    root = folder(tmp_path)
    assert read_vdbbench(root).truth.ids.tolist() == ANSWERS.tolist()


def test_answers_follow_the_ids_of_the_queries(tmp_path: Path) -> None:
    root = folder(tmp_path)
    table(root / "neighbors.parquet", [1, 0], neighbors_id=ANSWERS, distances=np.array([[1.0, 2, 3], [4, 5, 6]]))
    truth = read_vdbbench(root).truth
    assert truth.ids.tolist() == ANSWERS[::-1].tolist()
    assert truth.distances is not None
    assert truth.distances.tolist() == [[4, 5, 6], [1, 2, 3]]


def test_filters(tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(N)
    root = folder(tmp_path, "shuffle_train", 2, order)
    for name in ("head_50p", "tail_5p", "labels_label_50p"):
        table(root / f"neighbors_{name}.parquet", [0, 1], neighbors_id=np.array([[38], [39]]))
    table(root / "scalar_labels.parquet", np.arange(N), labels=[f"label_{50 if i % 4 else 20}p" for i in range(N)])
    assert list(filters(root)) == ["head_50p", "labels_label_50p", "tail_5p"]
    np.testing.assert_array_equal(allowed_rows(root, "head_50p"), order >= 20)
    np.testing.assert_array_equal(allowed_rows(root, "tail_5p"), order >= 38)
    np.testing.assert_array_equal(allowed_rows(root, "labels_label_50p"), order % 4 != 0)
    found = read_vdbbench(root, "tail_5p")
    assert order[found.truth.ids].tolist() == [[38], [39]]
    for name in ("head_3p", "odd"):
        with pytest.raises(UnknownName, match="Known: head_50p, labels_label_50p, tail_5p"):
            read_vdbbench(root, name)
    with pytest.raises(UnknownName, match="filter 'odd'"):
        allowed_rows(root, "odd")


def test_damaged_folders(tmp_path: Path) -> None:
    root = folder(tmp_path, "train", 3)
    (root / "train-01-of-03.parquet").unlink()
    with pytest.raises(FormatError, match=r"train-00-of-03.parquet, train-02-of-03.parquet are not all of one set"):
        read_vdbbench(root)
    folder(tmp_path, "train", 3)
    table(root / "neighbors.parquet", [0, 1], neighbors_id=[[1, 2], [3, N]])
    with pytest.raises(FormatError, match=r"neighbors.parquet at row 1: id 40 is that of no row"):
        read_vdbbench(root)
    table(root / "neighbors.parquet", [0, 5], neighbors_id=ANSWERS)
    with pytest.raises(FormatError, match="id 1 is that of no row"):
        read_vdbbench(root)
    table(root / "neighbors.parquet", [0], neighbors_id=ANSWERS[:1])
    with pytest.raises(FormatError, match=r"1 answers; test.parquet has 2 queries"):
        read_vdbbench(root)
    folder(tmp_path, "train", 3)
    table(root / "train-02-of-03.parquet", [0, 5], emb=VECTORS[:2])
    with pytest.raises(FormatError, match="id 0 comes twice"):
        read_vdbbench(root)
    table(root / "train-02-of-03.parquet", [0, 5], emb=VECTORS[:2, :3])
    with pytest.raises(FormatError, match="3 values of float32 a row"):
        read_vdbbench(root)
    folder(tmp_path, "train", 3)
    (root / "test.parquet").write_bytes(b"PAR1")
    with pytest.raises(FormatError, match="not a whole Parquet file"):
        read_vdbbench(root)
