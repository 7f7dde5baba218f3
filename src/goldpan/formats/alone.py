"""One writer at a time: what a run writes is kept from other runs, and rid of what killed ones left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from goldpan.core.errors import InputError
from goldpan.core.locks import hold
from goldpan.formats.atomic import forget_halves


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make a folder where it is not there, and keep other runs out of it until the block ends.

    Raises:
        InputError: another run is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with hold(folder / ".lock", _busy(folder)):
        forget_halves(folder)
        yield


@contextmanager
def alone_at(path: Path) -> Iterator[None]:
    """Keep other runs off a file or a table until the block ends; the folder above it is made.

    Raises:
        InputError: another run writes it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with hold(path.with_name(f".{path.name}.lock"), _busy(path)):
        forget_halves(path.parent, path.name)
        yield


def _busy(path: Path) -> InputError:
    return InputError(
        f"Another run writes to {path}; wait for it to end, then type the command again, or name another place."
    )
