"""Which images stay and which go, and why: a few numbers an image, and the words made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from goldpan.core.errors import FormatError
from goldpan.core.progress import Progress
from goldpan.core.records import Floats, Metric
from goldpan.formats.class_lists import read_classes
from goldpan.formats.json_text import read_json
from goldpan.search.exact import exact_search
from goldpan.stages.retrieve.config import FilterConfig
from goldpan.stages.retrieve.likeness import Seen, plain
from goldpan.stages.retrieve.numbered import Labels, numbered_vectors
from goldpan.store.workspace import Workspace

STAYS, FAR, CROWDED, REPEATS = "", "far_from_text", "not_among_the_nearest", "in_test_set"
UNKNOWN, UNSEEN = "class_not_listed", "no_vector"
REASONS = (STAYS, FAR, CROWDED, REPEATS, UNKNOWN, UNSEEN)


class Verdict:
    """Which images stay, and what is to be said of the others.

    Attributes:
        scores: ``(n,)`` float64, nan where there is none.
        reasons: ``(n,)`` uint8, numbers of `REASONS`.
    """

    def __init__(self, labels: Labels) -> None:
        n = len(labels.of)
        self._labels = labels
        self.scores = np.full(n, np.nan)
        self.reasons = np.zeros(n, np.uint8)
        self._least = np.zeros(len(labels.names))
        self._room = np.zeros(len(labels.names), np.int64)
        self._repeated: dict[int, str] = {}

    def by_score(self, config: FilterConfig, scores: Floats, seen: Seen) -> None:
        """Tell those that are too far from their text, or behind too many of their class."""
        self.scores = scores
        self._give(UNSEEN, ~seen)
        self._give(UNKNOWN, np.isnan(scores))
        told = np.flatnonzero(self.stay)
        sizes = np.bincount(self._labels.of[told], minlength=len(self._room))
        self._room = sizes if config.per_class is None else np.minimum(sizes, config.per_class)
        if config.top_percent is not None:
            self._room = np.minimum(self._room, np.ceil(sizes * config.top_percent / 100).astype(np.int64))
        else:
            listed = _thresholds(config)
            self._least = np.array([listed.get(plain(name), config.threshold) for name in self._labels.names])
            self._give(FAR, scores < self._least[self._labels.of])
        nearest_first = told[np.lexsort((-scores[told], self._labels.of[told]))]
        of = self._labels.of[nearest_first]
        rank = np.arange(len(of)) - (np.cumsum(sizes) - sizes)[of]
        crowded = np.zeros(len(scores), bool)
        crowded[nearest_first[rank >= self._room[of]]] = True
        self._give(CROWDED, crowded)

    def by_test_set(self, config: FilterConfig, ws: Workspace, progress: Progress) -> None:
        """Tell those that repeat an image of the test set, or cannot be compared."""
        spec = config.against_encoder or ""
        test = Workspace(config.against or Path()).vectors(spec)
        unseen = np.ones(len(self.reasons), bool)
        repeats = np.zeros(len(self.reasons), bool)
        for numbers, vectors in numbered_vectors(ws, ws.find_vectors(spec)):
            found = exact_search(test.array, vectors, 1, Metric.COSINE).neighbors
            unseen[numbers[numbers >= 0]] = False
            for row in np.flatnonzero((found.scores[:, 0] > config.against_threshold) & (numbers >= 0)).tolist():
                self._repeated[int(numbers[row])] = f"{test.ids[found.ids[row, 0]]} ({found.scores[row, 0]:.4f})"
                repeats[numbers[row]] = True
            progress.advance(len(numbers))
        self._give(REPEATS, repeats)
        self._give(UNSEEN, unseen)

    @property
    def stay(self) -> Seen:
        """Which images stay, ``(n,)``."""
        stay: Seen = self.reasons == REASONS.index(STAYS)
        return stay

    def words(self, number: int) -> str:
        """Return why an image is left out; nothing where it stays."""
        reason, label = REASONS[self.reasons[number]], int(self._labels.of[number])
        if reason == FAR:
            return f"{FAR}: {self.scores[number]:.4f} < {self._least[label]:g}"
        if reason == CROWDED:
            return f"{CROWDED}: {self._room[label]} of {self._labels.names[label]}"
        if reason == UNKNOWN:
            return f"{UNKNOWN}: {self._labels.names[label]}"
        return f"{REPEATS}: {self._repeated[number]}" if reason == REPEATS else reason

    def _give(self, reason: str, images: Seen) -> None:
        """Give a reason to images that have none yet."""
        self.reasons[images & self.stay] = REASONS.index(reason)


def _thresholds(config: FilterConfig) -> dict[str, float]:
    if config.class_thresholds is None:
        return {}
    listed: Any = read_json(config.class_thresholds, "thresholds of classes")
    if not isinstance(listed, dict) or not all(isinstance(each, int | float) for each in listed.values()):
        raise FormatError(config.class_thresholds, 'thresholds of classes are {"class": 0.25, ...}.')
    classes = {plain(name) for name in read_classes(config.classes).names} if config.classes is not None else set()
    unknown = next((name for name in listed if classes and plain(name) not in classes), None)
    if unknown is not None:
        raise FormatError(config.class_thresholds, f"{unknown!r} is none of the classes of {config.classes}.")
    return {plain(name): float(least) for name, least in listed.items()}
