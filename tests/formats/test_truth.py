"""Ground truth: ids from 0 in memory, each layout's own way on disk."""

from __future__ import annotations

import struct
from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from goldpan.core.errors import ArrayError, FormatError, InputError, UnknownName
from goldpan.core.records import Metric
from goldpan.formats.truth import open_truth, read_truth, write_truth

IDS = np.array([[3, 0, 7], [9, 2, -1]])
COSINES = np.array([[0.75, 0.5, -0.25], [1.0, 0.125, -np.inf]])
ADDRESSES = [
    "t.ivecs",
    "t.npy",
    "t.ibin",
    "t.bin",
    "step4.gt100",
    "t.h5",
    "t.h5:itest",
    "t.hdf5:neighbors",
    "t.parquet",
]


@pytest.mark.parametrize("name", ADDRESSES)
def test_ids_come_back_from_0(tmp_path: Path, name: str) -> None:
    write_truth(f"{tmp_path}/{name}", IDS)
    truth = read_truth(f"{tmp_path}/{name}")
    assert truth.ids.dtype == np.int64
    assert truth.ids.tolist() == IDS.tolist()
    assert truth.distances is None


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize("metric", [*Metric, None])
def test_values_of_a_metric_come_back(tmp_path: Path, name: str, metric: Metric | None) -> None:
    scores = COSINES if metric and metric.is_similarity else np.array([[1, 2, 3.5], [0, 4, np.inf]])
    write_truth(f"{tmp_path}/{name}", IDS, scores, metric=metric)
    truth = read_truth(f"{tmp_path}/{name}", metric)
    assert truth.ids.tolist() == IDS.tolist()
    if open_truth(f"{tmp_path}/{name}").layout.distance_dtype is None:
        assert truth.distances is None
    else:
        np.testing.assert_allclose(truth.distances, scores, rtol=1e-6)


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize("n", [0, 1])
def test_no_query_and_one(tmp_path: Path, name: str, n: int) -> None:
    write_truth(f"{tmp_path}/{name}", IDS[:n], COSINES[:n])
    truth = read_truth(f"{tmp_path}/{name}")
    assert truth.ids.tolist() == IDS[:n].tolist()
    assert truth.ids.shape == (n, 0 if name.endswith("ivecs") and n == 0 else 3)


def test_bytes_of_bigann_truth_with_squared_distances(tmp_path: Path) -> None:
    write_truth(tmp_path / "gt.ibin", [[1, 0]], [[2.0, 3.0]], metric="l2")
    assert (tmp_path / "gt.ibin").read_bytes() == struct.pack("<4I2f", 1, 2, 1, 0, 4.0, 9.0)
    write_truth(tmp_path / "gt.ibin", [[1, -1]])
    assert (tmp_path / "gt.ibin").read_bytes() == struct.pack("<3Ii", 1, 2, 1, -1)
    write_truth(tmp_path / "gt.ibin", [[2**32 - 2]])
    assert read_truth(tmp_path / "gt.ibin").ids.tolist() == [[2**32 - 2]]


def test_sisap_counts_from_1_and_ascends(tmp_path: Path) -> None:
    write_truth(tmp_path / "gold.h5", IDS, COSINES, metric="cosine")
    with h5py.File(tmp_path / "gold.h5") as file:
        assert file["knns"][:].tolist() == [[4, 1, 8], [10, 3, 0]]
        assert file["knns"].dtype == np.int32
        assert file["dists"].dtype == np.float32
        assert file["dists"][0].tolist() == [0.25, 0.5, 1.25]


def test_sisap_of_2024_has_descending_similarities(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "gold.h5", "w") as file:
        file["knns"], file["dists"] = IDS + 1, COSINES[:, :3].astype(np.float32)
        file["_types/1"] = np.zeros((2, 2))
    np.testing.assert_array_equal(read_truth(tmp_path / "gold.h5", "ip").distances, COSINES)
    np.testing.assert_array_equal(read_truth(tmp_path / "gold.h5").distances, COSINES)


def test_ann_benchmarks_stores_one_minus_cosine_beside_its_vectors(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["train"] = np.zeros((10, 2))
    write_truth(f"{tmp_path}/x.hdf5:neighbors", IDS, COSINES, metric="cosine")
    with h5py.File(tmp_path / "x.hdf5") as file:
        assert sorted(file) == ["distances", "neighbors", "train"]
        assert file["distances"][0].tolist() == [0.25, 0.5, 1.25]
    assert read_truth(tmp_path / "x.hdf5").ids.tolist() == IDS.tolist()


def test_a_group_of_several_golds_is_named(tmp_path: Path) -> None:
    for group in ("itest", "otest"):
        write_truth(f"{tmp_path}/pubmed.h5:{group}", IDS + (group == "otest"))
    assert read_truth(f"{tmp_path}/pubmed.h5:otest").ids.tolist() == (IDS + 1).tolist()
    assert read_truth(f"{tmp_path}/pubmed.h5:itest/knns").ids.tolist() == IDS.tolist()
    with pytest.raises(FormatError, match=r"no ids under knns or neighbors; it holds .*itest/knns"):
        read_truth(tmp_path / "pubmed.h5")


def test_parquet_is_that_of_vectordbbench(tmp_path: Path) -> None:
    write_truth(tmp_path / "neighbors.parquet", IDS, COSINES)
    frame = pq.read_table(tmp_path / "neighbors.parquet").to_pandas()
    assert list(frame.columns) == ["id", "neighbors_id", "distances"]
    assert frame["neighbors_id"].tolist()[0].tolist() == [3, 0, 7]


@pytest.mark.parametrize("size", [7, 23, 33, 55, 57])
def test_bigann_truth_of_the_wrong_size_names_row_and_byte(tmp_path: Path, size: int) -> None:
    write_truth(tmp_path / "gt.ibin", IDS, COSINES)
    whole = (tmp_path / "gt.ibin").read_bytes()
    (tmp_path / "gt.ibin").write_bytes((whole + b"?")[:size])
    with pytest.raises(FormatError, match=f"{size}") as caught:
        read_truth(tmp_path / "gt.ibin")
    if size > 8:
        assert (caught.value.row, caught.value.offset) == (min(2, (size - 8) // 12), 8 + min(2, (size - 8) // 12) * 12)


def test_a_header_that_claims_the_world_allocates_nothing(tmp_path: Path) -> None:
    (tmp_path / "gt.ibin").write_bytes(struct.pack("<2I", 2**32 - 1, 2**32 - 1) + b"\0" * 80)
    with pytest.raises(FormatError, match="4294967295 queries with 4294967295 neighbors"):
        read_truth(tmp_path / "gt.ibin")


def test_negative_ids_are_named(tmp_path: Path) -> None:
    np.save(tmp_path / "gt.npy", np.array([[1, 2], [3, -5]]))
    with pytest.raises(FormatError, match="an id is below 0") as caught:
        read_truth(tmp_path / "gt.npy")
    assert caught.value.row == 1
    with pytest.raises(ArrayError, match="Row 1 holds an id below -1"):
        write_truth(tmp_path / "x.npy", [[1, 2], [3, -5]])


def test_what_cannot_be_truth_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "floats.npy", np.zeros((2, 2)))
    with pytest.raises(FormatError, match="float64 where ids"):
        read_truth(tmp_path / "floats.npy")
    with pytest.raises(InputError, match="There is no file"):
        read_truth(tmp_path / "missing.ivecs")
    with pytest.raises(UnknownName, match="Unknown layout of ground truth 'fvecs'"):
        write_truth(tmp_path / "x.fvecs", IDS)
    with pytest.raises(ArrayError, match="must be the same"):
        write_truth(tmp_path / "x.ibin", IDS, COSINES[:, :2])
    with pytest.raises(ArrayError, match="whole"):
        write_truth(tmp_path / "x.ibin", IDS.astype(float))
    with pytest.raises(ArrayError, match="which int32 does not have"):
        write_truth(tmp_path / "x.ivecs", IDS + 2**31)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["floats.npy"]


def test_real_files_have_the_known_ids(shared: Path) -> None:
    folder = shared / "data" / "groundtruth"
    small, large = (read_truth(folder / f"openimages_{size}_gtruth.ivecs").ids for size in ("1M", "13M"))
    assert (small.shape, small.min(), small.max()) == ((10_000, 100), 1, 999_999)
    assert (large.min(), large.max(), len(np.unique(large))) == (8, 12_999_931, 909_677)
    assert large[0, :3].tolist() == [4209458, 7312742, 1407333]


def test_a_suffix_of_vectors_is_no_truth(tmp_path: Path) -> None:
    (tmp_path / "x.fbin").write_bytes(struct.pack("<2I", 0, 0))
    with pytest.raises(UnknownName, match="Unknown layout of ground truth 'fbin'"):
        read_truth(tmp_path / "x.fbin")


def test_a_row_larger_than_a_dtype_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.ibin").write_bytes(struct.pack("<2I", 0, 2**32 - 1))
    with pytest.raises(FormatError, match="smaller than 2 GiB"):
        read_truth(tmp_path / "x.ibin")


def test_a_squared_distance_below_zero_is_zero(tmp_path: Path) -> None:
    (tmp_path / "gt.ibin").write_bytes(struct.pack("<3If", 1, 1, 5, -1e-7))
    assert read_truth(tmp_path / "gt.ibin", "l2").distances.tolist() == [[0.0]]


def test_distances_go_with_the_ids_they_belong_to(tmp_path: Path) -> None:
    write_truth(f"{tmp_path}/x.h5:itest", IDS, COSINES)
    write_truth(f"{tmp_path}/x.h5:otest", IDS, COSINES)
    write_truth(f"{tmp_path}/x.h5:itest", IDS[::-1])
    assert read_truth(f"{tmp_path}/x.h5:itest").distances is None
    assert read_truth(f"{tmp_path}/x.h5:otest").distances is not None


def test_hdf5_carries_values_of_each_query_and_what_is_said_of_the_ids(tmp_path):
    import h5py

    path, ids = tmp_path / "t.h5", np.array([[0, 1], [2, 0]])
    gaps = {"gaps": np.array([0.5, np.nan]), "ties": np.array([False, True])}
    write_truth(f"{path}:itest", ids, columns=gaps, attributes={"metric": "l2", "certified": 2})
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["itest/gaps"][()], gaps["gaps"])
        assert file["itest/ties"].dtype == bool
        assert dict(file["itest/knns"].attrs) == {"metric": "l2", "certified": 2}
    np.testing.assert_array_equal(read_truth(f"{path}:itest").ids, ids)
    write_truth(f"{path}:itest", ids)
    with h5py.File(path) as file:
        assert list(file["itest"]) == ["knns"]  # values of answers that are gone
        assert not file["itest/knns"].attrs


def test_similarities_of_sisap_are_told_by_the_order_of_all_rows(tmp_path: Path) -> None:
    similarities = np.full((9, 3), 0.5)
    similarities[:6] = [0.9, 0.8, 0.7]  # the last three queries have copies only, whose order says nothing
    with h5py.File(tmp_path / "gold.h5", "w") as file:
        file["knns"], file["dists"] = np.ones((9, 3), np.int32), similarities.astype(np.float32)
    blocks = list(open_truth(tmp_path / "gold.h5").distances(Metric.IP, rows=3))
    np.testing.assert_allclose(np.concatenate(blocks), similarities, rtol=1e-6)
    with h5py.File(tmp_path / "gold.h5", "w") as file:
        file["knns"], file["dists"] = np.ones((9, 3), np.int32), (1 - similarities).astype(np.float32)
    blocks = list(open_truth(tmp_path / "gold.h5").distances(Metric.COSINE, rows=3))
    np.testing.assert_allclose(np.concatenate(blocks), similarities, rtol=1e-6)
