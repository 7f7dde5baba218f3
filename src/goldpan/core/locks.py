"""One at a time, among the processes of a machine."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from goldpan.core.errors import GoldpanError


@contextmanager
def hold(path: Path, otherwise: GoldpanError) -> Iterator[None]:
    """Hold a lock until the block ends; the system gives it back when the process dies.

    Args:
        path: file of the lock, made where it is missing; it stays.
        otherwise: raised where another process holds it.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise otherwise from None
        yield
