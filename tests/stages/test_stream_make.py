"""Runbooks that are made: every kind passes the strict reader, and what does not fit is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goldpan.core.errors import InputError
from goldpan.formats.runbook import read_runbook
from goldpan.stages.stream.make import bench_runbook
from goldpan.stages.stream.run import bench_stream

KINDS: dict[str, dict[str, Any]] = {
    "iid": {"n": 600},
    "sliding": {"n": 600, "batches": 20},
    "expiration": {"n": 600, "batches": 60, "lifetimes": (0, 20, 5)},
    "clustered": {"base": "base.npy", "clusters": 4},
    "replace": {"base": "base.npy", "clusters": 4, "source": "random", "seed": 1},
    "class-drift": {"labels": "labels.txt"},
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rng = np.random.default_rng(3)
    np.save(tmp_path / "base.npy", rng.normal(size=(600, 6)).astype(np.float32))
    np.save(tmp_path / "queries.npy", rng.normal(size=(10, 6)).astype(np.float32))
    names = rng.choice(list("abcdefgh"), 600).tolist()
    (tmp_path / "labels.txt").write_text("\n".join(names) + "\n")
    np.save(tmp_path / "labels.npy", np.array(names))
    pq.write_table(
        pa.table({"label": names, "other": names, "some": [*names[:-2], None, None]}), tmp_path / "labels.parquet"
    )
    np.save(tmp_path / "nan.npy", np.where(np.arange(600)[:, None] == 7, np.nan, np.ones((600, 6), np.float32)))
    np.save(tmp_path / "bad.npy", np.array([{}], object))
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and no more")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_passes_the_reader_and_is_made_again(place: Path, kind: str) -> None:
    for name in ("one", "two"):
        bench_runbook(kind=kind, output=place / f"{name}.yaml", name="toy", **KINDS[kind])
    book = read_runbook(place / "one.yaml", "toy", n=600)
    assert len(book.search_steps) > 1
    assert (place / "one.yaml").read_bytes() == (place / "two.yaml").read_bytes()
    orders = [place / f"{name}.order.npy" for name in ("one", "two")]
    assert orders[0].is_file() == (kind not in ("sliding", "expiration"))
    if orders[0].is_file():
        assert orders[0].read_bytes() == orders[1].read_bytes()


def test_a_made_runbook_plays(place: Path) -> None:
    bench_runbook(kind="class-drift", output="drift.yaml", labels="labels.parquet:other", share=0.1)
    report = bench_stream(
        runbook="drift.yaml", dataset="base.npy", queries="queries.npy", metric="l2", engine=["flat"], output="out"
    )
    entry = report.details["engines"][0]
    assert entry["summary"]["score"] == 1
    searches = [row for row in entry["rows"] if row["operation"] == "search"]
    assert searches[-1]["drift"] > searches[1]["drift"] > 0


def test_labels_are_read_from_three_kinds_of_files(place: Path) -> None:
    for labels in ("labels.txt", "labels.npy", "labels.parquet"):
        bench_runbook(kind="class-drift", output=f"{labels}.yaml", labels=labels)
    made = {(place / f"{labels}.yaml").read_bytes() for labels in ("labels.txt", "labels.npy", "labels.parquet")}
    assert len(made) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "iid"}, "-n 10000"),
        ({"kind": "ring", "n": 10}, "kind"),
        ({"kind": "iid", "n": 600, "clusters": 3}, "has no --clusters"),
        ({"kind": "clustered"}, "--base FILE"),
        ({"kind": "clustered", "base": "nan.npy"}, "the first in row 7"),
        ({"kind": "class-drift"}, "--labels FILE"),
        ({"kind": "class-drift", "labels": "nowhere.txt"}, "no file"),
        ({"kind": "class-drift", "labels": "labels.parquet:colour"}, "no column 'colour'"),
        ({"kind": "class-drift", "labels": "labels.parquet:some"}, "2 of 600 rows have no some"),
        ({"kind": "class-drift", "labels": "bad.npy"}, "cannot be read"),
        ({"kind": "class-drift", "labels": "bad.parquet"}, "cannot be read"),
        ({"kind": "class-drift", "labels": "base.npy"}, r"shape \(600, 6\)"),
        ({"kind": "class-drift", "labels": "labels.txt", "n": 5}, "600 rows of labels"),
        ({"kind": "iid", "n": 600, "output": "book.json"}, "name a .yaml"),
        ({"kind": "iid", "n": 600, "output": "there.yaml"}, "exists already"),
    ],
)
def test_bad_input_is_one_sentence(place: Path, fields: dict[str, Any], message: str) -> None:
    (place / "there.yaml").write_text("mine")
    with pytest.raises(InputError, match=message) as caught:
        bench_runbook(**{"output": "book.yaml"} | fields)
    assert "\n" not in str(caught.value)
    assert not (place / "book.yaml").exists()
    assert (place / "there.yaml").read_text() == "mine"
