"""The other side of `goldpan.search.engines.remote`: one index in a process of its own.

Requests are lines of JSON on stdin, answers lines of JSON on what was stdout; arrays pass through files. This module
imports the standard library, numpy and goldpan's engines, so that any interpreter with numpy and the peer can run it.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import GoldpanError, InputError
from goldpan.search.engines.loading import open_index
from goldpan.search.engines.protocol import Index

_STATUS = {"VmRSS": "rss_bytes", "RssAnon": "rss_anon_bytes", "VmHWM": "peak_rss_bytes"}
_LOOK_EVERY_S = 1.0
Arrays = dict[str, NDArray[Any]]


class Session:
    """What one parent asks of one index; each method answers one command with JSON values and arrays."""

    def __init__(self) -> None:
        self._index: Index | None = None

    @property
    def index(self) -> Index:
        """The index that `open` made."""
        if self._index is None:
            raise InputError("open an index first.")
        return self._index

    def open(self, args: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """Make an empty index; tell what it can do."""
        limit = args.pop("memory_limit")
        if limit is not None:  # of what the process allocates; files that are mapped do not count
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        self._index = open_index(**args)
        traits = self._index.traits
        flags = {name: getattr(traits, name) for name in ("exact", "adds", "removes", "consolidates")}
        return {**flags, "metrics": sorted(traits.metrics), "ladder": dict(traits.ladder)}, {}

    def build(self, args: dict[str, Any], arrays: Arrays) -> tuple[Any, Arrays]:
        """Build from a mapped base."""
        return self.index.build(arrays["base"], arrays.get("ids")), {}  # type: ignore[func-returns-value]

    def add(self, args: dict[str, Any], arrays: Arrays) -> tuple[Any, Arrays]:
        """Add rows."""
        return self.index.add(arrays["rows"], arrays["ids"]), {}  # type: ignore[func-returns-value]

    def remove(self, args: dict[str, Any], arrays: Arrays) -> tuple[Any, Arrays]:
        """Remove rows."""
        return self.index.remove(arrays["ids"]), {}  # type: ignore[func-returns-value]

    def consolidate(self, args: dict[str, Any], arrays: Arrays) -> tuple[Any, Arrays]:
        """Mend the index."""
        return self.index.consolidate(), {}  # type: ignore[func-returns-value]

    def search(self, args: dict[str, Any], arrays: Arrays) -> tuple[None, Arrays]:
        """Search in batches; tell how long each took."""
        queries, k, parameters = arrays["queries"], args["k"], args["parameters"]
        batch = args["batch"] or max(1, len(queries))
        search, found, seconds = self.index.search, [], []
        for start in range(0, max(1, len(queries)), batch):
            part = queries[start : start + batch]
            before = time.perf_counter()
            answer = search(part, k, **parameters)
            seconds.append(time.perf_counter() - before)
            found.append(answer)
        ids, scores = (np.concatenate(column) for column in zip(*found, strict=True))
        return None, {"ids": ids, "scores": scores, "seconds": np.array(seconds)}

    def save(self, args: dict[str, Any], arrays: Arrays) -> tuple[Any, Arrays]:
        """Write into a folder."""
        return self.index.save(Path(args["folder"])), {}  # type: ignore[func-returns-value]

    def load(self, args: dict[str, Any], arrays: Arrays) -> tuple[Any, Arrays]:
        """Read from a folder."""
        return self.index.load(Path(args["folder"])), {}  # type: ignore[func-returns-value]

    def memory_bytes(self, args: dict[str, Any], arrays: Arrays) -> tuple[int, Arrays]:
        """Count."""
        return self.index.memory_bytes(), {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what a request says; return the answer, which holds an error where there was one."""
        try:
            work: Callable[[dict[str, Any], Arrays], tuple[Any, Arrays]] = getattr(self, request["command"])
            arrays = {name: _read(where) for name, where in request["arrays"].items()}
            _forget_peak()
            wall, cpu = time.perf_counter(), time.process_time()
            value, out = work(request["args"], arrays)
            usage = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu} | _memory()
            for name, array in out.items():
                np.save(Path(request["folder"]) / f"{name}.npy", array, allow_pickle=False)
        except GoldpanError as error:
            return {"error": type(error).__name__, "message": str(error)}
        except Exception as error:  # noqa: BLE001  whatever a peer raises is an answer to the parent
            return {"error": type(error).__name__, "message": f"{type(error).__name__}: {error}"}
        return {"value": value, "arrays": list(out), "usage": usage, "n": self.index.n}


def _read(where: dict[str, Any]) -> NDArray[Any]:
    """Map an array that the parent left in a file; small ones are read."""
    array: NDArray[Any] = (
        np.memmap(where["path"], where["dtype"], "r", offset=where["offset"], shape=tuple(where["shape"]))
        if 0 not in where["shape"]
        else np.empty(where["shape"], where["dtype"])
    )
    return array if where["mapped"] else np.array(array)


def _forget_peak() -> None:
    """Let the kernel count the peak of memory anew, where it lets us."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return  # then the peak is that of the whole process so far


def _memory() -> dict[str, int]:
    """Return resident bytes, those that are no file's, and the peak."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    pairs = (line.split(":") for line in lines if line.partition(":")[0] in _STATUS)
    return {_STATUS[name]: int(value.split()[0]) * 1024 for name, value in pairs}


def main() -> None:
    """Answer requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # engines print; what they print belongs to stderr
    session = Session()
    folders: list[str] = []
    threading.Thread(target=_end_with_parent, args=(os.getppid(), folders), daemon=True).start()
    for line in sys.stdin:
        request = json.loads(line)
        folders[:] = [request["folder"]]
        answers.write(json.dumps(session.answer(request)) + "\n")
        answers.flush()
    _remove(folders)


def _end_with_parent(parent: int, folders: list[str]) -> None:
    """End this process, busy or not, when its parent was killed and nobody will read the answer."""
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    _remove(folders)
    os._exit(1)


def _remove(folders: list[str]) -> None:
    """Remove the files that a parent, had it ended well, would have removed."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
