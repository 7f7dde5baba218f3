"""``chunk_N.json``: what unmet-promise retrieves, 500,000 rows a file, as pandas writes ``orient="records"``.

Columns: SAMPLE_ID (a whole number), URL, TEXT, HEIGHT, WIDTH, LICENSE, NSFW, similarity, QUERY (the class), and
whatever else a row has behind them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from goldpan.formats.atomic import replace_file

CHUNK_ROWS = 500_000
COLUMNS = ("SAMPLE_ID", "URL", "TEXT", "HEIGHT", "WIDTH", "LICENSE", "NSFW", "similarity", "QUERY")
_OTHER_NAMES = {
    "caption": "TEXT",
    "text": "TEXT",
    "url": "URL",
    "sample_id": "SAMPLE_ID",
    "height": "HEIGHT",
    "width": "WIDTH",
    "original_height": "HEIGHT",
    "original_width": "WIDTH",
    "license": "LICENSE",
    "nsfw": "NSFW",
}
_NUMBERS = ("SAMPLE_ID", "HEIGHT", "WIDTH")


def chunk_names(names: Iterable[str]) -> dict[str, str]:
    """Return column -> its name in a chunk; a name that is taken stays what it was."""
    names = list(names)
    taken = set(names)
    renamed = {}
    for name in names:
        usual = _OTHER_NAMES.get(name.lower(), name)
        renamed[name] = usual if usual not in taken else name
        taken.add(renamed[name])
    return renamed


def chunk_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row, already with the names of a chunk, in the order and with the types of one."""
    order = [*(name for name in COLUMNS if name in row), *(name for name in row if name not in COLUMNS)]
    return {name: _plain(_number(row[name]) if name in _NUMBERS else row[name]) for name in order}


def write_chunks(folder: Path, rows: Iterable[dict[str, Any]], rows_a_file: int = CHUNK_ROWS) -> list[Path]:
    """Write rows to ``chunk_0.json`` ... in a folder that exists; each file appears whole. Chunks of before go.

    Returns:
        The files; one that holds ``[]`` where there is no row.
    """
    source = iter(rows)
    written: list[Path] = []
    while True:
        first = next(source, None)
        if first is None and written:
            break
        path = folder / f"chunk_{len(written)}.json"
        with replace_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.write("[")
            rest = islice(source, rows_a_file - 1)
            for number, row in enumerate([] if first is None else _chained(first, rest)):
                file.write("," * (number > 0) + json.dumps(chunk_row(row), default=str, allow_nan=False))
            file.write("]\n")
        written.append(path)
        if first is None:
            break
    for old in set(folder.glob("chunk_*.json")) - set(written):
        old.unlink()
    return written


def _chained(first: dict[str, Any], rest: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    yield first
    yield from rest


def _number(value: Any) -> Any:
    """Return the whole number that a value stands for, such as "12.0"; the value where it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return value
    return int(number) if math.isfinite(number) and number == int(number) else value


def _plain(value: Any) -> Any:
    """Return a value that JSON has: not a number is null, as pandas writes it."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
