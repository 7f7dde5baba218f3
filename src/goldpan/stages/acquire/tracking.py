"""Weights & Biases is told how fetching goes, in the words of img2dataset."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from goldpan.core.errors import InputError, MissingExtra
from goldpan.core.progress import Facts, Progress, Watcher
from goldpan.formats.img2dataset.layout import SUCCESS, Stats
from goldpan.stages.acquire.config import WebConfig
from goldpan.stages.acquire.shard_rows import OF_IMAGES

_EVERY_S = 5.0
_TABLE_EVERY_S = 60.0
_MOST_STATUSES = 100


@contextmanager
def tracked(progress: Progress, config: WebConfig) -> Iterator[Progress]:
    """Give a progress that tells Weights & Biases too, where the configuration names a project."""
    if config.wandb is None:
        yield progress
        return
    told = Tracked(progress, config.wandb, config.model_dump(mode="json"))
    try:
        yield told
    finally:
        told.close()


class Tracked:
    """A progress that tells Weights & Biases too; where that is offline, its files are kept for ``wandb sync``.

    Args:
        progress: told everything as well.
        project: of Weights & Biases.
        settings: of the run.

    Raises:
        MissingExtra: wandb is not installed.
        InputError: it cannot be told, such as without a key.
    """

    def __init__(self, progress: Progress, project: str, settings: dict[str, Any]) -> None:
        try:
            import wandb
        except ImportError:
            raise MissingExtra("wandb", "wandb") from None
        try:
            self._run = wandb.init(project=project, config=settings)
        except wandb.Error as error:
            raise InputError(
                f"Weights & Biases cannot be told: {error}; type: wandb login, or set WANDB_MODE=offline."
            ) from error
        self._table = wandb.Table
        self._progress = progress
        self._facts: Callable[[], Facts] | None = None
        self._done = self._failed = 0
        self._begun = self._told = self._tabled = time.monotonic()

    def start(self, label: str, total: int | None = None) -> None:
        """Begin to count."""
        self._progress.start(label, total)

    def watch(self, facts: Callable[[], Facts]) -> None:
        """Take what tells why items fail."""
        self._facts = facts
        if isinstance(self._progress, Watcher):
            self._progress.watch(facts)

    def advance(self, done: int = 1, failed: int = 0) -> None:
        """Count, and tell now and then."""
        self._progress.advance(done, failed)
        self._done += done
        self._failed += failed
        if time.monotonic() - self._told > _EVERY_S:
            self._tell()

    def finish(self) -> None:
        """Tell the end."""
        self._progress.finish()
        if self._done:
            self._tabled = float("-inf")
            self._tell()

    def close(self) -> None:
        """End the run."""
        self._run.finish()

    def shard(self, stats: Stats) -> None:
        """Tell of a shard that is finished."""
        missed = {"failed_to_download": stats.failed_to_download, "failed_to_resize": stats.failed_to_resize}
        self._log("worker", stats.count, stats.duration, {"success": stats.successes, **missed})

    def _tell(self) -> None:
        now = time.monotonic()
        failures = Counter(self._facts().failures if self._facts else {})
        resizing = sum(failures[reason] for reason in OF_IMAGES)
        came = self._done - self._failed
        missed = {"failed_to_download": self._failed - resizing, "failed_to_resize": resizing}
        self._log("total", self._done, now - self._begun, {"success": came, **missed})
        self._told = now
        if now - self._tabled > _TABLE_EVERY_S:
            self._tabled = now
            statuses = Counter({SUCCESS: came}) + failures
            rows = [[word, count / self._done, count] for word, count in statuses.most_common(_MOST_STATUSES)]
            self._run.log({"status": self._table(columns=["status", "frequency", "count"], data=rows)})

    def _log(self, prefix: str, count: int, seconds: float, parts: dict[str, int]) -> None:
        shares = {f"{prefix}/{name}": part / count for name, part in parts.items()}
        self._run.log({f"{prefix}/img_per_sec": count / seconds, **shares, f"{prefix}/count": count})
