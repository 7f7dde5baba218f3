"""goldpan sql reads the tables and reaches nothing else."""

from pathlib import Path

import pytest

from goldpan.core.errors import InputError
from goldpan.store.sql import query_tables
from goldpan.store.workspace import Workspace


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    ws = Workspace(tmp_path / "ws", create=True)
    ws.images.append_rows([{"id": "a", "label": "cat"}, {"id": "b", "label": "dog"}])
    return ws


def test_rows_come_out(ws: Workspace) -> None:
    found = query_tables(ws, "SELECT label, count(*) AS n FROM images GROUP BY label ORDER BY label")
    assert found.to_pylist() == [{"label": "cat", "n": 1}, {"label": "dog", "n": 1}]
    assert query_tables(ws, "SELECT count(*) AS n FROM failures").to_pylist() == [{"n": 0}]


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM images",
        "DROP VIEW images",
        "CREATE TABLE x AS SELECT 1",
        "COPY images TO 'stolen.csv'",
        "SELECT 1; DROP VIEW images",
        "SELECT * FROM read_csv('/etc/hostname')",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM '/etc/hostname'",
        "SELECT * FROM glob('/*')",
        "ATTACH 'other.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "PRAGMA database_list",
        "EXPORT DATABASE 'x'",
        "",
        "SELECT",
    ],
)
def test_everything_else_is_refused(ws: Workspace, query: str, tmp_path: Path) -> None:
    before = {path for path in tmp_path.rglob("*")}
    with pytest.raises(InputError):
        query_tables(ws, query)
    assert {path for path in tmp_path.rglob("*")} == before
    assert ws.images.count() == 2
