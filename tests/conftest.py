"""Fixtures for every room: where the real inputs lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real inputs: GOLDPAN_SHARED, else ../shared; skip where there is none."""
    folder = Path(os.environ.get("GOLDPAN_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no real inputs at {folder}; set GOLDPAN_SHARED")
    return folder
