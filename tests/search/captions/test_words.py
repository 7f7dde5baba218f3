"""Held against SQLite FTS5 itself, which is what the captions of unmet-promise were searched with."""

from __future__ import annotations

import json
import random
import re
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goldpan.core.errors import InputError
from goldpan.search.captions.language import parse_query, phrase_of_name, query_of_class
from goldpan.search.captions.tokens import tokenize
from goldpan.search.captions.words import WordMatcher

TEXTS = [
    "A White great SHARK",
    "great white shark, swimming",
    "white sharks",
    "Boeing 737-200 over İstanbul",
    "crème brûlée; CREME BRULEE",
    "naïve e\u0301clair \u0301x",
    "日本の写真 photo",
    "snake_case don't",
    "",
    "primrose that is pink",
    "pink primrose",
    "🦈 emoji shark",
]


@pytest.fixture(scope="module")
def oracle() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:")
    try:
        database.execute("CREATE VIRTUAL TABLE samples USING fts5(text)")
    except sqlite3.OperationalError:
        pytest.skip("this SQLite has no FTS5")
    return database


@pytest.fixture(scope="module")
def captions(shared: Path) -> pa.ChunkedArray:
    return pq.read_table(shared / "data" / "captions" / "laion_10000.parquet")["TEXT"]


def fill(database: sqlite3.Connection, texts: list[str]) -> None:
    database.execute("DELETE FROM samples")
    database.executemany("INSERT INTO samples(rowid, text) VALUES (?, ?)", enumerate(texts))


def expected(database: sqlite3.Connection, query: str) -> list[int]:
    rows = database.execute("SELECT rowid FROM samples WHERE samples MATCH ? ORDER BY rowid", (query,))
    return [row for (row,) in rows]


def found(queries: list[str], texts: pa.Array, compiled: bool) -> list[list[int]]:
    matches = WordMatcher([parse_query(query) for query in queries], compiled).match(texts)
    rows: list[list[int]] = [[] for _ in queries]
    for row, query in zip(matches.rows.tolist(), matches.queries.tolist(), strict=True):
        rows[query].append(row)
    return rows


QUERIES = [
    "great white shark",
    '"great white shark"',
    "SHARK",
    "shark*",
    "^ white",
    "^white + shark*",
    "^whi* + shark",
    'whi* + "" + shark*',
    "white NOT great",
    "white OR pink AND primrose",
    "(white OR pink) AND primrose",
    '"737 200"',
    '"737-200"',
    "istanbul",
    "creme brulee",
    "éclair",
    "eclair",
    "x",
    "日本の写真",
    "snake_case",
    "case",
    '"don\'t"',
    "don t",
    '"--"',
    'shark "--"',
    'shark OR "--"',
    'shark AND "--"',
    'shark NOT "--"',
    '"" shark',
    "NEAR",
    '"a" + "white"',
    "nothing here",
    "great\u00a0white",
    "white \u2003",
    "^\u2003 white",
    "\u00a0* OR pink",
]


@pytest.mark.parametrize("compiled", [True, False], ids=["kernel", "twin"])
def test_every_form_of_query_finds_what_sqlite_finds(oracle: sqlite3.Connection, compiled: bool) -> None:
    fill(oracle, TEXTS)
    rows = found(QUERIES, pa.array(TEXTS), compiled)
    assert dict(zip(QUERIES, rows, strict=True)) == {query: expected(oracle, query) for query in QUERIES}


@pytest.mark.parametrize("compiled", [True, False], ids=["kernel", "twin"])
def test_random_expressions_over_real_captions_find_what_sqlite_finds(
    oracle: sqlite3.Connection, captions: pa.ChunkedArray, compiled: bool
) -> None:
    texts = captions.slice(0, 2000).combine_chunks()
    fill(oracle, texts.to_pylist())
    queries = [query for query in _expressions(texts.to_pylist(), 800) if _is_understood(oracle, query)]
    assert len(queries) > 600
    assert found(queries, texts, compiled) == [expected(oracle, query) for query in queries]


def _is_understood(oracle: sqlite3.Connection, query: str) -> bool:
    """Hold both parsers against each other: what SQLite refuses we refuse, and only that."""
    try:
        expected(oracle, query)
    except sqlite3.OperationalError:
        with pytest.raises(InputError):
            parse_query(query)
        return False
    parse_query(query)
    return True


def _expressions(texts: list[str], count: int) -> list[str]:
    rng = random.Random(1)
    vocabulary = [word for text in texts[:300] for word in re.findall(r"[^\W_]+", text)]

    def atom() -> str:
        word = rng.choice(vocabulary)
        start = rng.randrange(5)
        some = " ".join(rng.choice(texts).replace('"', "").split()[start : start + 2])
        bare = word if word not in ("AND", "OR", "NOT") else "x"
        forms = [
            bare,
            bare,
            f'"{word}"',
            f'"{some}"',
            f'"{word[:2]}"*',
            f'^ "{word}"',
            '"--"',
            f'"{word}" + {bare}',
            "(",
        ]
        return rng.choices(forms, [8, 8, 8, 8, 4, 2, 1, 2, 0.3])[0]

    def expression(depth: int = 0) -> str:
        form = rng.random()
        if depth > 2 or form < 0.4:
            return " ".join(atom() for _ in range(rng.choice([1, 1, 2, 3])))
        if form < 0.8:
            return expression(depth + 1) + rng.choice([" AND ", " OR ", " NOT "]) + expression(depth + 1)
        return f"({expression(depth + 1)})"

    return [expression() for _ in range(count)]


@pytest.mark.parametrize("name", ["ImageNet", "DTD", "Flowers102"])
def test_every_class_of_the_templates_finds_what_sqlite_finds(
    oracle: sqlite3.Connection, captions: pa.ChunkedArray, shared: Path, name: str
) -> None:
    template = json.loads((shared / "data" / "templates" / f"{name}.json").read_text())
    fill(oracle, captions.to_pylist())
    queries = [query_of_class(each, template.get("class_map")) for each in template["classes"]]
    rows = found(queries, captions.combine_chunks(), True)
    assert rows == [expected(oracle, query) for query in queries]
    assert name == "DTD" or sum(map(len, rows)) > 20


def test_tokens_are_those_of_sqlite(oracle: sqlite3.Connection) -> None:
    """Every code point stands between two letters once; those that this SQLite knows otherwise are few."""
    codes = [code for code in range(1, sys.maxunicode + 1, 37) if not 0xD800 <= code <= 0xDFFF]
    codes += range(1, 0x3000)
    oracle.execute("CREATE VIRTUAL TABLE letters USING fts5(text)")
    oracle.execute("CREATE VIRTUAL TABLE terms USING fts5vocab(letters, 'instance')")
    oracle.executemany("INSERT INTO letters VALUES (?)", ((f"q{chr(code)}z {chr(code)}",) for code in codes))
    terms: list[list[str]] = [[] for _ in codes]
    for term, row in oracle.execute("SELECT term, doc FROM terms ORDER BY doc, offset"):
        terms[row - 1].append(term)
    assert [tokenize(f"q{chr(code)}z {chr(code)}") for code in codes] == terms


@pytest.mark.parametrize("texts", [pa.array(TEXTS), pa.array(TEXTS, pa.large_string()), pa.array(["", *TEXTS])[1:]])
def test_layouts_of_arrow(texts: pa.Array) -> None:
    assert found(["shark"], texts, True) == [[0, 1, 11]]


def test_nulls_and_nothing() -> None:
    matcher = WordMatcher([parse_query("shark"), parse_query('"-"')])
    assert matcher.match(pa.array([None, "shark", None])).rows.tolist() == [1]
    assert matcher.match(pa.array([], pa.string())).rows.tolist() == []
    assert matcher.match(pa.array([None], pa.string())).rows.tolist() == []


def test_many_threads_share_a_matcher(captions: pa.ChunkedArray) -> None:
    texts = captions.combine_chunks()
    matcher = WordMatcher([parse_query("the"), parse_query("of")])
    with ThreadPoolExecutor(8) as pool:
        for matches in pool.map(lambda _: matcher.match(texts), range(16)):
            assert matches.rows.tolist() == matcher.match(texts).rows.tolist()


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("great white shark", "great white shark"),
        ("hard-leaved pocket orchid", '"hard-leaved pocket orchid"'),
        ("F/A-18", '"F/A-18"'),
        ("colt's foot", '"colt\'s foot"'),
        ('12" gun', '"12"" gun"'),
        ("this OR that", '"this OR that"'),
        ("form\x0cfeed", '"form\x0cfeed"'),
    ],
)
def test_names_as_queries(name: str, query: str) -> None:
    assert query_of_class(name) == query
    assert parse_query(query) and parse_query(phrase_of_name(name))


def test_a_class_map_is_taken_as_it_is_but_for_hyphens() -> None:
    class_map = {"rose": '"rose" AND "flower"', "spider monkey": "black-handed spider monkey"}
    assert query_of_class("rose", class_map) == '"rose" AND "flower"'
    assert query_of_class("spider monkey", class_map) == '"black-handed spider monkey"'


@pytest.mark.parametrize(
    "query", ["", "a AND", "(a", "a)", "a (b OR c)", "a, b", "text : a", "NEAR(a b)", '"open', "*", "a OR OR b"]
)
def test_what_is_no_query_is_said(query: str) -> None:
    with pytest.raises(InputError, match="is not understood at character"):
        parse_query(query)


def test_thousands_of_alternatives_are_one_query() -> None:
    names = [f"w{number}" for number in range(3000)]
    queries = [" OR ".join(names), " AND ".join(names), "w1" + "".join(f" NOT {name}" for name in names[2:])]
    matcher = WordMatcher([parse_query(query) for query in queries])
    assert matcher.match(pa.array(["w2999", "w1", " ".join(names)])).queries.tolist() == [0, 0, 2, 0, 1]


def test_parentheses_without_end_are_said() -> None:
    with pytest.raises(InputError, match="too many parentheses"):
        parse_query("(" * 5000 + "a" + ")" * 5000)
