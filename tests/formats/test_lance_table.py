"""A workspace's table of vectors as a source."""

from __future__ import annotations

import json
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest

from goldpan.core.errors import ArrayError, FormatError, InputError
from goldpan.core.records import Metric
from goldpan.formats.vectors import open_vectors, write_vectors

ROWS = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two appends, one row deleted in between, as a workspace does it."""
    path = tmp_path / "clip.lance"
    schema = pa.schema([("id", pa.string()), ("vector", pa.list_(pa.float32(), 4))])
    schema = schema.with_metadata({"goldpan": json.dumps({"metric": "cosine"})})
    for first, last in ((0, 30), (30, 51)):
        rows = np.concatenate([ROWS, ROWS])[first:last]
        lists = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), 4)
        batch = pa.table([pa.array([f"k{i}" for i in range(first, last)]), lists], schema=schema)
        lance.write_dataset(batch, path, mode="append" if first else "create")
    lance.dataset(path).delete("id = 'k50'")
    return path


def test_rows_in_the_order_they_were_appended(table: Path) -> None:
    reader = open_vectors(table)
    assert (reader.n, reader.dim, reader.dtype) == (50, 4, np.float32)
    assert (reader.metric, reader.columns) == (Metric.COSINE, ("id",))
    np.testing.assert_array_equal(reader.read(0, 50), ROWS)
    np.testing.assert_array_equal(reader.read(28, 33), ROWS[28:33])
    assert reader.read(7, 7).shape == (0, 4)
    np.testing.assert_array_equal(reader.take([49, 3, 3, 30]), ROWS[[49, 3, 3, 30]])
    assert reader.take([]).shape == (0, 4)
    with pytest.raises(ArrayError):
        reader.take([50])


def test_blocks_and_ids_in_step(table: Path) -> None:
    reader = open_vectors(f"{table}:vector")
    assert [len(block) for block in reader.blocks(20)] == [20, 20, 10]
    np.testing.assert_array_equal(np.concatenate(list(reader.blocks(20))), ROWS)
    ids = pa.concat_tables(reader.metadata(20))["id"].to_pylist()
    assert ids == [f"k{i}" for i in range(50)]
    assert [batch.num_rows for batch in reader.metadata(20)] == [20, 20, 10]


def test_what_is_no_table_is_said_and_none_is_written(tmp_path: Path) -> None:
    (tmp_path / "x.lance").mkdir()
    with pytest.raises(FormatError, match="not a Lance table"):
        open_vectors(tmp_path / "x.lance")
    with pytest.raises(InputError, match="does not write them"):
        write_vectors(tmp_path / "y.lance", [ROWS], dim=4, dtype="float32")
