"""One engine on one data set: what is still to be measured, and the index that is needed for it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from goldpan.core.errors import InputError
from goldpan.stages.experiment.config import EngineConfig, Experiment, Setting, settings_of
from goldpan.stages.experiment.data import Data
from goldpan.stages.experiment.peer import Peer, PeerFailure
from goldpan.stages.experiment.quiet import load
from goldpan.stages.experiment.store import Key, Record, Results, setting_name

Task = tuple[Key, Setting]


class Lane:
    """An engine on a data set.

    Args:
        engine: which engine.
        data: which data.
        experiment: how it is measured.
        results: what is known already.
        retry: measure again what failed.
    """

    def __init__(self, engine: EngineConfig, data: Data, experiment: Experiment, results: Results, retry: bool) -> None:
        self.engine, self.data, self.experiment = engine, data, experiment
        self._results, self.folder = results, results.folder
        self._kept = results.folder / "indexes" / data.digest / file_name(f"{engine.label} {experiment.threads}")
        self._peer: Peer | None = None
        self._filled, self._unsaved = False, ""
        self._tasks: list[list[Task]] = []
        rows = results.rows()
        self._done = {key for key, row in rows.items() if row["status"] == "ok" or not retry}
        self._retired = {_series(key) for key in self._done if rows[key]["status"] != "ok"}
        self._warm: set[tuple[str, ...]] = set()
        self.alive = retry or self.build_record().get("status", "ok") == "ok"
        self.died = False

    def plan(self) -> None:
        """Find out which settings there are; a failure is written down.

        Raises:
            InputError: the sweep names a parameter that the engine does not have, or there are results of another
                engine of that name.
        """
        known = self.build_record().get("spec", self.engine.spec)
        if known != self.engine.spec:
            raise InputError(
                f"{self.folder} has results of {self.engine.label!r} as {known}, not {self.engine.spec}; give it "
                'another name = "...", or write to another folder.'
            )
        if not self.alive:
            return
        try:
            self._peer = Peer(self.engine, self.data, self.experiment)
            settings = settings_of(self.engine, self._peer.ladder)
        except PeerFailure as failure:
            self._give_up(failure)
            return
        self._tasks = [[*self._of_setting(setting)] for setting in settings]

    def _of_setting(self, setting: Setting) -> Iterator[Task]:
        one = self.experiment
        for k, mode, number in product(one.k, one.modes, range(one.rounds)):
            yield Key(self.data.name, self.engine.label, setting_name(setting), k, mode, one.threads, number), setting

    def counts(self) -> tuple[int, int]:
        """Return how many rows were asked for, and how many of them are there or will never be."""
        asked = [key for tasks in self._tasks for key, _ in tasks]
        return len(asked), sum(self._is_done(key) for key in asked)

    def missing(self, position: int, number: int) -> list[Task]:
        """Return what is to be measured of the setting at a position of the sweep in a round."""
        if not self.alive or position >= len(self._tasks):
            return []
        return [task for task in self._tasks[position] if task[0].round == number and not self._is_done(task[0])]

    @property
    def width(self) -> int:
        """How many settings there are."""
        return len(self._tasks)

    @property
    def peer(self) -> Peer:
        """The engine; `ready` must have said that it is there."""
        assert self._peer is not None  # noqa: S101
        return self._peer

    def ready(self) -> bool:
        """See to it that the engine has its index, loaded or built; False where that fails, which is written down."""
        try:
            while not self._filled:
                self._peer = self._peer or Peer(self.engine, self.data, self.experiment)
                self._filled = self._fill(self._peer)
        except PeerFailure as failure:
            self._give_up(failure)
        return self.alive

    def _fill(self, peer: Peer) -> bool:
        """Load or build; tell whether the engine outlived it, for some do not outlive being saved."""
        if self._kept.is_dir():
            peer.load(self._kept)
            return True
        before = load()
        usage = peer.build()
        record = self._record("ok", self._unsaved) | {"load_before": before, "load_after": load()}
        record |= {"seconds": usage.wall_s, "cpu_s": usage.cpu_s, "peak_bytes": usage.peak_rss_bytes}
        record |= {"memory_bytes": peer.memory_bytes(), "disk_bytes": None}
        try:
            record["disk_bytes"] = peer.save(self._kept) if not self._unsaved else None
        except PeerFailure as failure:  # it can be searched all the same
            self._unsaved = f"it cannot be saved: {failure.reason}"
            record["reason"] = self._unsaved
            if failure.status != "error":
                self.close()
        self._results.add("builds", record)
        return self._peer is not None

    def build_record(self) -> Record:
        """Return what is known of the index."""
        return self._results.builds().get((self.data.name, self.engine.label, self.experiment.threads), {})

    def is_warm(self, key: Key) -> bool:
        """Tell whether a series was measured in this process before, and remember that it is now."""
        warm = _series(key) in self._warm
        self._warm.add(_series(key))
        return warm

    def finish(self, row: Record) -> None:
        """Write a row; a series that failed is not measured again."""
        self._results.add("rows", row)
        key = Key(*(row[name] for name in Key._fields))
        self._done.add(key)
        if row["status"] != "ok":
            self._retired.add(_series(key))

    def lost(self) -> None:
        """Let go of the engine's process after a failure; the next measurement starts another."""
        self._warm.clear()
        self.close()

    def close(self) -> None:
        """End the engine's process."""
        if self._peer is not None:
            self._peer.close()
            self._peer, self._filled = None, False

    def _is_done(self, key: Key) -> bool:
        return key in self._done or _series(key) in self._retired or not self.alive

    def _give_up(self, failure: PeerFailure) -> None:
        self.alive, self.died = False, True
        self._results.add("builds", self._record(failure.status, failure.reason) | {"stderr": failure.stderr})
        self.close()

    def _record(self, status: str, reason: str) -> Record:
        return {
            "dataset": self.data.name,
            "engine": self.engine.label,
            "threads": self.experiment.threads,
            "spec": self.engine.spec,
            "python": None if self.engine.python is None else str(self.engine.python),
            "status": status,
            "reason": reason,
        }


def _series(key: Key) -> tuple[str, ...]:
    """Return the key without its round: what is measured again and again."""
    return tuple(map(str, key._replace(round=0)))


def file_name(label: str) -> str:
    """Return a name for a file: the label where it can be one, else one that is readable and no other label's."""
    plain = re.sub(r"[^\w.=-]+", "_", label).lstrip(".")[:60]
    return label if plain == label else f"{plain}-{hashlib.sha256(label.encode()).hexdigest()[:6]}"


def kept_indexes(results: Results, data: Data) -> Path:
    """Return the folder of the indexes built on a data set."""
    return results.folder / "indexes" / data.digest
