"""How much memory a process holds."""

from __future__ import annotations

import os
import re
from pathlib import Path

MIB = 1 << 20


def held_mib(pid: int | None = None) -> float | None:
    """Return the resident memory of a process in MiB; None where the system does not tell (it is gone, or no Linux)."""
    return _status(pid or os.getpid(), "VmRSS")


def peak_mib() -> float | None:
    """Return the largest resident memory of this process in MiB; None where the system does not tell."""
    return _status(os.getpid(), "VmHWM")  # of this program: getrusage also counts what it was forked from


def _status(pid: int, name: str) -> float | None:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text("ascii"), re.MULTILINE)
    except OSError:
        return None
    return None if found is None else int(found[1]) / 1024
