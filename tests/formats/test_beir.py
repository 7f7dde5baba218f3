"""BEIR folders: texts line by line, judgements by names and by rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldpan.core.errors import FormatError, InputError, UnknownName
from goldpan.formats.beir import BeirFolder, Text, write_beir

CORPUS = [Text("d1", "Gold", "It is panned\nin rivers."), Text("d2", "", "ähnlich"), Text("d3", "", "")]
QUERIES = [Text("q1", "", "where is gold?"), Text("q2", "", "what?")]
QRELS = {"test": {"q2": {"d3": 1}, "q1": {"d1": 2, "d2": 0}}, "dev": {"q1": {"d2": 1}}}


def test_there_and_back(tmp_path: Path) -> None:
    write_beir(tmp_path / "toy", CORPUS, QUERIES, QRELS)
    found = BeirFolder(tmp_path / "toy")
    assert list(found.corpus()) == CORPUS
    assert list(found.queries()) == QUERIES
    assert found.splits == ["dev", "test"]
    assert {split: found.qrels(split) for split in found.splits} == QRELS
    assert (tmp_path / "toy/qrels/dev.tsv").read_text() == "query-id\tcorpus-id\tscore\nq1\td2\t1\n"
    rows = found.judgements("test", ["q1", "q2"], ["d1", "d2", "d3"])
    assert [column.tolist() for column in rows] == [[0, 0, 1], [0, 1, 2], [2, 0, 1]]
    assert found.judgements("test", ["q9"], ["d1"]).queries.size == 0


def test_files_of_others(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text('{"_id": 7, "text": "a", "title": null, "metadata": {}}\n\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "b"}')
    (tmp_path / "qrels/test.tsv").write_text("1\t7\t1\r\n")
    found = BeirFolder(tmp_path)
    assert list(found.corpus()) == [Text("7", "", "a")]
    assert found.qrels() == {"1": {"7": 1}}


def test_what_is_no_collection(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"it has no corpus\.jsonl"):
        BeirFolder(tmp_path)
    write_beir(tmp_path / "toy", CORPUS, QUERIES, QRELS)
    found = BeirFolder(tmp_path / "toy")
    with pytest.raises(UnknownName, match="Known: dev, test"):
        found.qrels("train")
    with pytest.raises(FormatError, match="document 'd2' is judged for query 'q1' and not in the corpus"):
        found.judgements("test", ["q1"], ["d1"])
    for line in ('{"_id": "a"}', "[1]", '{"text": "a"}', '{"_id": "a", "text": 5}', "{", "[" * 100_000, "\x00"):
        (tmp_path / "toy/corpus.jsonl").write_text('{"_id": "a", "text": "b"}\n' + line)
        with pytest.raises(FormatError, match=r"corpus.jsonl at row 1"):
            list(found.corpus())
    (tmp_path / "toy/corpus.jsonl").write_bytes(b'{"_id": "a", "text": "\xff"}')
    with pytest.raises(FormatError):
        list(found.corpus())
    for line in ("q1\td1", "q1\td1\thigh", "q1 d1 1"):
        (tmp_path / "toy/qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n" + line)
        with pytest.raises(FormatError, match=r"at row 1: a line holds a query"):
            found.qrels()
