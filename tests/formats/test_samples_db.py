"""SQLite files of Neural Priming: what is in them, as their readers take it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from goldpan.core.errors import InputError
from goldpan.formats.metadata import read_batches
from goldpan.formats.samples_db import COLUMNS, made_with, write_samples

ROWS = pa.RecordBatch.from_pydict(
    {
        "TEXT": ['a Cat\'s "tail"', None, "plain"],
        "SAMPLE_ID": [2**60, 7, None],
        "HEIGHT": [480.0, float("nan"), None],
        "WIDTH": ["640", "", None],
        "similarity": [0.3125, 1e-7, None],
        "extra": [[1], [2], [3]],
    }
)


def rows(path: Path, query: str = "SELECT * FROM samples") -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def test_all_is_text_in_the_order_of_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "part.db"
    assert write_samples(path, [ROWS, ROWS.slice(1, 1)]) == 4
    assert rows(path)[:3] == [
        (str(2**60), "", 'a Cat\'s "tail"', "480", "640", "", "", "0.3125"),
        ("7", "", "", "0", "0", "", "", "1e-7"),
        ("0", "", "plain", "0", "0", "", "", "0"),
    ]
    for sample_id, _, _, height, width, _, _, similarity in rows(path):
        assert int(float(sample_id)) >= 0
        assert int(float(height)) in (0, 480)
        assert int(float(width)) in (0, 640)
        assert float(similarity) >= 0


def test_it_is_read_back(tmp_path: Path) -> None:
    write_samples(tmp_path / "part.db", [ROWS])
    (batch,) = [batch for batch, _ in read_batches(tmp_path / "part.db")]
    assert tuple(batch.schema.names) == COLUMNS
    assert batch["TEXT"].to_pylist() == ['a Cat\'s "tail"', "", "plain"]


def test_match_looks_at_the_columns_that_were_asked_for(tmp_path: Path) -> None:
    batch = pa.RecordBatch.from_pydict({"TEXT": ["cat", "dog"], "URL": ["dog.jpg", "cat.jpg"]})
    for name, searched, found in (("text", ("TEXT",), ["cat"]), ("both", ("TEXT", "URL"), ["cat", "dog"])):
        write_samples(tmp_path / f"{name}.db", [batch], searched)
        asked = "SELECT TEXT FROM samples WHERE samples MATCH 'CAT' COLLATE NOCASE"
        assert [text for (text,) in rows(tmp_path / f"{name}.db", asked)] == found


def test_rows_without_ids_are_numbered(tmp_path: Path) -> None:
    batch = pa.RecordBatch.from_pydict({"TEXT": ["a", "b"]})
    write_samples(tmp_path / "part.db", [batch, batch], first_row=10)
    assert [row[0] for row in rows(tmp_path / "part.db")] == ["10", "11", "12", "13"]


def test_what_made_it_is_known(tmp_path: Path) -> None:
    write_samples(tmp_path / "part.db", [ROWS], settings="so")
    assert made_with(tmp_path / "part.db") == ("so", 3)
    (tmp_path / "other.db").write_bytes(b"no database at all" * 100)
    assert made_with(tmp_path / "other.db") is None
    assert made_with(tmp_path / "nowhere.db") is None


def test_a_full_disk_is_said_as_of_any_file(tmp_path: Path) -> None:
    command = f"""
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
import pyarrow as pa
from pathlib import Path
from goldpan.formats.samples_db import write_samples
write_samples(Path({str(tmp_path / "s.db")!r}), [pa.record_batch({{"TEXT": [f"{{i}} cats" for i in range(9000)]}})])
"""
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].startswith("OSError: [Errno"), done.stderr
    assert not list(tmp_path.iterdir())


def test_columns_that_are_no_texts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="The column TEXT holds list"):
        write_samples(tmp_path / "part.db", [pa.RecordBatch.from_pydict({"TEXT": [["a"]]})])
    assert not list(tmp_path.iterdir())
