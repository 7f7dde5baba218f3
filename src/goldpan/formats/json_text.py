"""JSON files that a person wrote or another tool left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from goldpan.core.errors import FormatError, InputError


def read_json(path: Path, what: str) -> Any:
    """Return what a JSON file holds.

    Args:
        path: the file.
        what: the words for messages, such as "the class metadata".

    Raises:
        InputError: it cannot be read.
        FormatError: it is no JSON.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; name the JSON file with {what}.") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(path, f"{what} should be here, and this is no JSON ({error}).") from error
