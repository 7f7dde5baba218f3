"""One at a time, among machines: a right that is written down in a bucket, and ends by itself when its owner dies.

The right belongs to the object with the highest number below a path. Who wants it writes the next number, which the
store grants to one (a conditional put). Numbers only grow, and the highest one stays, so nobody mistakes an old state
for the present one. The owner writes its object anew every few seconds. The next number may be taken once the owner
gave the right back, is a process of this machine that is gone, or did not renew it for `LEASE_S` seconds, counted by
the clock of the one who waits: no two clocks are compared.
"""

from __future__ import annotations

import contextlib
import json
import math
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from goldpan.core.errors import GoldpanError, RemoteError, StageError
from goldpan.core.place import RemotePath
from goldpan.core.refusals import TIMEOUT_S

LEASE_S = 30.0
_SURE_S = 24.0  # who could not renew for so long takes the right for lost, before anybody else may have it
_RENEW_S = 5.0
_LOOK_S = 0.5


@contextlib.contextmanager
def leased(path: RemotePath, otherwise: GoldpanError | None = None) -> Iterator[Lease]:
    """Hold the right that is written down below `path` until the block ends.

    Raises:
        GoldpanError: `otherwise`, where somebody holds it; where None, it is waited for.
        RemoteError: the store cannot be read or written.
    """
    lease = Lease(path)
    while not lease.take():
        if otherwise is not None:
            raise otherwise
        time.sleep(_LOOK_S)
    try:
        yield lease
    finally:
        lease.give_back()


class Lease:
    """The right of this process, once `take` has answered True."""

    def __init__(self, path: RemotePath) -> None:
        self._path = path
        self._owner = uuid.uuid4().hex
        self._own = path
        self._renewed = -math.inf
        self._renewals = 0
        self._ended = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name=f"lease of {path}", daemon=True)

    def take(self) -> bool:
        """Take the right if it is free; return whether it is ours, to be given back."""
        numbers = _numbers(self._path)
        if numbers and not _is_over(self._path / str(numbers[-1])):
            return False
        self._own = self._path / str(numbers[-1] + 1 if numbers else 0)
        began = time.monotonic()
        # A put that the client had to repeat may have been refused because of itself: what is there tells.
        granted = self._own.create(self._words()) or _state(self._own).get("owner") == self._owner
        if not granted or not self._is_highest():
            return False
        self._renewed = began
        for older in numbers:
            (self._path / str(older)).unlink(missing_ok=True)
        self._keeper.start()
        return True

    def check(self) -> None:
        """Look whether the right is still ours; to be asked before each write.

        Raises:
            StageError: it could not be renewed in time, so that somebody else may have it.
        """
        if time.monotonic() - self._renewed > _SURE_S:
            raise StageError(
                f"The right to write was lost: {self._path} could not be renewed for {_SURE_S:g} s. "
                "What is committed stays; run the same command again."
            )

    def give_back(self) -> None:
        """Let the next one have it at once; where that fails, it ends by itself."""
        self._ended.set()
        self._keeper.join(TIMEOUT_S)
        if self._keeper.is_alive():
            return
        with contextlib.suppress(RemoteError, StageError):
            self.check()
            self._own.write_bytes(self._words(free=True))

    def _keep(self) -> None:
        while not self._ended.wait(_RENEW_S):
            with contextlib.suppress(RemoteError, FileNotFoundError):  # tried again, until it is too late
                began = time.monotonic()
                self._own.write_bytes(self._words())
                self._renewed = began if self._is_highest() else -math.inf

    def _is_highest(self) -> bool:
        return str(_numbers(self._path)[-1]) == self._own.name

    def _words(self, *, free: bool = False) -> bytes:
        self._renewals += 1
        return json.dumps({"owner": self._owner, "renewals": self._renewals, "free": free, "at": _process()}).encode()


def _is_over(written: RemotePath) -> bool:
    """Look, as long as it takes, whether the owner of the highest number gave it back or is dead."""
    began, first = time.monotonic(), _state(written)
    while first and not first["free"]:
        alive = _is_alive(first["at"])
        if alive is not None:
            return not alive
        if time.monotonic() - began > LEASE_S:
            return True
        time.sleep(_LOOK_S)
        now = _state(written)
        if now != first:
            return bool(now.get("free", True))
    return True


def _numbers(path: RemotePath) -> list[int]:
    return sorted(int(found.name) for found in path.iterdir() if found.name.isdecimal())


def _state(written: RemotePath) -> dict[str, Any]:
    """Return what the owner wrote; nothing where a higher number took its place."""
    try:
        found: dict[str, Any] = json.loads(written.read_bytes())
        return found
    except FileNotFoundError:
        return {}


def _process() -> dict[str, str]:
    """Return what tells this process from every other; nothing where the system does not say."""
    try:
        machine = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return {
            "machine": f"{machine} {Path('/proc/self/ns/pid').readlink()}",
            "process": Path("/proc/self").readlink().name,
            "started": _started("self"),
        }
    except OSError:
        return {}


def _is_alive(process: dict[str, str]) -> bool | None:
    """Return whether a process runs; None where it is one of another machine."""
    here = _process()
    if not process or not here or process["machine"] != here["machine"]:
        return None
    try:
        return _started(process["process"]) == process["started"]
    except OSError:
        return False


def _started(process: str) -> str:
    """Return when a process began, in ticks of the clock (field 22 of its `stat`, see proc(5))."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
