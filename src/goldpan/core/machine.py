"""How many processors there are."""

from __future__ import annotations

import os


def processors(asked: int | None = None) -> int:
    """Return `asked`, or the number of processors this process may use."""
    if asked is not None:
        return asked
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
