"""An engine under test in a process of its own: whatever it does wrong becomes a `PeerFailure`, which is a result."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import GoldpanError
from goldpan.core.records import Floats, Neighbors
from goldpan.search.engines.loading import save_index
from goldpan.search.engines.remote import EngineDied, EngineTimeout, RemoteIndex, Usage
from goldpan.stages.experiment.config import EngineConfig, Experiment, Setting
from goldpan.stages.experiment.data import Data

_NO_MEMORY = ("MemoryError", "bad_alloc", "annot allocate memory", "out of memory")
_LAST_LINES = 12


class PeerFailure(Exception):
    """An engine could not do what it was asked for.

    Attributes:
        status: error, timeout, out_of_memory or died.
        reason: one sentence.
        stderr: the last lines it wrote.
    """

    def __init__(self, status: str, reason: str, stderr: str = "") -> None:
        super().__init__(f"{status}: {reason}")
        self.status, self.reason, self.stderr = status, reason, stderr


class Timed(NamedTuple):
    """Answers, and what they cost inside the engine's process.

    Attributes:
        neighbors: the answers.
        seconds: wall time of one pass over the queries; the mean where there were several.
        cpu_s: processor time of one pass, all threads.
        each: seconds a call: one a batch, or one a query where they were sent one by one.
        peak_bytes: the most memory of its process.
    """

    neighbors: Neighbors
    seconds: float
    cpu_s: float
    each: Floats
    peak_bytes: int


class Peer:
    """One engine on one data set; its index is empty until `build` or `load`.

    Args:
        engine: which engine, and in which Python it lives.
        data: what it is to search.
        experiment: threads, seed and limits.

    Raises:
        PeerFailure: it cannot be opened; so can all methods.
    """

    def __init__(self, engine: EngineConfig, data: Data, experiment: Experiment) -> None:
        self._base, self._limits = data.base, experiment
        if engine.python is not None and shutil.which(engine.python) is None:
            raise PeerFailure("error", f"{engine.python} is no interpreter that can be started")
        with _failures():
            self._index = RemoteIndex(
                engine.spec,
                data.base.dim,
                data.metric,
                experiment.threads,
                experiment.seed,
                python=None if engine.python is None else str(engine.python),
                memory_limit=None if experiment.memory_mb is None else experiment.memory_mb << 20,
                timeout=experiment.build_timeout_s,
            )

    @property
    def pid(self) -> int:
        """Number of its process."""
        return self._index.pid

    @property
    def ladder(self) -> dict[str, tuple[float, ...]]:
        """Search parameters worth trying, from fast to thorough."""
        return dict(self._index.traits.ladder)

    def build(self) -> Usage:
        """Build on the base; return what it took."""
        with self._within(self._limits.build_timeout_s):
            self._index.build(self._base)
            return self._index.last

    def search(self, queries: NDArray[Any], k: int, setting: Setting, *, at_least_s: float = 0.0) -> Timed:
        """Search all queries at once, again and again until it took `at_least_s`, timed in the engine's process."""
        passes = [self._pass(queries, k, setting, None)]
        while sum(one.seconds for one in passes) < at_least_s:
            passes.append(self._pass(queries, k, setting, None))
        seconds, cpu_s = (float(np.mean([one[column] for one in passes])) for column in (1, 2))
        each = np.concatenate([one.each for one in passes])
        return Timed(passes[0].neighbors, seconds, cpu_s, each, max(one.peak_bytes for one in passes))

    def search_singly(self, queries: NDArray[Any], k: int, setting: Setting) -> Timed:
        """Search one query after the other, each timed in the engine's process."""
        return self._pass(queries, k, setting, 1)

    def _pass(self, queries: NDArray[Any], k: int, setting: Setting, batch: int | None) -> Timed:
        with self._within(self._limits.search_timeout_s):
            found, each = self._index.search_timed(queries, k, batch, **setting)
        shape = np.asarray(found.ids).shape
        if shape != (len(queries), k):
            raise PeerFailure("error", f"it answered {len(queries)} queries at k = {k} with ids of shape {shape}")
        usage = self._index.last
        return Timed(found, float(each.sum()), usage.cpu_s, each, usage.peak_rss_bytes)

    def save(self, folder: Path) -> int:
        """Save into a folder that is new when all of it is there; return its size in bytes."""
        unfinished = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(unfinished, ignore_errors=True)
        with self._within(self._limits.build_timeout_s):
            save_index(self._index, unfinished)
        size = sum(path.stat().st_size for path in unfinished.rglob("*") if path.is_file())
        unfinished.rename(folder)
        return size

    def load(self, folder: Path) -> None:
        """Take what `save` wrote."""
        with self._within(self._limits.build_timeout_s):
            self._index.load(folder)

    def memory_bytes(self) -> int:
        """Return the size of the index as the engine counts it."""
        with _failures():
            return self._index.memory_bytes()

    def close(self) -> None:
        """End its process."""
        self._index.close()

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        self._index.timeout = seconds
        with _failures():
            yield


@contextmanager
def _failures() -> Iterator[None]:
    """Turn what an engine can do wrong into a result."""
    try:
        yield
    except GoldpanError as error:
        words = error.last_words if isinstance(error, EngineDied) else ""
        stderr = "\n".join(words.strip().splitlines()[-_LAST_LINES:])
        raise PeerFailure(_status(error, words), str(error), stderr) from error


def _status(error: GoldpanError, words: str) -> str:
    if isinstance(error, EngineTimeout):
        return "timeout"
    if any(sign in f"{error} {words}" for sign in _NO_MEMORY):
        return "out_of_memory"
    return "died" if isinstance(error, EngineDied) else "error"
