"""Tables of a workspace: append, read, predicates, order, two processes at once."""

import multiprocessing
from pathlib import Path

import pyarrow as pa
import pytest

from goldpan.core.errors import InputError, WorkspaceError
from goldpan.store.schemas import IMAGES
from goldpan.store.tables import Table

SCHEMA = pa.schema([("id", pa.string()), ("size", pa.int64())])


def rows(start: int, stop: int) -> pa.Table:
    return pa.table({"id": [f"k{i}" for i in range(start, stop)], "size": list(range(start, stop))}, schema=SCHEMA)


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(str(tmp_path / "things.lance"), SCHEMA, "things")


def test_a_table_that_was_never_written_is_empty(table: Table) -> None:
    assert not table.exists
    assert table.count() == 0
    assert table.version == 0
    assert table.to_table().num_rows == 0
    assert table.to_table(columns=["size"]).column_names == ["size"]
    assert list(table.scan()) == []


def test_rows_come_back_in_the_order_of_the_appends(table: Table) -> None:
    for start in range(0, 100, 10):
        table.append(rows(start, start + 10))
    assert table.to_table()["size"].to_pylist() == list(range(100))
    assert table.count("size >= 95") == 5
    assert table.to_table("size % 50 = 1", ["id"])["id"].to_pylist() == ["k1", "k51"]


def test_scan_cuts_exact_batches_across_fragments(table: Table) -> None:
    for start in range(0, 100, 7):
        table.append(rows(start, min(100, start + 7)))
    sizes = [batch.num_rows for batch in table.scan(["size"], batch_rows=16)]
    assert sizes == [16] * 6 + [4]


def test_compaction_keeps_the_order(table: Table) -> None:
    for start in range(50):
        table.append(rows(start, start + 1))
    table.compact()
    assert len(table.dataset().get_fragments()) < 50
    assert table.to_table()["size"].to_pylist() == list(range(50))


@pytest.mark.parametrize("where", ["nonsense = 1", "size >", "id LIKE"])
def test_a_bad_predicate_is_one_sentence(table: Table, where: str) -> None:
    table.append(rows(0, 3))
    with pytest.raises(InputError, match="things") as caught:
        table.to_table(where)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError):
        table.count(where)
    with pytest.raises(InputError):
        list(table.scan(where=where))


def test_an_unknown_column_names_the_known_ones(table: Table) -> None:
    table.append(rows(0, 3))
    with pytest.raises(InputError, match="id, size"):
        table.to_table(columns=["colour"])


def test_a_table_without_schema_says_that_it_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="does not exist"):
        Table(str(tmp_path / "x.lance"), None, "vectors/x").to_table()


def test_append_rows_fills_missing_columns_with_null(tmp_path: Path) -> None:
    images = Table(str(tmp_path / "images.lance"), IMAGES, "images")
    images.append_rows([{"id": "a", "box": [1, 2, 3, 4]}, {"id": "b", "width": 5}])
    assert images.to_table().to_pylist()[1]["box"] is None
    assert images.to_pandas("id = 'a'")["box"][0].tolist() == [1, 2, 3, 4]


def _append(uri: str, start: int) -> None:
    table = Table(uri, SCHEMA)
    for i in range(5):
        table.append(rows(start + i, start + i + 1))


def test_processes_may_append_at_once(table: Table) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_append, args=(table.uri, 100 * i)) for i in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert sorted(table.to_table()["size"].to_pylist()) == [100 * i + j for i in range(3) for j in range(5)]
