"""One at a time, among the processes of a machine, or of several where the lock is in a bucket."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from goldpan.core.errors import GoldpanError
from goldpan.core.leases import leased
from goldpan.core.place import RemotePath


@contextmanager
def hold(path: Path, otherwise: GoldpanError | None = None) -> Iterator[Callable[[], None]]:
    """Hold a lock until the block ends; it is free when the process dies.

    Args:
        path: of the lock, made where it is missing; it stays.
        otherwise: raised where another process holds it; where None, it is waited for.

    Yields:
        What to call before each write: in a bucket a lock can be lost, which raises a StageError.
    """
    if isinstance(path, RemotePath):
        with leased(path, otherwise) as lease:
            yield lease.check
        return
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if otherwise is None else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            assert otherwise is not None  # noqa: S101  else it is waited for
            raise otherwise from None
        yield _nothing


def _nothing() -> None:
    """A lock on disk cannot be lost."""
