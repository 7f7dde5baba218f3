"""Bring files: what is there and right stays, what broke off goes on, what fails is counted with its reason."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from glob import escape
from pathlib import Path
from typing import NamedTuple

from goldpan.core.errors import InputError, Reason, RemoteError, StageError
from goldpan.core.locks import hold
from goldpan.core.progress import Progress
from goldpan.core.records import Report
from goldpan.fetch.client import Fetcher
from goldpan.fetch.errors import FetchError
from goldpan.stages.acquire.bulk.config import BulkConfig
from goldpan.stages.acquire.bulk.ledger import LEDGER, Ledger
from goldpan.stages.acquire.bulk.manifest import expecting, read_manifest
from goldpan.stages.acquire.bulk.sources import carry, fetcher_of, size_of
from goldpan.stages.acquire.bulk.wanted import Expected, Wanted, check, is_known
from goldpan.stages.acquire.hints import flags_that_help

_SHOWN = 1000  # failures in the report; the ledger has all


class Missed(NamedTuple):
    """A file that did not come."""

    file: Wanted
    reason: Reason
    detail: str


def bring(stage: str, wanted: Sequence[Wanted], config: BulkConfig, progress: Progress) -> Report:
    """Bring files into the folder of a configuration, several at once; each appears when it is whole and checked.

    Raises:
        InputError: two files have one name, the disk has not the room, or another process fills the folder.
        FormatError: the manifest is none.
    """
    started = time.perf_counter()
    _look_for_twins(wanted)
    manifest = read_manifest(config.manifest) if config.manifest else {}
    wanted = expecting(wanted, manifest)
    config.output.mkdir(parents=True, exist_ok=True)
    busy = InputError(f"Another process brings files into {config.output}; wait for it, or name another folder.")
    with hold(config.output / ".lock", busy), fetcher_of(config, wanted) as fetcher:
        ledger = Ledger(config.output)
        missing = [file for file in wanted if not ledger.has(file)]
        absent = [file for file in missing if not (config.output / file.name).is_file()]
        room = _Room(config.output, absent, fetcher)
        room.check()
        progress.start(f"{stage}, MB", room.megabytes)
        missed, found = _Carriers(config.output, ledger, fetcher, progress).bring(missing, config.files_at_once)
        progress.finish()
    known = len(wanted) - len(missing) + found
    report = _report(stage, wanted, missed, known, config.output, time.perf_counter() - started)
    report.next_steps += flags_that_help(config, report.failures, retries=False)
    return report


class _Room:
    """What the files will take, as far as it is known before they come."""

    def __init__(self, folder: Path, absent: Sequence[Wanted], fetcher: Fetcher) -> None:
        self._folder = folder
        groups: dict[str, list[Wanted]] = defaultdict(list)
        self._bytes = 0
        for file in absent:
            if file.expected.sizes is not None:
                self._bytes += file.expected.sizes.most
            else:
                groups[file.url.rpartition("/")[0]].append(file)
        for files in groups.values():  # shards of a kind are of about one size: ask for that of the first
            self._bytes += len(files) * (size_of(files[0], fetcher) or 0)
        self.megabytes = self._bytes // 1_000_000 or None
        hidden = (hidden_name(folder / file.name) for file in absent)
        parts = (path for start in hidden for path in start.parent.glob(f"{escape(start.name)}*"))
        self._there = sum(path.stat().st_size for path in parts)

    def check(self) -> None:
        free = shutil.disk_usage(self._folder).free
        if self._bytes - self._there > free:
            raise InputError(
                f"The files take about {self._bytes / 1e9:,.1f} GB, and {self._folder} has {free / 1e9:,.1f} GB free; "
                "make room, or name fewer of them."
            )


class _Carriers:
    """Threads that bring files."""

    def __init__(self, folder: Path, ledger: Ledger, fetcher: Fetcher, progress: Progress) -> None:
        self._folder, self._ledger, self._fetcher, self._progress = folder, ledger, fetcher, progress
        self._lock = threading.Lock()
        self._stopped = False
        self._bytes = self._told = 0

    def bring(self, missing: Sequence[Wanted], at_once: int) -> tuple[list[Missed], int]:
        """Return which of the files did not come, and how many of the others were there and right."""
        missed, found = [], 0
        with ThreadPoolExecutor(at_once, "bring") as pool:
            try:
                for done in as_completed([pool.submit(self._settle, file) for file in missing]):
                    result = done.result()
                    found += result is True
                    if isinstance(result, Missed):
                        missed.append(result)
            except BaseException:  # what is on its way breaks off, to go on another time
                self._stopped = True
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return missed, found

    def _settle(self, file: Wanted) -> Missed | bool:
        """Bring a file unless it is there; return whether it was, or why it is not."""
        try:
            there = self._is_there(file)
            if not there:
                self._bring(file)
        except (FetchError, RemoteError) as error:
            missed = Missed(file, error.reason, getattr(error, "detail", str(error)))
        except FileNotFoundError as error:
            missed = Missed(file, Reason.NOT_FOUND, str(error))
        except OSError as error:
            raise StageError(f"{self._folder / file.name} cannot be written: {error.strerror}.") from error
        else:
            self._ledger.brought(file)
            return there
        self._ledger.missed(file, missed.reason, missed.detail)
        return missed

    def _is_there(self, file: Wanted) -> bool:
        """Check a file that nothing is known of in the ledger."""
        path = self._folder / file.name
        if not path.is_file() or not (any(file.expected) or is_known(path)):
            return False
        try:
            check(path, file.expected)
        except FetchError:
            return False
        return True

    def _bring(self, file: Wanted) -> None:
        path = self._folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden = hidden_name(path)
        try:
            carry(file, hidden, self._fetcher, self._count)
            check(hidden, Expected(file.expected.sizes))  # the sums were compared on the way
        except FetchError:
            hidden.unlink(missing_ok=True)
            raise
        hidden.replace(path)

    def _count(self, came: int) -> None:
        if self._stopped:
            raise InputError("The run was stopped.")
        with self._lock:
            self._bytes += came
            megabytes = max(self._told, self._bytes // 1_000_000)
            self._progress.advance(megabytes - self._told)
            self._told = megabytes


def hidden_name(path: Path) -> Path:
    """Return where a file is until it is whole and checked."""
    return path.with_name(f".{path.name}")


def _look_for_twins(wanted: Sequence[Wanted]) -> None:
    first: dict[str, str] = {}
    for file in wanted:
        if first.setdefault(file.name, file.url) != file.url:
            raise InputError(f"{first[file.name]} and {file.url} are both called {file.name}; bring them apart.")


def _report(
    stage: str, wanted: Sequence[Wanted], missed: list[Missed], known: int, folder: Path, seconds: float
) -> Report:
    came = len(wanted) - len(missed)
    size = sum((folder / file.name).stat().st_size for file in wanted if (folder / file.name).is_file())
    report = Report(
        stage,
        rows_in=len(wanted),
        rows_out=came,
        already_done=known,
        failures=dict(Counter(str(item.reason) for item in missed)),
        seconds=seconds,
        outputs={
            str(folder): f"{came:,} files, {size / 1e9:,.3f} GB",
            str(folder / LEDGER): "where each came from, or why it did not",
        },
        details={
            "bytes": size,
            "failed_files": [
                {"name": item.file.name, "url": item.file.url, "reason": str(item.reason), "detail": item.detail}
                for item in missed[:_SHOWN]
            ],
        },
    )
    if missed:
        report.next_steps.append("the same command again, which brings what is missing and wrong")
    return report
