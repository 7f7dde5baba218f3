"""Answers to the queries of classes, kept class by class, so that a run that was killed goes on."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np

from goldpan.core.records import Neighbors
from goldpan.formats.atomic import replace_file


class Answers:
    """Files in a folder, one a class and index.

    Args:
        folder: of all answers.
        key: other questions have another.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._all, self._folder = folder, folder / key

    def has(self, name: str, modality: str) -> bool:
        """Whether a class was asked for."""
        return self._path(name, modality).is_file()

    def save(self, name: str, modality: str, found: Neighbors) -> None:
        """Keep ids and scores, ``(n_queries, k)`` each."""
        with replace_file(self._path(name, modality)) as temporary, temporary.open("wb") as file:
            np.savez(file, ids=found.ids, scores=found.scores)

    def load(self, name: str, modality: str) -> Neighbors:
        """Return what was kept."""
        with np.load(self._path(name, modality), allow_pickle=False) as found:
            return Neighbors(found["ids"], found["scores"])

    def forget_others(self) -> None:
        """Remove the answers to other questions."""
        for path in self._all.iterdir():
            if path != self._folder:
                shutil.rmtree(path)

    def _path(self, name: str, modality: str) -> Path:
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}.{modality}.npz"
