"""Answers that are finished are kept beside the output until all are, so that a killed run goes on where it was."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from goldpan.core.records import Neighbors
from goldpan.formats.atomic import replace_file
from goldpan.formats.sums import list_files
from goldpan.formats.vectors import parse_address
from goldpan.search.exact import ExactResult

Part = TypeVar("Part")


class Parts(Generic[Part]):
    """Finished ranges of queries in a hidden folder.

    Args:
        output: the file that will hold all answers.
        key: what the answers depend on; parts made from anything else are not used.
        arrays: turns a part into arrays, by name.
        part: turns them back.

    Attributes:
        folder: where they are.
    """

    def __init__(
        self,
        output: Path,
        key: str,
        arrays: Callable[[Part], dict[str, Any]],
        part: Callable[[Mapping[str, NDArray[Any]]], Part],
    ) -> None:
        self.folder = output.with_name(f".{output.name}.{key}.parts")
        self._arrays, self._part = arrays, part

    def within(self, start: int) -> Parts[Part]:
        """Return what the range that starts at query `start` is put together from."""
        inner = copy.copy(self)
        inner.folder = self.folder / f"{start:012d}"
        return inner

    def starts(self) -> list[int]:
        """Return where the finished ranges start."""
        return [int(path.stem) for path in self.folder.glob("*.npz") if path.stem.isdigit()]

    def load(self, start: int) -> Part | None:
        """Return the answers of the range that starts at query `start`, if they are there."""
        path = self._path(start)
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as arrays:
            return self._part(arrays)

    def save(self, start: int, found: Part) -> None:
        """Keep the answers of a range."""
        with replace_file(self._path(start)) as temporary, temporary.open("wb") as file:
            np.savez(file, **self._arrays(found))

    def remove(self) -> None:
        """Forget all parts."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, start: int) -> Path:
        return self.folder / f"{start:012d}.npz"


def exact_parts(output: Path, key: str) -> Parts[ExactResult]:
    """Return the parts of an exact search."""
    return Parts(output, key, _arrays, _exact)


def _arrays(found: ExactResult) -> dict[str, Any]:
    return found.neighbors._asdict() | {
        "next_scores": found.next_scores,
        "survivors": found.survivors,
        "kernels": np.array(found.kernels),
        "fallbacks": found.fallbacks,
    }


def _exact(arrays: Mapping[str, NDArray[Any]]) -> ExactResult:
    neighbors = Neighbors(arrays["ids"], arrays["scores"])
    kernels = str(arrays["kernels"])
    return ExactResult(neighbors, arrays["next_scores"], arrays["survivors"], kernels, arrays["fallbacks"])


def in_parts(n: int, step: int, parts: Parts[Part], search: Callable[[range], Part]) -> tuple[list[Part], int]:
    """Answer `n` queries, `step` at a time; return the answers, and how many of them were there already."""
    found, resumed = [], 0
    for start in range(0, n, step):
        span = range(start, min(n, start + step))
        part = parts.load(start)
        if part is None:
            part = search(span)
            if n > step:
                parts.save(start, part)
        else:
            resumed += len(span)
        found.append(part)
    return found, resumed


def key_of(settings: Any, inputs: Iterable[str | None]) -> str:
    """Hash what answers depend on: settings, as JSON values, and size and time of the files."""
    files = []
    for address in filter(None, inputs):
        path = parse_address(address).path.resolve()
        for file in [path] if path.is_file() else [path / name for name in list_files(path)]:
            status = file.stat()
            files.append([str(file), status.st_size, status.st_mtime_ns])
    return hashlib.sha256(json.dumps([settings, files]).encode()).hexdigest()[:12]


def joined(parts: list[ExactResult]) -> ExactResult:
    """Put ranges of queries together, in order."""
    return ExactResult(
        Neighbors(
            np.concatenate([part.neighbors.ids for part in parts]),
            np.concatenate([part.neighbors.scores for part in parts]),
        ),
        np.concatenate([part.next_scores for part in parts]),
        np.concatenate([part.survivors for part in parts]),
        parts[-1].kernels,
        np.concatenate([part.fallbacks for part in parts]),
    )
