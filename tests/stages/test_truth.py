"""The truth stage: files in, exact neighbors and their proof out."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from goldpan.core.errors import ArrayError, FormatError, InputError, UnknownName
from goldpan.formats.truth import read_truth
from goldpan.formats.vectors import write_vectors
from goldpan.search.exact import exact_search
from goldpan.stages.truth import run as stage
from goldpan.stages.truth.holdout import WithoutRows
from goldpan.stages.truth.run import truth
from tests.search.brute import best, keys64


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((900, 20)).astype(np.float32)


@pytest.fixture
def files(tmp_path, rows):
    """A base of 800 rows and 100 queries."""
    for name, part in (("base", rows[:800]), ("queries", rows[800:])):
        write_vectors(tmp_path / f"{name}.fvecs", [part], dim=20, dtype=np.float32)
    return {"base": str(tmp_path / "base.fvecs"), "queries": str(tmp_path / "queries.fvecs")}


@pytest.mark.parametrize("name", ["t.ivecs", "t.ibin", "t.npy", "t.h5", "t.h5:neighbors", "t.parquet", "t.gt10"])
def test_the_answers_are_those_of_brute_force_in_every_layout(tmp_path, files, rows, name):
    report = truth(**files, metric="l2", k=10, output=tmp_path / name)
    keys = keys64(rows[:800], rows[800:], "l2")
    read = read_truth(tmp_path / name, "l2")
    np.testing.assert_array_equal(read.ids, best(keys, 10))
    if read.distances is not None:
        expected = np.sqrt(-np.take_along_axis(keys, read.ids, 1))
        np.testing.assert_allclose(read.distances, expected, rtol=1e-6)
    assert report.rows_in == report.rows_out == 100
    assert not report.failures


def test_the_file_beside_it_tells_how_it_was_made(tmp_path, files):
    truth(**files, metric="cosine", k=7, output=tmp_path / "t.ivecs")
    record = json.loads((tmp_path / "t.ivecs.json").read_text())
    assert (record["metric"], record["k"], record["queries"], record["certified"]) == ("cosine", 7, 100, 100)
    assert record["tie_rule"] == "lower id first"
    assert record["ties_at_k"] == 0
    assert 0 < record["gap_after_k"]["min"] < record["gap_after_k"]["median"]
    assert 7 <= record["survivors"]["mean"] <= record["survivors"]["max"] < 50
    assert record["fallback"] == 0
    assert record["queries_per_second"] > 0
    assert record["row_pairs_per_second"] == pytest.approx(800 * record["queries_per_second"], rel=0.01)
    for key, name in (("base", "base.fvecs"), ("queries_file", "queries.fvecs"), ("output", "t.ivecs")):
        assert record[key]["sha256"] == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()


def test_hdf5_holds_the_proof_of_each_query(tmp_path, rows):
    import h5py

    base = np.concatenate([rows[:300], rows[:7], rows[:2]])  # 7 rows twice or more
    np.save(tmp_path / "b.npy", base)
    np.save(tmp_path / "q.npy", rows[:40])
    report = truth(base=f"{tmp_path}/b.npy", queries=f"{tmp_path}/q.npy", metric="l2", k=1, output=tmp_path / "t.h5")
    assert report.details["duplicates"] == {"groups": 7, "rows": 16, "largest": 3}
    found = exact_search(base, rows[:40], 1, "l2")
    with h5py.File(tmp_path / "t.h5") as file:
        np.testing.assert_array_equal(file["gaps"][()], found.gaps)
        np.testing.assert_array_equal(file["survivors"][()], found.survivors)
        np.testing.assert_array_equal(np.flatnonzero(file["ties"][()]), np.arange(7))
        np.testing.assert_array_equal(file["fallback"][()], found.fallbacks)
        about = dict(file["knns"].attrs)
    digest = hashlib.sha256((tmp_path / "b.npy").read_bytes()).hexdigest()
    assert (about["metric"], about["certified"], about["ties_at_k"], about["base_sha256"]) == ("l2", 40, 7, digest)
    assert about["duplicates_largest"] == 3
    assert json.loads((tmp_path / "t.h5.json").read_text()).items() >= report.details.items()


def test_ties_across_the_last_rank_are_counted(tmp_path):
    base = np.repeat(np.arange(5, dtype=np.float32), 3)[:, None]
    np.save(tmp_path / "b.npy", base)
    np.save(tmp_path / "q.npy", np.array([[0.0], [4.0]], np.float32))
    report = truth(base=f"{tmp_path}/b.npy", queries=f"{tmp_path}/q.npy", metric="l2", k=2, output=tmp_path / "t.npy")
    assert report.details["ties_at_k"] == 2
    assert read_truth(tmp_path / "t.npy").ids.tolist() == [[0, 1], [12, 13]]


def test_rows_held_out_are_not_searched_and_ids_stay_those_of_the_table(tmp_path, files, rows):
    truth(base=files["base"], hold_out=50, seed=7, metric="ip", k=5, output=tmp_path / "t.ivecs", memory_mb=16)
    held = np.load(tmp_path / "t.ivecs.query_rows.npy")
    shuffled = np.arange(800)
    np.random.RandomState(7).shuffle(shuffled)  # the rule of the published split
    np.testing.assert_array_equal(held, shuffled[:50])
    keys = keys64(rows[:800], rows[held], "ip")
    keys[:, held] = -np.inf
    np.testing.assert_array_equal(read_truth(tmp_path / "t.ivecs").ids, best(keys, 5))


def test_a_table_without_rows_reads_any_range(rows):
    held = np.array([0, 1, 5, 6, 7, 400, 899])
    left = np.delete(rows, held, axis=0)
    table = WithoutRows(_Table(rows), held)
    assert table.n == len(left)
    for start, stop in ((0, 3), (0, len(left)), (2, 5), (390, 400), (880, 893), (4, 4)):
        np.testing.assert_array_equal(table.read(start, stop), left[start:stop])
    numbers = np.arange(len(left))
    np.testing.assert_array_equal(rows[table.rows(numbers)], left)


class _Table:
    def __init__(self, array):
        self.array, self.n, self.dim, self.dtype = array, *array.shape, array.dtype

    def read(self, start, stop):
        return self.array[start:stop]


def test_a_lance_table_of_a_workspace_names_its_metric(tmp_path, filled):
    base = str(filled.path / "vectors" / "toy.lance")
    report = truth(base=base, hold_out=20, k=3, output=tmp_path / "t.ivecs")
    assert report.details["metric"] in ("cosine", "ip", "l2")
    assert read_truth(tmp_path / "t.ivecs").ids.shape == (20, 3)


def test_hdf5_datasets_on_both_sides(tmp_path, rows):
    import h5py

    with h5py.File(tmp_path / "bench.h5", "w") as file:
        file["train"], file["test"] = rows[:800].astype(np.float16), rows[800:820]
    path = f"{tmp_path}/bench.h5"
    truth(base=f"{path}:train", queries=f"{path}:test", metric="l2", k=4, output=tmp_path / "t.npy")
    keys = keys64(rows[:800].astype(np.float16), rows[800:820], "l2")
    np.testing.assert_array_equal(read_truth(tmp_path / "t.npy").ids, best(keys, 4))


def test_a_killed_run_goes_on_after_its_last_part(tmp_path, files, rows, monkeypatch):
    monkeypatch.setattr(stage, "PART_QUERIES", 30)
    searched = []

    def dies_at_the_third(*arguments, only, **options):
        searched.append(only)
        if len(searched) == 3:
            raise KeyboardInterrupt
        return exact_search(*arguments, only=only, **options)

    monkeypatch.setattr(stage, "exact_search", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        truth(**files, metric="ip", k=5, output=tmp_path / "t.ivecs")
    assert not (tmp_path / "t.ivecs").exists()
    report = truth(**files, metric="ip", k=5, output=tmp_path / "t.ivecs")
    assert report.already_done == 60
    assert [part.start for part in searched] == [0, 30, 60, 60, 90]
    np.testing.assert_array_equal(read_truth(tmp_path / "t.ivecs").ids, best(keys64(rows[:800], rows[800:], "ip"), 5))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("base.fvecs", "queries.fvecs", "t.ivecs", "t.ivecs.json")
    ]


def test_parts_of_another_question_are_not_used(tmp_path, files, monkeypatch):
    monkeypatch.setattr(stage, "PART_QUERIES", 30)
    with monkeypatch.context() as patch:
        patch.setattr(stage, "write_exact", _killed)
        with pytest.raises(KeyboardInterrupt):
            truth(**files, metric="ip", k=5, output=tmp_path / "t.ivecs")
    assert truth(**files, metric="l2", k=5, output=tmp_path / "t.ivecs").already_done == 0
    assert truth(**files, metric="ip", k=5, output=tmp_path / "t.ivecs").already_done == 100


def _killed(*arguments, **options):
    raise KeyboardInterrupt


def test_what_cannot_be_asked(tmp_path, files, rows):
    with pytest.raises(InputError, match="does not name a metric; add --metric"):
        truth(**files, output=tmp_path / "t.ivecs")
    with pytest.raises(InputError, match="Name the queries, or hold rows of the base out"):
        truth(base=files["base"], metric="l2", output=tmp_path / "t.ivecs")
    with pytest.raises(InputError, match="one of the two"):
        truth(**files, hold_out=3, metric="l2", output=tmp_path / "t.ivecs")
    with pytest.raises(InputError, match="hold out 799 at most"):
        truth(base=files["base"], hold_out=800, metric="l2", output=tmp_path / "t.ivecs")
    with pytest.raises(InputError, match="k must be 1 to 800"):
        truth(**files, metric="l2", k=801, output=tmp_path / "t.ivecs")
    with pytest.raises(InputError, match="There is no file"):
        truth(base="nowhere.fvecs", queries=files["queries"], metric="l2", output=tmp_path / "t.ivecs")
    with pytest.raises(UnknownName, match="metric"):
        truth(**files, metric="manhattan", output=tmp_path / "t.ivecs")
    write_vectors(tmp_path / "narrow.fvecs", [rows[:9, :7]], dim=7, dtype=np.float32)
    with pytest.raises(ArrayError, match="queries have 7 dimensions, but the base has 20"):
        truth(base=files["base"], queries=f"{tmp_path}/narrow.fvecs", metric="l2", k=3, output=tmp_path / "t.ivecs")
    (tmp_path / "cut.fvecs").write_bytes((tmp_path / "base.fvecs").read_bytes()[:-3])
    with pytest.raises(FormatError, match=r"cut\.fvecs"):
        truth(base=f"{tmp_path}/cut.fvecs", queries=files["queries"], metric="l2", output=tmp_path / "t.ivecs")


def test_an_output_that_cannot_be_written_is_found_before_the_work(tmp_path, files, monkeypatch):
    monkeypatch.setattr(stage, "exact_search", None)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        truth(**files, metric="l2", k=3, output=tmp_path / "file" / "t.ivecs")
    with pytest.raises(InputError, match="is a folder"):
        truth(**files, metric="l2", k=3, output=tmp_path)
    with pytest.raises(UnknownName, match=r"layout of ground truth.*/t\.txt"):
        truth(**files, metric="l2", k=3, output=tmp_path / "t.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base.fvecs", "file", "queries.fvecs"]


def test_an_input_is_not_written_over(tmp_path, rows):
    import h5py

    for name, part in (("b", rows[:800]), ("q", rows[800:])):
        np.save(tmp_path / f"{name}.npy", part)
    base, queries = f"{tmp_path}/b.npy", f"{tmp_path}/q.npy"
    (tmp_path / "link.npy").symlink_to(tmp_path / "b.npy")
    for output in ("b.npy", "q.npy", "link.npy"):
        with pytest.raises(InputError, match="name another output"):
            truth(base=base, queries=queries, metric="l2", k=3, output=tmp_path / output)
    np.testing.assert_array_equal(np.load(base), rows[:800])
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["train"], file["neighbors"] = rows[:800], rows[:800]
    path = f"{tmp_path}/b.h5"
    with pytest.raises(InputError, match="name another output"):
        truth(base=f"{path}:neighbors", queries=queries, metric="l2", k=3, output=f"{path}:neighbors")
    truth(base=f"{path}:train", queries=queries, metric="l2", k=3, output=f"{path}:neighbors")
    assert read_truth(f"{path}:neighbors").ids.shape == (100, 3)


def test_a_bad_query_is_named_by_its_row_in_the_file(tmp_path, files, rows, monkeypatch):
    monkeypatch.setattr(stage, "PART_QUERIES", 30)
    rows[800 + 77, 3] = np.nan
    np.save(tmp_path / "q.npy", rows[800:])
    with pytest.raises(ArrayError, match=r"queries has NaN or infinite values, the first in row 77\."):
        truth(base=files["base"], queries=f"{tmp_path}/q.npy", metric="l2", k=3, output=tmp_path / "t.ivecs")
