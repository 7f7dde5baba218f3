"""A worker process: started with pinned threads, asked, and buried with its last words when it dies."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import goldpan
from goldpan.core import errors
from goldpan.core.errors import GoldpanError

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "LANCE_CPU_THREADS",
    "TOKIO_WORKER_THREADS",
)
_LAST_WORDS = 2000


class EngineFailed(GoldpanError):
    """An engine raised what is no error of ours: a result of a benchmark, not a crash of it."""


class EngineDied(EngineFailed):
    """The process of an engine ended while it was at work.

    Attributes:
        exit_status: as the process gave it; below 0 for a signal.
        signal: its name, "" where there was none.
        last_words: the end of what it wrote to stderr.
    """

    def __init__(self, what: str, exit_status: int, last_words: str) -> None:
        self.exit_status, self.last_words = exit_status, last_words
        self.signal = signal.Signals(-exit_status).name if exit_status < 0 else ""
        how = f"by {self.signal}" if self.signal else f"with exit status {exit_status}"
        super().__init__(f"{what} ended its process {how}; last words: {last_words.strip()[-300:] or 'none'}")


class EngineTimeout(EngineDied):
    """An engine took longer than it was given; its process was ended."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one command took.

    Attributes:
        wall_s: seconds, without the passing of arrays.
        cpu_s: processor seconds of all threads.
        rss_bytes: memory of the process after it.
        rss_anon_bytes: the part of it that is no file's; a mapped base is not in it.
        peak_rss_bytes: the most during it.
    """

    wall_s: float
    cpu_s: float
    rss_bytes: int
    rss_anon_bytes: int
    peak_rss_bytes: int


class WorkerProcess:
    """One `goldpan.search.engines.worker`.

    Args:
        what: the engine's spec, for messages.
        threads: how many it may use; told to every library that reads a variable.
        python: interpreter, such as that of a virtual environment with a peer in it; this one where None.
        env: variables beside ours.
        timeout: seconds a command may take; any where None.
    """

    def __init__(
        self, what: str, threads: int, python: str | None, env: Mapping[str, str] | None, timeout: float | None
    ) -> None:
        self._what, self.timeout = what, timeout
        self._home = tempfile.TemporaryDirectory(prefix="goldpan-engine-")
        self.folder = Path(self._home.name)
        (self.folder / "src").mkdir()
        # Only our package, not its neighbors: in a peer's environment our numpy must not shadow its own.
        (self.folder / "src" / "goldpan").symlink_to(Path(goldpan.__file__).parent)
        variables = {**os.environ, **dict.fromkeys(_THREAD_VARIABLES, str(threads)), **(env or {})}
        if python is not None:
            variables["PYTHONPATH"] = str(self.folder / "src")
        self._stderr = (self.folder / "stderr").open("wb")
        self._process = subprocess.Popen(
            [python or sys.executable, "-P", "-m", "goldpan.search.engines.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=variables,
            start_new_session=True,  # a Ctrl-C is ours to handle, and all its children can be ended with it
        )
        self._finalizer = weakref.finalize(self, _end, self._process, self._stderr, self._home)

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def ask(self, command: str, args: dict[str, Any], arrays: dict[str, Any]) -> dict[str, Any]:
        """Send one command and wait for its answer.

        Raises:
            EngineDied: the process ended before it answered.
            EngineTimeout: it took too long.
            EngineFailed: the engine raised.
            InputError: and its kin, as the engine's adapter raised them.
        """
        request = {"command": command, "args": args, "arrays": arrays, "folder": str(self.folder)}
        assert self._process.stdin and self._process.stdout  # noqa: S101  both are pipes
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            raise self._died(command) from None
        if not select.select([self._process.stdout], [], [], self.timeout)[0]:
            os.killpg(self._process.pid, signal.SIGKILL)
            raise EngineTimeout(
                f"{self._what}: {command} took longer than {self.timeout:g} s; goldpan",
                self._process.wait(),
                self._last_words(),
            )
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._died(command)
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            kind = getattr(errors, answer["error"], EngineFailed)
            raise kind.__new__(kind, answer["message"])
        return answer

    def close(self) -> None:
        """End the process and remove its files."""
        self._finalizer()

    def _died(self, command: str) -> EngineDied:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        return EngineDied(f"{self._what}: {command}", self._process.wait(), self._last_words())

    def _last_words(self) -> str:
        path = self.folder / "stderr"
        return path.read_bytes()[-_LAST_WORDS:].decode(errors="replace") if path.exists() else ""


def _end(process: subprocess.Popen[bytes], stderr: Any, home: tempfile.TemporaryDirectory[str]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in filter(None, (process.stdin, process.stdout, stderr)):
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
    home.cleanup()
