"""Run an engine in a process of its own, so that one that dies, hangs or swells is a row of the results."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from goldpan.core.progress import Progress
from goldpan.stages.stream.config import StreamConfig
from goldpan.stages.stream.memory import held_mib
from goldpan.stages.stream.play import ROWS
from goldpan.stages.stream.worker import JOB, OUTCOME

_LOOK_EVERY_S = 0.1
_STDERR = "stderr.txt"


def launch(folder: Path, config: StreamConfig, engine: str, entry: str, progress: Progress) -> dict[str, Any]:
    """Play one engine; wait for it within its limits.

    Args:
        folder: an empty folder for rows, answers and what it says on stderr.
        config: how to play.
        engine: which.
        entry: the dataset of the runbook.
        progress: told of every row that the engine wrote.

    Returns:
        ``status`` ("done", "failed", "died", "time limit", "memory limit"), ``error`` where it is not done, and
        ``wall_seconds``.
    """
    job = {"config": config.model_dump(mode="json"), "engine": engine, "entry": entry}
    (folder / JOB).write_text(json.dumps(job), "utf-8")
    started = time.perf_counter()
    with (folder / _STDERR).open("wb") as stderr:
        command = [sys.executable, "-m", "goldpan.stages.stream.worker", str(folder)]
        # The worker ends when its stdin does, so it does not outlive a run that is killed.
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stderr) as process:
            try:
                ended = _watch(process, config, started, _Rows(folder / ROWS, progress))
            finally:
                process.kill()  # nothing where it has ended
    return (ended or _outcome(folder, process.returncode)) | {"wall_seconds": time.perf_counter() - started}


class _Rows:
    """Tells how far an engine is, from the rows it wrote; a consolidation is no step."""

    def __init__(self, path: Path, progress: Progress) -> None:
        self._path, self._progress, self._read = path, progress, 0

    def look(self) -> None:
        """Count the rows that came since the last look."""
        if not self._path.is_file():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            lines = file.read().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        self._read += sum(map(len, whole))
        if steps := sum(b'"consolidate"' not in line for line in whole):
            self._progress.advance(steps)


def _watch(
    process: subprocess.Popen[bytes], config: StreamConfig, started: float, rows: _Rows
) -> dict[str, Any] | None:
    """Return why the process must end, or None when it has ended."""
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_EVERY_S)
            return None
        rows.look()
        if time.perf_counter() - started > config.time_limit:
            return {"status": "time limit", "error": f"it was ended after {config.time_limit:g} s (--time-limit)."}
        held = held_mib(process.pid) if config.memory_limit_mb else None
        if held and config.memory_limit_mb and held > config.memory_limit_mb:
            problem = f"it held {held:,.0f} MiB and was ended (--memory-limit-mb {config.memory_limit_mb})."
            return {"status": "memory limit", "error": problem}


def _outcome(folder: Path, code: int) -> dict[str, Any]:
    path = folder / OUTCOME
    if code == 0 and path.is_file():
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return found
    said = (folder / _STDERR).read_text("utf-8", errors="replace").strip().splitlines()
    why = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return {"status": "died", "error": f"its process ended ({why}){': ' + said[-1].strip() if said else '.'}"}
