"""The ways to look for a class in captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from goldpan.core.errors import InputError
from goldpan.search.captions.language import Query, parse_query, phrase_of_name, query_of_class
from goldpan.search.captions.literal import SubstringMatcher
from goldpan.search.captions.matches import Matcher
from goldpan.search.captions.pattern import RegexMatcher
from goldpan.search.captions.words import WordMatcher

Mode = Literal["fts", "phrase", "substring", "regex"]


def class_matcher(names: Sequence[str], mode: Mode = "fts", class_map: Mapping[str, str] | None = None) -> Matcher:
    """Return what finds captions that speak of classes; query i is class i.

    - ``fts``: what unmet-promise does: tokens of any case and accent. A plain name holds where all its words stand, in
      any order; an expression of `class_map`, or a name with hyphens, as `language.query_of_class` says.
    - ``phrase``: the words of the name, one after the other; an expression of `class_map` as in ``fts``.
    - ``substring``: the letters of the name in any case, within words too; of `class_map`, the letters it has.
    - ``regex``: the name, or what `class_map` has for it, is a regular expression of RE2.

    Raises:
        InputError: a query, a substring or an expression is none; the class is named.
    """
    told = dict(class_map or {})
    if mode == "substring":
        return SubstringMatcher([told.get(name, name) for name in names])
    if mode == "regex":
        return RegexMatcher([told.get(name, name) for name in names])
    return WordMatcher(class_queries(names, mode, told))


def class_queries(names: Sequence[str], mode: Mode, class_map: Mapping[str, str]) -> list[Query]:
    """Return the queries that stand for classes in the modes ``fts`` and ``phrase``.

    Raises:
        InputError: one is none.
    """
    return [_class_query(name, mode, class_map) for name in names]


def _class_query(name: str, mode: Mode, class_map: Mapping[str, str]) -> Query:
    in_order = mode == "phrase" and name not in class_map
    try:
        return parse_query(phrase_of_name(name) if in_order else query_of_class(name, class_map))
    except InputError as error:
        raise InputError(f"Of the class {name!r}: {error}") from error
