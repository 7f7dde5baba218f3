"""Answers to the queries of classes, kept class by class, so that a run that was killed goes on."""

from __future__ import annotations

import hashlib
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
        self._folder = folder / key

    def has(self, name: str, modality: str) -> bool:
        """Whether a class was asked for."""
        return self._path(name, modality).is_file()

    def save(self, name: str, modality: str, found: Neighbors) -> None:
        """Keep ids and scores, ``(n_queries, k)`` each."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with replace_file(self._path(name, modality)) as temporary, temporary.open("wb") as file:
            np.savez(file, ids=found.ids, scores=found.scores)

    def load(self, name: str, modality: str) -> Neighbors:
        """Return what was kept."""
        with np.load(self._path(name, modality), allow_pickle=False) as found:
            return Neighbors(found["ids"], found["scores"])

    def _path(self, name: str, modality: str) -> Path:
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}.{modality}.npz"
