"""A file to be brought, and what it must be."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from goldpan.core.errors import FormatError, InputError, Reason
from goldpan.fetch.errors import FetchError
from goldpan.fetch.part import Checks
from goldpan.formats.hdf5_file import reading_hdf5
from goldpan.formats.parquet import open_parquet


class Sizes(NamedTuple):
    """The fewest and the most bytes that a file may have."""

    least: int
    most: int

    def __str__(self) -> str:
        return f"{self.most:,}" if self.least == self.most else f"{self.least:,} to {self.most:,}"


class Expected(NamedTuple):
    """What somebody who knows says of a file; None where nobody says."""

    sizes: Sizes | None = None
    md5: str | None = None
    sha256: str | None = None

    def over(self, other: Expected) -> Expected:
        """Return this, and what the other says where this says nothing."""
        return Expected(self.sizes or other.sizes, self.md5 or other.md5, self.sha256 or other.sha256)


class Wanted(NamedTuple):
    """A file to be brought.

    Attributes:
        name: below the output folder, with ``/``.
        url: where it is.
        expected: what it must be.
    """

    name: str
    url: str
    expected: Expected = Expected()


def check(path: Path, expected: Expected) -> None:
    """Look that a file is what it must be, and what its name says: a whole .npy, Parquet or HDF5 file.

    Raises:
        FetchError: WRONG_HASH for another size or sum, CORRUPT for another format.
    """
    size = path.stat().st_size
    if expected.sizes is not None and not expected.sizes.least <= size <= expected.sizes.most:
        raise FetchError(Reason.WRONG_HASH, f"{path.name} has {size:,} bytes; expected are {expected.sizes}.")
    Checks(expected.sha256, expected.md5).check(path)
    try:
        _open(path)
    except (FormatError, InputError) as error:
        raise FetchError(Reason.CORRUPT, f"It is not what its name says: {error}") from error


def is_known(path: Path) -> bool:
    """Return whether `check` can tell by the name of a file whether it is whole."""
    return path.suffix in (".npy", ".parquet", ".h5", ".hdf5")


def _open(path: Path) -> None:
    if path.suffix == ".npy":
        try:
            np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise FormatError(path, f"no whole .npy file ({error}).") from error
    elif path.suffix == ".parquet":
        open_parquet(path).close()
    elif path.suffix in (".h5", ".hdf5"):
        with reading_hdf5(path):
            pass
