"""A Ray cluster as programs of its own, with a token, as somebody else would start it; how to kill a worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.ports import free_port

_START_S = 120
_BUSY_S = 90


class RayHead:
    """A head node with two processors, and a home of its own; `environment` is for who joins it at `address`."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        self._home = f"HOME={folder}\0".encode()
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        self.environment |= {"HOME": str(folder), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}
        head = [f"{Path(sys.executable).parent}/ray", "start", "--head", f"--port={port}", "--num-cpus=2", "--block"]
        small = ["--include-dashboard=false", "--disable-usage-stats", f"--object-store-memory={100 << 20}"]
        with (folder / "log").open("wb") as log:
            self._node = subprocess.Popen(
                [*head, *small, f"--temp-dir={folder}"],
                env=self.environment,
                start_new_session=True,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + _START_S
        while b"Ray runtime started" not in (folder / "log").read_bytes():
            if self._node.poll() is not None or time.monotonic() > until:
                self.stop()
                raise RuntimeError((folder / "log").read_text())
            time.sleep(0.2)

    def stop(self) -> None:
        """End all its processes."""
        self._node.terminate()
        self._node.wait(timeout=30)

    def kill_a_worker(self, what: str) -> None:
        """Wait until a worker is at `what`, which its title says, and kill it at once."""
        until = time.monotonic() + _BUSY_S
        while not (busy := next(self._at(what), None)):
            assert time.monotonic() < until, f"no worker came to {what}"
            time.sleep(0.01)
        os.kill(busy, signal.SIGKILL)

    def _at(self, what: str) -> Iterator[int]:
        for process in Path("/proc").iterdir():
            try:
                title = (process / "cmdline").read_text() if process.name.isdigit() else ""
                if title.startswith(f"ray::{what}") and self._home in (process / "environ").read_bytes():
                    yield int(process.name)
            except OSError:  # it ended meanwhile
                continue
