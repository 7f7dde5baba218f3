"""How many processors there are, what becomes of memory that is freed, and how often it is looked for."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_MMAP_THRESHOLD = -3  # of glibc's mallopt
_LARGE = 4 << 20
_ALLOCATIONS = 10_000  # of containers that were not freed, between two looks; of itself 700


def give_back_large_blocks() -> None:
    """Let what is freed of 4 MiB and more go back to the system at once, where the C library can (glibc).

    Of itself it keeps such blocks once one of 32 MiB was freed, between others that are in use: bodies that grow side
    by side then take twice their size.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)


def collect_seldom() -> None:
    """Have the collector of cycles look seldom, and never at what is here already.

    Rows that come and go by the thousand make no cycles. It would look at all of them again and again, and at what was
    imported: a twentieth of the time of fetching, two fifths of that of unpickling rows.
    """
    gc.freeze()
    gc.set_threshold(max(gc.get_threshold()[0], _ALLOCATIONS), *gc.get_threshold()[1:])


@contextmanager
def few_collections() -> Iterator[None]:
    """Do as `collect_seldom` until the block ends."""
    before, were_frozen = gc.get_threshold(), gc.get_freeze_count()
    collect_seldom()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        if not were_frozen:
            gc.unfreeze()


def processors(asked: int | None = None) -> int:
    """Return `asked`, or the number of processors this process may use."""
    if asked is not None:
        return asked
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
