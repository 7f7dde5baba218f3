"""The folders of BEIR and MTEB: texts to find, texts to ask, and which finds a person judged relevant.

::

    corpus.jsonl      {"_id": "d1", "title": "...", "text": "..."} a line
    queries.jsonl     {"_id": "q1", "text": "..."} a line
    qrels/test.tsv    query-id, corpus-id, score, with a line of names

Relevance is not nearness: a judged answer need not be among the exact neighbors, and most neighbors were never judged.
Keep both: recall against exact neighbors measures the index, nDCG against these the embedding.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import FormatError, InputError, UnknownName
from goldpan.core.records import Ids

_MAX_LINE = 1 << 26  # characters; a file without line breaks must not fill the memory


class Text(NamedTuple):
    """One document or query."""

    id: str
    title: str
    text: str


class Judgements(NamedTuple):
    """Relevance by row numbers, one entry a judged pair.

    Attributes:
        queries: ``(m,)`` int64 rows of the queries, ascending.
        documents: ``(m,)`` int64 rows of the corpus.
        grades: ``(m,)`` int64; above 0 is relevant.
    """

    queries: Ids
    documents: Ids
    grades: NDArray[np.int64]


class BeirFolder:
    """A collection; texts are passed over line by line.

    Raises:
        InputError: the folder has no corpus.jsonl or queries.jsonl.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        for name in ("corpus.jsonl", "queries.jsonl"):
            if not (self.path / name).is_file():
                raise InputError(f"{self.path} is no BEIR folder: it has no {name}.")

    @property
    def splits(self) -> list[str]:
        """Names of the files of judgements."""
        return sorted(path.stem for path in (self.path / "qrels").glob("*.tsv"))

    def corpus(self) -> Iterator[Text]:
        """Pass over the documents.

        Raises:
            FormatError: a line that is no object with `_id` and `text`; its number is named.
        """
        return _texts(self.path / "corpus.jsonl")

    def queries(self) -> Iterator[Text]:
        """Pass over the queries; see `corpus`."""
        return _texts(self.path / "queries.jsonl")

    def qrels(self, split: str = "test") -> dict[str, dict[str, int]]:
        """Return the grade of each judged document by query and document.

        Raises:
            UnknownName: no such split.
            FormatError: a line without three fields or with a grade that is no whole number; its number is named.
        """
        if split not in self.splits:
            raise UnknownName("split", split, self.splits, f"({self.path})")
        path = self.path / "qrels" / f"{split}.tsv"
        found: dict[str, dict[str, int]] = {}
        for number, fields in _lines(path):
            if number == 0 and fields[-1:] == ["score"]:
                continue
            if len(fields) != 3 or not fields[2].lstrip("-").isdecimal():
                raise FormatError(path, "a line holds a query, a document and a whole-number grade.", row=number)
            found.setdefault(fields[0], {})[fields[1]] = int(fields[2])
        return found

    def judgements(self, split: str, query_ids: Sequence[str], document_ids: Sequence[str]) -> Judgements:
        """Return the judgements of a split by row numbers; pairs whose query is not among `query_ids` are left out.

        Args:
            split: which file of judgements.
            query_ids: ids of the queries, by row.
            document_ids: ids of the corpus, by row.

        Raises:
            FormatError: a judged document that the corpus does not have.
        """
        rows = {name: row for row, name in enumerate(document_ids)}
        qrels = self.qrels(split)
        entries = []
        for row, query in enumerate(query_ids):
            for document, grade in qrels.get(query, {}).items():
                if document not in rows:
                    problem = f"document {document!r} is judged for query {query!r} and not in the corpus."
                    raise FormatError(self.path / "qrels" / f"{split}.tsv", problem)
                entries.append((row, rows[document], grade))
        columns = np.array(entries, np.int64).reshape(-1, 3).T
        return Judgements(*columns)


def write_beir(
    folder: str | Path, corpus: Sequence[Text], queries: Sequence[Text], qrels: dict[str, dict[str, dict[str, int]]]
) -> None:
    """Write a collection, `qrels` by split, query and document; the folder is there whole or not at all."""
    from goldpan.formats.atomic import replace_folder

    with replace_folder(folder) as root:
        (root / "qrels").mkdir()
        for name, texts in (("corpus", corpus), ("queries", queries)):
            with (root / f"{name}.jsonl").open("w", encoding="utf-8") as file:
                for text in texts:
                    entry = {"_id": text.id, "title": text.title, "text": text.text}
                    file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        for split, judged in qrels.items():
            with (root / "qrels" / f"{split}.tsv").open("w", encoding="utf-8", newline="") as file:
                table = csv.writer(file, "excel-tab", lineterminator="\n")
                table.writerow(("query-id", "corpus-id", "score"))
                table.writerows((q, d, grade) for q, grades in judged.items() for d, grade in grades.items())


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        try:
            yield from enumerate(csv.reader(file, "excel-tab"))
        except (csv.Error, UnicodeDecodeError) as error:
            raise FormatError(path, f"not a table with tabs ({error}).") from None


def _texts(path: Path) -> Iterator[Text]:
    with path.open(encoding="utf-8") as file:
        number = 0
        try:
            while line := file.readline(_MAX_LINE):
                if line.strip():
                    yield _text(path, number, json.loads(line))
                number += 1
        except (ValueError, RecursionError) as error:
            raise FormatError(path, f"not a line of JSON ({error}).", row=number) from None


def _text(path: Path, number: int, entry: object) -> Text:
    if not isinstance(entry, dict) or "_id" not in entry or not isinstance(entry.get("text"), str):
        raise FormatError(path, "a line is an object with _id and text.", row=number)
    return Text(str(entry["_id"]), str(entry.get("title") or ""), entry["text"])
