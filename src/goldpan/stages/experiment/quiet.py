"""How busy the machine is: timings on a busy one are noise."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from goldpan.core.errors import InputError
from goldpan.core.machine import processors

_LOOK_EVERY_S = 2.0
_PACKAGES = ("numpy", "faiss-cpu", "hnswlib", "usearch", "scalable-vs", "pylance")


def load() -> float:
    """Return the load average of the last minute."""
    return round(os.getloadavg()[0], 2)


def wait_until_quiet(allowed: float, patience_s: float) -> float:
    """Wait until the load is at most `allowed`; return it.

    Raises:
        InputError: it did not fall in `patience_s` seconds.
    """
    until = time.monotonic() + patience_s
    while (now := load()) > allowed:
        if time.monotonic() >= until:
            raise InputError(
                f"The load of this machine is {now}, above {allowed:g}: timings would be noise. Stop what else runs, "
                f"wait with --wait-for-quiet SECONDS, or measure all the same with --allow-load {now + 1:.0f}."
            )
        time.sleep(min(_LOOK_EVERY_S, patience_s))
    return now


def machine() -> dict[str, Any]:
    """Return what timings depend on: processor, number of cores, memory, system, Python, packages."""
    return {
        "processor": _line("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": processors(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": dict(_versions()),
    }


def _versions() -> Iterator[tuple[str, str]]:
    """Yield the packages of engines that are installed beside goldpan, with their versions."""
    for name in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            yield name, version(name)


def _line(path: str, name: str) -> str:
    """Return the first value of that name in a file of ``name : value`` lines; "" where there is none."""
    if not Path(path).is_file():
        return ""
    with Path(path).open(encoding="utf-8") as file:
        return next((line.partition(":")[2].strip() for line in file if line.startswith(name)), "")
