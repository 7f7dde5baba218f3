"""How many processors there are, and what becomes of memory that is freed."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

_MMAP_THRESHOLD = -3  # of glibc's mallopt
_LARGE = 4 << 20


def give_back_large_blocks() -> None:
    """Let what is freed of 4 MiB and more go back to the system at once, where the C library can (glibc).

    Of itself it keeps such blocks once one of 32 MiB was freed, between others that are in use: bodies that grow side
    by side then take twice their size.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)


def processors(asked: int | None = None) -> int:
    """Return `asked`, or the number of processors this process may use."""
    if asked is not None:
        return asked
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
