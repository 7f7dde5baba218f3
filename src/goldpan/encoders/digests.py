"""Revisions: short digests of the weights and settings that decide what an encoder answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_DIGITS = 16


def digest(settings: Mapping[str, Any], *weights: bytes) -> str:
    """Return 16 hex digits of SHA-256 over JSON settings and the digests of weights."""
    hasher = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for part in weights:
        hasher.update(part)
    return hasher.hexdigest()[:_DIGITS]


def file_digest(path: Path) -> bytes:
    """Return SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
