"""Which column of metadata holds the captions."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from goldpan.core.errors import InputError

USUAL_CAPTIONS = ("TEXT", "caption", "text", "alt_text", "title", "description")


def caption_column(schema: pa.Schema, asked: str | None, path: Path) -> int:
    """Return the number of the column of captions: the one asked for, else the first usual name in any case.

    Raises:
        InputError: there is none.
    """
    names = schema.names
    lowered = [name.lower() for name in names]
    if asked is not None and asked not in names:
        raise InputError(f"{path} has no column {asked!r}; it has: {', '.join(names)}.")
    wanted = asked if asked is not None else next((each for each in USUAL_CAPTIONS if each.lower() in lowered), None)
    if wanted is None:
        raise InputError(f"{path} has no column of captions by its name; give one of {', '.join(names)} as --column.")
    return names.index(wanted) if wanted in names else lowered.index(wanted.lower())
