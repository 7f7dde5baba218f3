"""Many addresses in one: ``img_emb_{0000..2313}.npy``, ``{metadata,img_emb}``, ``part-{i:05d}.parquet``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from math import prod
from urllib.parse import unquote, urlsplit

from goldpan.core.errors import InputError

MOST = 1_000_000
"""Addresses that one template may stand for."""
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)(?:\.\.(\d+))?")
_NUMBER = re.compile(r"i(?::(0?)(\d*)d)?")
_PARTS = re.compile(r"(\d+)(?:-(\d+))?")


def expand(template: str, parts: Sequence[int] = ()) -> list[str]:
    """Return the addresses that a template stands for, in order.

    Args:
        template: with ranges ``{0000..2313}`` (with a step: ``{0..9..3}``) and choices ``{a,b}``, all combinations as
            a shell makes them, and ``{i}`` or ``{i:04d}`` for the number of a part.
        parts: the numbers that ``{i}`` takes.

    Raises:
        InputError: braces that hold something else, no parts for ``{i}``, or too many addresses.
    """
    pieces = _BRACES.split(template)
    numbered = any(_NUMBER.fullmatch(inside) for inside in pieces[1::2])
    if numbered and not parts:
        raise InputError(f"{template} stands for many parts; say which, such as --parts 0-9.")
    addresses: list[str] = []
    for part in parts if numbered else [0]:
        choices = [[text] if n % 2 == 0 else _choices(text, part, template) for n, text in enumerate(pieces)]
        if len(addresses) + prod(map(len, choices)) > MOST:
            raise InputError(f"{template} stands for more than {MOST:,} addresses; take it in several commands.")
        addresses += ("".join(chosen) for chosen in product(*choices))
    return addresses


def is_glob(address: str) -> bool:
    """Return whether an address stands for whatever fits it."""
    return any(sign in address for sign in "*?[")


def parse_parts(text: str) -> list[int]:
    """Return the numbers that a text such as ``0-9,17`` names, in its order.

    Raises:
        InputError: it is no such text.
    """
    numbers: list[int] = []
    for word in text.split(","):
        found = _PARTS.fullmatch(word.strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if first > last or last - first >= MOST:
            raise InputError(f"--parts {text}: {word!r} is neither a number nor a range such as 0-9.")
        numbers += range(first, last + 1)
    return numbers


def file_name(url: str) -> str:
    """Return the name of the file at an address.

    Raises:
        InputError: it names none that a file here can have.
    """
    path = urlsplit(url).path if url.startswith(("http://", "https://")) else url
    name = unquote(path.rpartition("/")[2])
    if not name or name.startswith(".") or "/" in name or not name.isprintable():
        raise InputError(f"{url} does not end in the name of a file.")
    return name


def _choices(inside: str, part: int, template: str) -> list[str]:
    """Return what one pair of braces stands for."""
    if number := _NUMBER.fullmatch(inside):
        return [f"{part:{number[1] or ''}{number[2] or ''}d}"]
    if span := _RANGE.fullmatch(inside):
        first, last, step = int(span[1]), int(span[2]), int(span[3] or 1)
        if first > last or step < 1 or (last - first) // step >= MOST:
            raise InputError(f"{template}: {{{inside}}} counts up from one number to another, {MOST:,} at most.")
        padded = any(end.startswith("0") and len(end) > 1 for end in (span[1], span[2]))
        width = max(len(span[1]), len(span[2])) if padded else 0
        return [f"{number:0{width}d}" for number in range(first, last + 1, step)]
    if "," in inside:
        return inside.split(",")
    raise InputError(f"{template}: {{{inside}}} is none of {{0000..2313}}, {{a,b}}, {{i}} and {{i:04d}}.")
