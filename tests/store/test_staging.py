"""Rows that reach a table as files: in order, once, and nothing of them left when a run ends however it ends."""

from pathlib import Path

import pyarrow as pa
import pytest

from goldpan.store.blobs import blob_uri
from goldpan.store.schemas import vectors_schema
from goldpan.store.staging import Staged
from goldpan.store.workspace import Workspace

SCHEMA = vectors_schema(2, "float32", {"encoder": "a"})


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "ws", create=True)


def rows(*ids: str) -> pa.Table:
    values = pa.array([float(number) for number in range(2 * len(ids))], pa.float32())
    return pa.table([list(ids), pa.FixedSizeListArray.from_arrays(values, 2)], schema=SCHEMA)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_pieces_are_appended_in_order_in_one_commit(ws: Workspace) -> None:
    table = ws.vectors_table("a")
    with ws.staging("a") as folder:
        first, second, third, fourth = (table.stage(rows(*ids), folder) for ids in ("ab", "c", "de", "f"))
        assert not table.exists
        table.adopt([second, first, third], SCHEMA)
        assert table.to_table()["id"].to_pylist() == ["c", "a", "b", "d", "e"]
        assert table.metadata == {"encoder": "a"}
        version = table.version
        table.adopt([], SCHEMA)
        assert table.version == version
        table.adopt([fourth], SCHEMA)
    assert table.to_table()["id"].to_pylist() == ["c", "a", "b", "d", "e", "f"]
    assert table.to_table().schema.equals(SCHEMA, check_metadata=True)
    assert table.version == version + 1
    assert not files(ws.path / ".staged")


def test_what_was_appended_and_what_was_staged_are_one_table(ws: Workspace) -> None:
    table = ws.vectors_table("a")
    with ws.staging("a") as folder:
        piece = table.stage(rows("b"), folder)
        table.append(rows("a"))
        table.adopt([piece, table.stage(rows("c"), folder)], SCHEMA)
        table.append(rows("d"))
    assert table.to_table().equals(pa.concat_tables([rows("a"), rows("b"), rows("c"), rows("d")]))
    table.delete("id = 'b'")
    assert table.to_table()["id"].to_pylist() == ["a", "c", "d"]


def test_what_a_killed_run_staged_goes_with_the_next(ws: Workspace) -> None:
    table = ws.vectors_table("a")
    killed = ws.staging("a")
    folder = killed.__enter__()
    table.append(rows("a"))
    table.stage(rows("b"), folder)
    with ws.staging("another"):
        assert len(files(ws.path / ".staged")) == 1
    with ws.staging("a") as another:
        assert another != folder
        assert not files(ws.path / ".staged")
    assert table.to_table()["id"].to_pylist() == ["a"]


def test_the_same_bytes_are_stored_once(ws: Workspace) -> None:
    blobs = ws.blobs
    blobs.put({"1" * 64: b"one"})
    with ws.staging("a") as folder:
        pieces = [
            blobs.stage({sha * 64: data for sha, data in part.items()}, folder)
            for part in ({"1": b"one"}, {"2": b"two", "3": b"three"}, {"4": b"four", "2": b"two"}, {"3": b"three"})
        ]
        blobs.adopt(pieces)
    assert sorted(blobs.table.to_table()["sha256"].to_pylist()) == [sha * 64 for sha in "1234"]
    found = blobs.read_all([blob_uri(sha * 64) for sha in "1234"])
    assert list(found) == [b"one", b"two", b"three", b"four"]


def test_a_piece_travels_as_text(ws: Workspace) -> None:
    with ws.staging("a") as folder:
        piece = Staged(*map(str, ws.vectors_table("a").stage(rows("a", "b"), folder)))
        assert piece.fragment.physical_rows == 2
        assert piece.read(SCHEMA).equals(rows("a", "b"))
