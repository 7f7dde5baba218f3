"""`goldpan retrieve db`: shards that unmet-promise's own query finds the same in, resumed."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import goldpan
from goldpan.core.errors import InputError
from goldpan.formats.alone import alone_at
from goldpan.formats.class_lists import read_classes
from goldpan.search.captions.language import query_of_class


def searched(path: Path, query: str) -> list[tuple[str, str, str]]:
    """What the original's query finds, its row taken apart by place."""
    told = query.replace("'", "")
    found = []
    with closing(sqlite3.connect(path)) as database:
        for row in database.execute(f"SELECT * FROM samples WHERE TEXT MATCH '{told}' COLLATE NOCASE"):
            sample_id, url, text, height, width, _license, _nsfw, similarity = row
            found.append((int(float(sample_id)), url, text, int(float(height)), int(float(width)), float(similarity)))
    return found


@pytest.mark.parametrize("template", ["ImageNet", "DTD", "Flowers102"])
def test_the_query_of_the_original_finds_what_we_find(template: str, shared: Path, tmp_path: Path) -> None:
    classes = shared / f"data/templates/{template}.json"
    listed = shared / "data/captions/laion_10000.parquet"
    goldpan.retrieve_db(metadata=[listed], output=tmp_path / "part-00000.db")
    goldpan.retrieve_substring(metadata=[tmp_path / "part-00000.db"], classes=classes, output=tmp_path / "found")
    ours: dict[str, set[int]] = {}
    for row in json.loads((tmp_path / "found/chunk_0.json").read_text()):
        ours.setdefault(row["QUERY"], set()).add(row["SAMPLE_ID"])
    names, _, class_map, *_ = read_classes(classes)
    for name in names:
        query = query_of_class(name, class_map)
        if "'" not in query:  # the original drops apostrophes, and with them finds other rows
            theirs = {number for number, *_ in searched(tmp_path / "part-00000.db", query)}
            assert theirs == ours.get(name, set()), name
    plain = goldpan.retrieve_substring(metadata=[listed], classes=classes, output=tmp_path / "plain")
    assert plain.details["rows"] == sum(map(len, ours.values()))


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    numbers = [str(number) for number in range(25)]
    pq.write_table(pa.table({"url": numbers, "alt": [f"cat {number}" for number in numbers]}), tmp_path / "a.parquet")
    return tmp_path / "a.parquet"


def test_shards_count_on_and_whole_ones_are_left(listed: Path, tmp_path: Path) -> None:
    def write() -> int:
        report = goldpan.retrieve_db(metadata=[listed], output=tmp_path / "db/part-00007.db", shard_rows=10)
        assert report.rows_in == report.rows_out == 25
        assert report.details["files"] == 3
        return report.already_done

    assert write() == 0
    files = sorted(path.name for path in (tmp_path / "db").glob("[!.]*"))
    assert files == ["part-00007.db", "part-00008.db", "part-00009.db"]
    assert [row[:3] for row in searched(tmp_path / "db/part-00009.db", "cat")] == [
        (number, str(number), f"cat {number}") for number in range(20, 25)
    ]
    (tmp_path / "db/part-00008.db").rename(half := tmp_path / "db/.part-00008.db.0123abcd.tmp")
    before = (tmp_path / "db/part-00009.db").stat()
    assert write() == 15
    assert (tmp_path / "db/part-00009.db").stat() == before
    assert len(searched(tmp_path / "db/part-00008.db", "cat")) == 10
    assert not half.exists()
    with alone_at(tmp_path / "db/part-00007.db"), pytest.raises(InputError, match="Another run writes to"):
        write()


def test_other_files_are_not_written_over(listed: Path, tmp_path: Path) -> None:
    output = tmp_path / "part.db"
    goldpan.retrieve_db(metadata=[listed], output=output)
    with pytest.raises(InputError, match="is there already, and holds something else"):
        goldpan.retrieve_db(metadata=[listed], output=output, searched=["TEXT", "URL"])
    with pytest.raises(InputError, match=r"ends in \.db or \.sqlite"):
        goldpan.retrieve_db(metadata=[listed], output=tmp_path / "part.parquet")


def test_rows_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"caption": "cat"}\nno JSON\n{"caption": null}\n')
    report = goldpan.retrieve_db(metadata=[tmp_path / "a.jsonl"], output=tmp_path / "a.db")
    assert (report.rows_in, report.rows_out, report.failures) == (3, 2, {"bad_row": 1})
    (tmp_path / "b.csv").write_text("caption\n")
    assert goldpan.retrieve_db(metadata=[tmp_path / "b.csv"], output=tmp_path / "b.db").rows_out == 0
    assert searched(tmp_path / "b.db", "cat") == []
