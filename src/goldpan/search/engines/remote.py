"""An index in a process of its own: its memory and processor time are its own, and so is its death."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError
from goldpan.core.machine import processors
from goldpan.core.records import Floats, Ids, Metric, Neighbors, parse_metric
from goldpan.search.blocks import read_blocks
from goldpan.search.engines.adapter import BLOCK_BYTES
from goldpan.search.engines.process import EngineDied, EngineFailed, EngineTimeout, Usage, WorkerProcess
from goldpan.search.engines.protocol import Traits
from goldpan.search.readers import ArrayReader, VectorReader, VectorSource, as_reader

__all__ = ["EngineDied", "EngineFailed", "EngineTimeout", "RemoteIndex", "TimedNeighbors", "Usage"]


class TimedNeighbors(NamedTuple):
    """Answers, and how long each batch of queries took in the worker.

    Attributes:
        neighbors: as `Index.search` gives them.
        seconds: ``(n_batches,)``.
    """

    neighbors: Neighbors
    seconds: Floats


class RemoteIndex:
    """An `Index` in a worker process; a context manager, which ends the process.

    Args:
        spec: as for `goldpan.search.engines.loading.open_index`.
        dim: values a row (bytes a row for hamming).
        metric: how near is measured.
        threads: how many it may use, also told to libraries that read ``OMP_NUM_THREADS`` and the like.
        seed: of what is random.
        python: another interpreter, with numpy and the peer installed (goldpan need not be).
        env: variables for the process.
        memory_limit: bytes the process may allocate; files it maps do not count.
        timeout: seconds a command may take.

    Attributes:
        last: what the last command took; see `Usage`.

    Raises:
        EngineDied: the process ended at work; from any method. The index is lost, the caller goes on.
        EngineTimeout: a command took longer than `timeout`; likewise.
        EngineFailed: the engine raised something that is no error of goldpan; likewise.
        InputError: as `open_index` and `Index` say.
    """

    def __init__(  # noqa: PLR0913  all but four are keywords with defaults
        self,
        spec: str,
        dim: int,
        metric: str | Metric,
        threads: int | None = None,
        seed: int = 0,
        *,
        python: str | None = None,
        env: Mapping[str, str] | None = None,
        memory_limit: int | None = None,
        timeout: float | None = None,
    ) -> None:
        self.spec, self.dim, self.metric, self.n = spec, dim, parse_metric(metric), 0
        self.threads = threads or processors()
        self._worker = WorkerProcess(spec, self.threads, python, env, timeout)
        self.last: Usage
        try:
            told = self._ask(
                "open",
                spec=spec,
                dim=dim,
                metric=str(self.metric),
                threads=self.threads,
                seed=seed,
                memory_limit=memory_limit,
            )
        except BaseException:
            self.close()
            raise
        ladder = {name: tuple(values) for name, values in told.pop("ladder").items()}
        self.traits = Traits(frozenset(Metric(name) for name in told.pop("metrics")), ladder=ladder, **told)

    @property
    def pid(self) -> int:
        """Number of the worker's process."""
        return self._worker.pid

    @property
    def timeout(self) -> float | None:
        """Seconds a command may take; may be set before each."""
        return self._worker.timeout

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        self._worker.timeout = seconds

    def build(self, base: VectorSource, ids: Ids | None = None) -> None:
        """Build; a base that is a whole mapped file is not copied, any other is written to a temporary one."""
        arrays = {"base": self._shared(as_reader(base, "base"))}
        if ids is not None:
            arrays["ids"] = self._passed("ids", np.asarray(ids))
        self._ask("build", arrays)

    def add(self, rows: NDArray[Any], ids: Ids) -> None:
        """Hold more rows."""
        self._ask("add", {"rows": self._passed("rows", rows), "ids": self._passed("ids", np.asarray(ids))})

    def remove(self, ids: Ids) -> None:
        """Forget rows."""
        self._ask("remove", {"ids": self._passed("ids", np.asarray(ids))})

    def consolidate(self) -> None:
        """Mend what removals left behind."""
        self._ask("consolidate")

    def search(self, queries: NDArray[Any], k: int, **parameters: float) -> Neighbors:
        """Return k neighbors a query."""
        return self.search_timed(queries, k, None, **parameters).neighbors

    def search_timed(
        self, queries: NDArray[Any], k: int, batch: int | None = None, **parameters: float
    ) -> TimedNeighbors:
        """Search batch by batch, one after the other, and say how long each took.

        Args:
            queries: ``(m, dim)``.
            k: how many.
            batch: queries a batch; all at once where None, 1 for the latency of single queries.
            **parameters: as for `search`.
        """
        self._ask("search", {"queries": self._passed("queries", queries)}, k=k, batch=batch, parameters=parameters)
        ids, scores, seconds = (self._answered(name) for name in ("ids", "scores", "seconds"))
        return TimedNeighbors(Neighbors(ids, scores), seconds)

    def save(self, folder: Path) -> None:
        """Write the index into an existing empty folder."""
        self._ask("save", folder=str(folder.resolve()))

    def load(self, folder: Path) -> None:
        """Take the place of what `save` wrote."""
        self._ask("load", folder=str(folder.resolve()))

    def memory_bytes(self) -> int:
        """Return the bytes the index holds, as the engine counts them (`last` has those of the process)."""
        return int(self._ask("memory_bytes"))

    def close(self) -> None:
        """End the process."""
        self._worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, command: str, arrays: dict[str, Any] | None = None, **args: Any) -> Any:
        answer = self._worker.ask(command, args, arrays or {})
        self.n, self.last = answer["n"], Usage(**answer["usage"])
        return answer["value"]

    def _passed(self, name: str, array: NDArray[Any]) -> dict[str, Any]:
        """Write an array where the worker reads it."""
        array = np.ascontiguousarray(array)
        if array.dtype.hasobject:
            raise InputError(f"{name} must be numbers, not {array.dtype}.")
        path = self._worker.folder / f"{name}.raw"
        array.tofile(path)
        return _described(path, array, 0, mapped=False)

    def _shared(self, reader: VectorReader) -> dict[str, Any]:
        """Name the file of a mapped base, or write the base to one, block by block."""
        whole = _mapped_file(reader.array) if isinstance(reader, ArrayReader) else None
        if whole is not None:
            return _described(Path(whole.filename), whole, whole.offset, mapped=True)
        path = self._worker.folder / "base.raw"
        dtype, rows = np.dtype(reader.dtype), max(1, BLOCK_BYTES // (reader.dim * np.dtype(reader.dtype).itemsize))
        with path.open("wb") as file:
            for block in read_blocks(reader, rows, range(reader.n)):
                np.ascontiguousarray(block.rows, dtype).tofile(file)
        return {"path": str(path), "dtype": dtype.str, "shape": [reader.n, reader.dim], "offset": 0, "mapped": True}

    def _answered(self, name: str) -> NDArray[Any]:
        path = self._worker.folder / f"{name}.npy"
        array: NDArray[Any] = np.load(path, allow_pickle=False)
        path.unlink()
        return array


def _mapped_file(array: NDArray[Any]) -> Any:
    """Return the memory map that an array is all of; None where it is a part, which knows not where it starts."""
    whole: Any = array if isinstance(array, np.memmap) else array.base
    if not isinstance(whole, np.memmap) or not isinstance(getattr(whole, "base", None), mmap.mmap):
        return None
    same = whole.ctypes.data == array.ctypes.data and whole.shape == array.shape
    return whole if same and whole.flags.c_contiguous and whole.dtype == array.dtype else None


def _described(path: Path, array: NDArray[Any], offset: int, *, mapped: bool) -> dict[str, Any]:
    shape = list(array.shape)
    return {"path": str(path.resolve()), "dtype": array.dtype.str, "shape": shape, "offset": offset, "mapped": mapped}
