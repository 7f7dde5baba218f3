"""The exact truth of every search of a stream: computed once, kept as step<N>.gt<K>, or taken from a folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from goldpan.core.errors import FormatError, InputError
from goldpan.core.progress import Progress
from goldpan.core.records import Ids, Neighbors
from goldpan.formats.runbook import Delete, Insert, Replace, Runbook, Search, Step
from goldpan.formats.step_truth import check_steps, read_step_truth, step_truths, write_step_truth
from goldpan.formats.truth import Truth
from goldpan.search.exact import exact_search
from goldpan.search.merge import BucketedTruth
from goldpan.stages.stream.data import Data, Rows
from goldpan.stages.stream.live import Live
from goldpan.stages.stream.record import read_record, write_record

_RECORD = "truth.json"
_SLACK = 1e-3  # by how much a distance of a given truth may differ from ours, relative: others compute in float32


class Drift(NamedTuple):
    """How far the live points have moved at a search.

    Attributes:
        distance: from their mean to that of the first insert, Euclidean.
        relative: that, over the root mean square distance of the first points to their mean.
    """

    distance: float
    relative: float


def drifts(runbook: Runbook, data: Data) -> dict[int, Drift]:
    """Play a stream on paper; the sum of the live points is kept up to date in float64."""
    state, found = Live(runbook), {}
    total, first, spread = np.zeros(1), np.zeros(1), 0.0
    for number, step in enumerate(runbook.steps, 1):
        if isinstance(step, Search):
            live = len(state.tags)
            distance = float(np.linalg.norm(total / live - first)) if live else float("nan")
            found[number] = Drift(distance, distance / spread if spread else float("nan"))
            continue
        change = state.apply(step)
        added, gone = (data.wide(data.base.take(rows)) for rows in (change.rows, change.gone))
        total = total + added.sum(axis=0) - gone.sum(axis=0)
        if number == 1:
            first = added.mean(axis=0)
            spread = float(np.sqrt(((added - first) ** 2).sum(axis=1).mean()))
    return found


class Gold:
    """Truths by step, as stored: distances are those of big-ann files, float32, squared for L2.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def at(self, step: int) -> Truth:
        """Return the truth of a search: tags of the nearest live points, best first, -1 where there are fewer."""
        return read_step_truth(self.folder, step)


def compute_gold(
    folder: Path, runbook: Runbook, data: Data, k: int, key: str, progress: Progress, workers: int | None = None
) -> Gold:
    """Compute what is missing of the truth of a stream.

    Args:
        folder: where it goes, one file a search; what is there under the same key is kept.
        runbook: the stream.
        data: its vectors.
        k: neighbors a query.
        key: what the truth depends on.
        progress: told in searches.
        workers: threads.

    Raises:
        InputError: the folder holds the truth of something else.
    """
    known = read_record(folder / _RECORD)
    if known and known.get("key") != key:
        raise InputError(f"{folder} holds the truth of another stream; name another output folder.")
    write_record(folder / _RECORD, {"key": key, "runbook": runbook.dataset, "metric": str(data.metric), "k": k})
    there = step_truths(folder)
    if set(runbook.search_steps) <= set(there):
        return Gold(folder)
    if _doubles(runbook):
        source: _Source = _Scan(runbook, data, k, workers)
    else:
        source = _Lists(runbook, data, k, workers, progress)
    progress.start("truth of each search", len(runbook.search_steps))
    for number, step in enumerate(runbook.steps, 1):
        source.apply(step)
        if not isinstance(step, Search):
            continue
        if number not in there:
            found = source.current()
            write_step_truth(folder, number, found.ids, found.scores, metric=data.metric)
        progress.advance()
    progress.finish()
    return Gold(folder)


class _Source(Protocol):
    """The exact k nearest live points of every query, as tags, ties by lower tag; -1 where there are fewer."""

    def apply(self, step: Step) -> None:
        """Take a step."""

    def current(self) -> Neighbors:
        """Return the answers now."""


class _Lists:
    """From lists of buckets, found once: a step costs a merge."""

    def __init__(self, runbook: Runbook, data: Data, k: int, workers: int | None, progress: Progress) -> None:
        base = Rows(data.base, np.arange(runbook.rows))
        self._truth = BucketedTruth(base, data.queries, k, data.metric, workers=workers, progress=progress)

    def apply(self, step: Step) -> None:
        match step:
            case Insert(start, end):
                self._truth.insert(range(start, end))
            case Delete(start, end):
                self._truth.delete(range(start, end))
            case Replace(tags_start, tags_end, ids_start, ids_end):
                self._truth.replace(range(tags_start, tags_end), range(ids_start, ids_end))

    def current(self) -> Neighbors:
        return self._truth.current()


class _Scan:
    """From all live points anew: for streams in which two tags stand for one row."""

    def __init__(self, runbook: Runbook, data: Data, k: int, workers: int | None) -> None:
        self._state, self._data, self._k, self._workers = Live(runbook), data, k, workers

    def apply(self, step: Step) -> None:
        self._state.apply(step)

    def current(self) -> Neighbors:
        tags: Ids = self._state.tags
        shape = (len(self._data.queries), self._k)
        ids, scores = np.full(shape, -1, np.int64), np.full(shape, np.nan)
        if len(tags):
            base = self._data.base.take(self._state.row_of[tags])
            k = min(self._k, len(tags))
            found = exact_search(base, self._data.queries, k, self._data.metric, workers=self._workers).neighbors
            ids[:, :k], scores[:, :k] = tags[found.ids], found.scores
        return Neighbors(ids, scores)


def _doubles(runbook: Runbook) -> bool:
    """Tell whether a row is ever live under two tags, which a replace can bring about."""
    if not any(isinstance(step, Replace) for step in runbook.steps):
        return False
    state = Live(runbook)
    for step in runbook.steps:
        change = state.apply(step)
        if len(change.added) and np.bincount(state.row_of[state.row_of >= 0]).max() > 1:
            return True
    return False


def given_gold(folder: Path, runbook: Runbook, data: Data, k: int) -> Gold:
    """Take the truth of a folder, after a look at each file.

    Raises:
        InputError: it is not as deep as k, or there is no folder.
        FormatError: a search has none, it names a dead tag, has another number of queries, or its first distances are
            not those of these vectors.
    """
    files, state = check_steps(folder, runbook), Live(runbook)
    for number, step in enumerate(runbook.steps, 1):
        state.apply(step)
        if not isinstance(step, Search):
            continue
        truth, path = read_step_truth(folder, number, data.metric), files[number]
        if truth.distances is None or len(truth.ids) != len(data.queries):
            raise FormatError(path, f"it needs distances, and answers to {len(data.queries)} queries.")
        if truth.ids.shape[1] < k:
            raise InputError(
                f"{path} is {truth.ids.shape[1]} neighbors deep; ask for --k {truth.ids.shape[1]} at most."
            )
        named = truth.ids[truth.ids >= 0]
        if named.size and (named.max() >= len(state.row_of) or (state.row_of[named] < 0).any()):
            raise FormatError(path, "it names a tag that is not live at that step: it belongs to another runbook.")
        _check_distances(path, truth, state, data)
    return Gold(folder)


def _check_distances(path: Path, truth: Truth, state: Live, data: Data) -> None:
    """Look that the nearest neighbor of the first query is as far as the file says."""
    if truth.distances is None or truth.ids[0, 0] < 0:
        return
    row = data.base.take(state.row_of[truth.ids[0, :1]])
    own = exact_search(row, data.queries[:1], 1, data.metric).neighbors.scores[0, 0]
    if not np.isclose(own, truth.distances[0, 0], rtol=_SLACK, atol=_SLACK):
        problem = (
            f"its first distance is {truth.distances[0, 0]:.6g}; these vectors are {own:.6g} apart ({data.metric})."
        )
        raise FormatError(path, f"{problem} Is it the truth of another dataset, or of another order?")
