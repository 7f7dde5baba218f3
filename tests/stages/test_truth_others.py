"""What follows from truth: of part of a base, of a range, of a set among itself, and two truths compared."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from goldpan.cli.main import run
from goldpan.core.errors import ArrayError, FormatError, InputError
from goldpan.formats.range_truth import read_range_truth
from goldpan.formats.truth import read_truth, write_truth
from goldpan.formats.vectors import write_vectors
from goldpan.search.exact import exact_search
from goldpan.search.graph import knn_graph
from goldpan.search.within import exact_range
from goldpan.stages.stage import make_config
from goldpan.stages.truth import graph as graph_stage
from goldpan.stages.truth import within as range_stage
from goldpan.stages.truth.compare import CompareConfig, run_compare
from goldpan.stages.truth.derive import DeriveConfig, run_derive
from goldpan.stages.truth.graph import GraphConfig, run_graph
from goldpan.stages.truth.within import RangeConfig, run_range


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((400, 12)).astype(np.float32)


@pytest.fixture
def files(tmp_path, rows):
    for name, part in (("base", rows[:360]), ("queries", rows[360:])):
        write_vectors(tmp_path / f"{name}.fvecs", [part], dim=12, dtype=np.float32)
    return {"base": str(tmp_path / "base.fvecs"), "queries": str(tmp_path / "queries.fvecs")}


def call(work, model, **fields):
    return work(make_config(model, fields))


def test_the_published_truth_of_open_images_is_derived_and_compared(tmp_path, shared, capsys):
    folder = shared / "data" / "groundtruth"
    whole, part = (str(folder / f"openimages_{size}_gtruth.ivecs") for size in ("13M", "1M"))
    assert run(["truth", "derive", whole, "--prefix", "1000000", "-o", f"{tmp_path}/t.ivecs", "--compare", part]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "9,999 of 10,000 queries in the same order, 10,000 as sets, 0 to 20 neighbors each",
        "query 6154: ids 516532, 160662 at ranks 10 to 11 are swapped, next to each other: taken for a tie, as no "
        "distances tell",
    ]
    record = json.loads((tmp_path / "t.ivecs.json").read_text())
    assert record["short_lists"] == 10_000
    assert record["comparison"]["differences"][0]["query"] == 6154
    assert read_truth(tmp_path / "t.ivecs").ids.shape == (10_000, 100)


@pytest.mark.parametrize("layout", ["t.ivecs", "t.ibin", "t.h5", "t.h5:neighbors", "t.npy", "t.parquet"])
def test_a_part_named_in_a_file_in_every_layout(tmp_path, rows, layout):
    whole = exact_search(rows[:360], rows[360:], 60, "l2").neighbors
    write_truth(tmp_path / "whole.parquet", whole.ids, whole.scores, metric="l2")
    kept = np.random.default_rng(1).permutation(360)[:90]
    np.save(tmp_path / "kept.npy", kept)
    (tmp_path / "kept.txt").write_text("".join(f"{row}\n" for row in kept))
    np.save(tmp_path / "flags.npy", np.isin(np.arange(360), kept))
    for name in ("kept.npy", "kept.txt", "flags.npy"):
        source, output = f"{tmp_path}/whole.parquet", tmp_path / layout
        fields = {"source": source, "output": output, "keep": tmp_path / name, "k": 5, "metric": "l2"}
        call(run_derive, DeriveConfig, **fields, renumber=True)
        part = exact_search(rows[np.sort(kept)], rows[360:], 5, "l2").neighbors
        found = read_truth(output, "l2")
        np.testing.assert_array_equal(found.ids, part.ids)
        if found.distances is not None:
            np.testing.assert_allclose(found.distances, part.scores, rtol=1e-6)
        call(run_derive, DeriveConfig, **fields)
        np.testing.assert_array_equal(read_truth(output).ids, np.sort(kept)[part.ids])


def test_lists_that_get_short_are_written_with_distances(tmp_path, rows):
    whole = exact_search(rows[:360], rows[360:], 20, "l2").neighbors
    for name in ("t.ibin", "t.h5", "t.parquet"):
        write_truth(tmp_path / f"whole{name[1:]}", whole.ids, whole.scores, metric="l2")
        call(run_derive, DeriveConfig, source=f"{tmp_path}/whole{name[1:]}", output=tmp_path / name, prefix=50)
        found = read_truth(tmp_path / name, "l2")
        known = found.ids >= 0
        np.testing.assert_array_equal(known.sum(axis=1), (whole.ids < 50).sum(axis=1))
        np.testing.assert_allclose(found.distances[known], whole.scores[whole.ids < 50], rtol=1e-6)


def test_distances_derived_into_another_layout_need_their_metric(tmp_path, rows):
    np.save(tmp_path / "base.npy", rows[:360])
    np.save(tmp_path / "queries.npy", rows[360:])
    words = [f"{tmp_path}/base.npy", f"{tmp_path}/queries.npy", "--metric", "l2", "-k", "9"]
    assert run(["truth", *words, "-o", f"{tmp_path}/whole.ibin"]) == 0
    whole = read_truth(tmp_path / "whole.ibin", "l2")
    call(run_derive, DeriveConfig, source=f"{tmp_path}/whole.ibin", output=tmp_path / "t.h5", prefix=300)
    found = read_truth(tmp_path / "t.h5", "l2")
    known = found.ids >= 0
    np.testing.assert_allclose(found.distances[known], whole.distances[whole.ids < 300], rtol=1e-6)  # as the JSON says
    (tmp_path / "whole.ibin.json").unlink()
    with pytest.raises(InputError, match=r"does not say what its distances are.*add --metric"):
        call(run_derive, DeriveConfig, source=f"{tmp_path}/whole.ibin", output=tmp_path / "u.h5", prefix=300)


def test_an_empty_list_of_rows_and_impossible_radii_are_one_sentence(tmp_path, rows, capsys, recwarn):
    write_truth(tmp_path / "whole.ivecs", np.array([[0, 1]]))
    (tmp_path / "none.txt").write_text("")
    with pytest.raises(InputError, match="at least one"):
        fields = {"keep": tmp_path / "none.txt", "output": tmp_path / "t.ivecs"}
        call(run_derive, DeriveConfig, source=f"{tmp_path}/whole.ivecs", **fields)
    assert not recwarn.list
    np.save(tmp_path / "base.npy", rows)
    with pytest.raises(InputError, match="0 or more, not -1"):
        fields = dict.fromkeys(("base", "queries"), f"{tmp_path}/base.npy")
        call(run_range, RangeConfig, **fields, radius=-1.0, metric="l2", output=tmp_path / "r.bin")
    with pytest.raises(InputError, match="two rows at least"):
        knn_graph(rows[:1], 1, "l2")


def test_two_truths_that_differ_by_more_than_ties_fail(tmp_path, capsys):
    ids = np.array([[0, 1, 2], [3, 4, 5]])
    write_truth(tmp_path / "a.ivecs", ids)
    write_truth(tmp_path / "b.parquet", ids[:, [1, 0, 2]], np.array([[0.0, 1, 2]] * 2))
    write_truth(tmp_path / "c.ivecs", np.array([[0, 1, 2], [3, 4, 9]]))
    assert run(["truth", "compare", f"{tmp_path}/a.ivecs", f"{tmp_path}/b.parquet"]) == 1
    assert "query 0: the same ids, but ids 1, 0 at ranks 1 to 2 in another order" in capsys.readouterr().out
    assert run(["truth", "compare", f"{tmp_path}/a.ivecs", f"{tmp_path}/c.ivecs", "--json"]) == 1
    record = json.loads(capsys.readouterr().out)["comparison"]
    assert (record["same_order"], record["differences"][0]["kind"]) == (1, "neighbors")
    assert run(["truth", "compare", f"{tmp_path}/a.ivecs", f"{tmp_path}/a.ivecs"]) == 0
    write_truth(tmp_path / "d.ivecs", ids[:1])
    with pytest.raises(ArrayError, match="of 2 and 1 queries"):
        call(run_compare, CompareConfig, first=f"{tmp_path}/a.ivecs", second=f"{tmp_path}/d.ivecs")


def test_what_cannot_be_derived(tmp_path):
    write_truth(tmp_path / "a.ivecs", np.array([[0, 1]]))
    (tmp_path / "rows.txt").write_text("one\n")
    (tmp_path / "rows.npy").write_bytes(b"")
    source = f"{tmp_path}/a.ivecs"
    with pytest.raises(InputError, match="--prefix N or --keep FILE: one of the two"):
        call(run_derive, DeriveConfig, source=source, output=tmp_path / "b.ivecs")
    with pytest.raises(InputError, match="name another output"):
        call(run_derive, DeriveConfig, source=source, output=source, prefix=1)
    for name in ("rows.txt", "rows.npy"):
        with pytest.raises(FormatError, match="no row numbers"):
            call(run_derive, DeriveConfig, source=source, output=tmp_path / "b.ivecs", keep=tmp_path / name)
    with pytest.raises(InputError, match="There is no file"):
        call(run_derive, DeriveConfig, source=source, output=tmp_path / "b.ivecs", keep=tmp_path / "none.txt")


@pytest.mark.parametrize(("metric", "radius"), [("l2", 4.0), ("sqeuclidean", 16.0), ("ip", 3.0), ("cosine", 0.4)])
def test_a_range_is_written_as_big_ann_has_it(tmp_path, files, rows, metric, radius):
    output = tmp_path / "range.bin"
    report = call(run_range, RangeConfig, **files, radius=radius, metric=metric, output=output)
    everything = exact_search(rows[:360], rows[360:], 360, metric).neighbors
    near = everything.scores >= radius if metric in ("ip", "cosine") else everything.scores <= radius
    found = read_range_truth(output, metric)
    np.testing.assert_array_equal(np.diff(found.limits), near.sum(axis=1))
    np.testing.assert_array_equal(found.ids, everything.ids[near])
    np.testing.assert_allclose(found.distances, everything.scores[near], rtol=1e-6)
    assert report.details["results"] == near.sum() > 0
    assert report.details["queries_without"] == (near.sum(axis=1) == 0).sum()
    digest = hashlib.sha256(output.read_bytes()).hexdigest()
    assert json.loads((tmp_path / "range.bin.json").read_text())["output"]["sha256"] == digest


def test_a_range_goes_on_after_it_was_killed(tmp_path, files, monkeypatch):
    call(run_range, RangeConfig, **files, radius=4.0, metric="l2", output=tmp_path / "whole.bin")
    monkeypatch.setattr(range_stage, "PART_QUERIES", 15)
    done = []

    def dies_at_the_second(base, queries, *arguments, **options):
        done.append(len(queries))
        if len(done) == 2:
            raise KeyboardInterrupt
        return exact_range(base, queries, *arguments, **options)

    monkeypatch.setattr(range_stage, "exact_range", dies_at_the_second)
    fields = {**files, "radius": 4.0, "metric": "l2", "output": tmp_path / "range.bin"}
    with pytest.raises(KeyboardInterrupt):
        call(run_range, RangeConfig, **fields)
    assert not (tmp_path / "range.bin").exists()
    assert call(run_range, RangeConfig, **fields).already_done == 15
    assert done == [15, 15, 15, 10]
    assert (tmp_path / "range.bin").read_bytes() == (tmp_path / "whole.bin").read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_a_range_that_cannot_be_written(tmp_path, files):
    for name, problem in (("t.h5", "has one layout"), ("base.fvecs", "has one layout"), ("", "is a folder")):
        with pytest.raises(InputError, match=problem):
            call(run_range, RangeConfig, **files, radius=1.0, metric="l2", output=tmp_path / name)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        call(run_range, RangeConfig, **files, radius=1.0, metric="l2", output=tmp_path / "file" / "r.bin")
    with pytest.raises(InputError, match="does not name a metric"):
        call(run_range, RangeConfig, **files, radius=1.0, output=tmp_path / "r.bin")


def test_a_graph_goes_on_after_it_was_killed(tmp_path, files, rows, monkeypatch):
    monkeypatch.setattr(graph_stage, "PART_ROWS", 100)
    done = []

    def dies_at_the_third(*arguments, **options):
        done.append(options["only"].start)
        if len(done) == 3:
            raise KeyboardInterrupt
        return knn_graph(*arguments, **options)

    monkeypatch.setattr(graph_stage, "knn_graph", dies_at_the_third)
    fields = {"base": files["base"], "k": 6, "metric": "l2", "output": tmp_path / "g.ivecs"}
    with pytest.raises(KeyboardInterrupt):
        call(run_graph, GraphConfig, **fields)
    report = call(run_graph, GraphConfig, **fields)
    assert (report.already_done, done) == (200, [0, 100, 200, 200, 300])
    expected = knn_graph(rows[:360], 6, "l2").neighbors
    np.testing.assert_array_equal(read_truth(tmp_path / "g.ivecs").ids, expected.ids)


def test_a_graph_with_every_row_in_its_own_list(tmp_path, files, rows):
    import h5py

    assert (
        run(
            [
                "truth",
                "graph",
                files["base"],
                "-k",
                "4",
                "--with-self",
                "--metric",
                "ip",
                "-o",
                f"{tmp_path}/g.h5:allknn",
            ]
        )
        == 0
    )
    with h5py.File(tmp_path / "g.h5") as file:
        np.testing.assert_array_equal(file["allknn/knns"][:, 0], np.arange(1, 361))  # SISAP counts from 1
        assert file["allknn/knns"].attrs["with_self"]
        assert file["allknn/gaps"].shape == (360,)
    expected = knn_graph(rows[:360], 4, "ip", with_self=True).neighbors
    np.testing.assert_array_equal(read_truth(f"{tmp_path}/g.h5:allknn").ids, expected.ids)


def test_the_plain_command_is_as_it_was(tmp_path, files, capsys):
    command = ["truth", files["base"], files["queries"], "--metric", "l2", "-k", "3", "-o", f"{tmp_path}/t.ivecs"]
    assert run([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["certified"] == 40
