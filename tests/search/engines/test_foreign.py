"""Index files of faiss that others wrote."""

import ctypes
from pathlib import Path

import faiss
import numpy as np
import pytest

from goldpan.core.errors import FormatError, InputError
from goldpan.core.records import Metric
from goldpan.search.engines.foreign import ForeignIndex

N, DIM = 600, 16
RNG = np.random.default_rng(5)
ROWS = RNG.standard_normal((N, DIM)).astype(np.float32)
ROWS /= np.linalg.norm(ROWS, axis=1, keepdims=True)
QUERIES = np.ascontiguousarray(ROWS[:7] + RNG.normal(0, 0.05, (7, DIM)), np.float32)


def written(path: Path, key: str, metric: int = faiss.METRIC_INNER_PRODUCT) -> tuple[Path, faiss.Index]:
    index = faiss.index_factory(DIM, key, metric)
    if key.startswith("OPQ"):
        faiss.downcast_VectorTransform(index.chain.at(0)).niter = 1  # of many seconds
    index.train(ROWS)
    index.add(ROWS)
    faiss.write_index(index, str(path))
    return path, index


@pytest.mark.parametrize("key", ["Flat", "HNSW16", "IVF8,Flat", "OPQ4_8,IVF8,PQ4x4"])
@pytest.mark.parametrize("mapped", [True, False])
def test_the_answers_are_those_of_faiss(tmp_path: Path, key: str, mapped: bool) -> None:
    path, index = written(tmp_path / "knn.index", key)
    scores, ids = index.search(QUERIES, 10)
    opened = ForeignIndex(path, mapped=mapped)
    assert (opened.n, opened.dim, opened.metric) == (N, DIM, Metric.IP)
    found = opened.search(QUERIES, 10)
    np.testing.assert_array_equal(found.ids, ids)
    np.testing.assert_array_equal(found.scores, np.where(ids >= 0, scores.astype(np.float64), np.nan))
    again, vectors = opened.search_and_reconstruct(QUERIES, 10)
    np.testing.assert_array_equal(again.ids, ids)
    assert vectors.shape == (7, 10, DIM)
    if key in ("Flat", "IVF8,Flat"):
        np.testing.assert_array_equal(vectors[ids >= 0], ROWS[ids[ids >= 0]])
    if key == "Flat":
        np.testing.assert_array_equal(opened.vectors(np.array([3, 599, 3])), ROWS[[3, 599, 3]])


def test_distances_are_known_as_such(tmp_path: Path) -> None:
    path, _ = written(tmp_path / "knn.index", "Flat", faiss.METRIC_L2)
    assert ForeignIndex(path).metric is Metric.SQEUCLIDEAN


def test_lists_on_disk_lie_beside_the_index_wherever_it_is_moved(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What index_combiner of clip-retrieval leaves: populated.index and merged_index.ivfdata."""
    from faiss.contrib.ondisk import merge_ondisk

    made = tmp_path / "made"
    made.mkdir()
    trained = faiss.index_factory(DIM, "IVF8,Flat", faiss.METRIC_INNER_PRODUCT)
    trained.train(ROWS)
    for number, (start, stop) in enumerate(((0, 400), (400, N))):
        part = faiss.clone_index(trained)
        part.add_with_ids(ROWS[start:stop], np.arange(start, stop))
        faiss.write_index(part, str(made / f"{number}.index"))
    merge_ondisk(trained, [str(made / "0.index"), str(made / "1.index")], str(made / "merged_index.ivfdata"))
    faiss.write_index(trained, str(made / "populated.index"))
    expected = trained.search(QUERIES, 5)[1]
    moved = made.rename(tmp_path / "image.index")
    flush_of_c = ctypes.CDLL(None).fflush
    flush_of_c(None)
    capfd.readouterr()
    index = ForeignIndex(moved / "populated.index")
    flush_of_c(None)
    assert capfd.readouterr().out == ""  # stdout is for reports
    assert index.n == N
    np.testing.assert_array_equal(index.search(QUERIES, 5).ids, expected)


def test_fewer_rows_than_asked_for(tmp_path: Path) -> None:
    path, _ = written(tmp_path / "knn.index", "IVF8,Flat")
    found = ForeignIndex(path).search(QUERIES, 10_000)
    assert found.ids.shape == (7, N)
    assert (found.ids[:, -1] == -1).all()
    assert np.isnan(found.scores[:, -1]).all()


def test_queries_of_another_dimension_are_refused(tmp_path: Path) -> None:
    path, _ = written(tmp_path / "knn.index", "Flat")
    for queries in (np.zeros((1, 3), np.float32), np.zeros(DIM, np.float32)):
        with pytest.raises(InputError, match=r"knn\.index holds vectors of 16 values; the query has"):
            ForeignIndex(path).search(queries, 1)


def test_what_an_index_does_not_keep_is_said(tmp_path: Path) -> None:
    path, _ = written(tmp_path / "knn.index", "IVF8,Flat")
    with pytest.raises(InputError, match="faiss cannot reconstruct_batch"):
        ForeignIndex(path).vectors(np.array([1]))


@pytest.mark.parametrize("data", [b"", b"IxFI", b"no index at all, whatever its name says"])
def test_bytes_that_are_no_index(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "knn.index").write_bytes(data)
    with pytest.raises(FormatError, match=r"knn\.index: faiss cannot read it"):
        ForeignIndex(tmp_path / "knn.index")
