from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goldpan.core.errors import InputError
from goldpan.search.captions.literal import SubstringMatcher
from goldpan.search.captions.matches import Matches
from goldpan.search.captions.modes import class_matcher
from goldpan.search.captions.pattern import RegexMatcher

TEXTS = ["A Cat", "category", None, "dog", "", "ÇA va, CAT cat"]


def pairs(matches: Matches) -> list[tuple[int, int]]:
    return list(zip(matches.rows.tolist(), matches.queries.tolist(), strict=True))


def test_substrings_stand_anywhere_in_any_case_and_never_across_texts() -> None:
    matcher = SubstringMatcher(["cat", "ça", "ydo", "tdog", "cat"])
    assert pairs(matcher.match(pa.array(TEXTS))) == [(0, 0), (0, 4), (1, 0), (1, 4), (5, 0), (5, 1), (5, 4)]
    assert pairs(matcher.match(pa.array(TEXTS, pa.large_string())[1:2])) == [(0, 0), (0, 4)]
    assert pairs(matcher.match(pa.array([], pa.string()))) == []


def test_substrings_of_real_captions_are_those_of_python(shared) -> None:
    texts = pq.read_table(shared / "data" / "captions" / "laion_10000.parquet")["TEXT"].combine_chunks()
    words = ["art", "s & m", "photo", "é", "ing", "a", "painting"]
    expected = [
        (r, q) for r, text in enumerate(texts.to_pylist()) for q, word in enumerate(words) if word in text.lower()
    ]
    assert pairs(SubstringMatcher(words).match(texts)) == expected


def test_many_substrings_are_found_as_few_are() -> None:
    few = ["cat", "gory"]
    many = few + [f"{number:012d}" for number in range(20_000)]
    assert pairs(SubstringMatcher(many).match(pa.array(TEXTS))) == pairs(SubstringMatcher(few).match(pa.array(TEXTS)))
    assert pairs(SubstringMatcher([]).match(pa.array(TEXTS))) == []


def test_expressions_are_searched_in_any_case() -> None:
    assert pairs(RegexMatcher([r"\bcats?\b", "(?-i)cat$", "^$"]).match(pa.array(TEXTS))) == [
        (0, 0),
        (4, 2),
        (5, 0),
        (5, 1),
    ]


@pytest.mark.parametrize("mode", ["substring", "regex"])
def test_what_cannot_be_looked_for_is_said(mode: str) -> None:
    name = {"substring": "", "regex": "(cat"}[mode]
    with pytest.raises(InputError, match=r"is empty|no regular expression"):
        class_matcher(["dog", name], mode)


@pytest.mark.parametrize(
    ("mode", "rows"), [("fts", [0, 1, 2]), ("phrase", [0]), ("substring", [0, 3]), ("regex", [0, 3])]
)
def test_modes_differ_as_documented(mode: str, rows: list[int]) -> None:
    texts = pa.array(["a white shark", "shark, white", "shark WHITE", "offwhite shark", "white sharks"][:4])
    assert class_matcher(["white shark"], mode).match(texts).rows.tolist() == rows


def test_a_class_map_speaks_for_its_classes() -> None:
    texts = pa.array(["a ram", "an adult male sheep", "program"])
    class_map = {"ram": '"ram" OR "adult male sheep"'}
    assert class_matcher(["ram"], "phrase", class_map).match(texts).rows.tolist() == [0, 1]
    assert class_matcher(["ram"], "phrase", {"ram": "adult male-sheep"}).match(texts).rows.tolist() == [1]
    assert class_matcher(["ram"], "regex", {"ram": "r.m$"}).match(texts).rows.tolist() == [0, 2]
