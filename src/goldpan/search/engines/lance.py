"""Lance: the vector indexes of the table format that workspaces are kept in; on disk, read as needed."""

from __future__ import annotations

import math
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError, MissingExtra
from goldpan.core.records import Ids, Metric
from goldpan.search.engines.adapter import Adapter, first_line
from goldpan.search.engines.protocol import Traits
from goldpan.search.engines.spec import EngineSpec, Option
from goldpan.search.readers import VectorReader

_METRICS = {Metric.IP: "dot", Metric.COSINE: "dot", Metric.L2: "l2", Metric.SQEUCLIDEAN: "l2"}
_KINDS = ("IVF_FLAT", "IVF_SQ", "IVF_PQ", "IVF_RQ", "IVF_HNSW_FLAT", "IVF_HNSW_SQ", "IVF_HNSW_PQ")
_TABLE = "table.lance"


class Lance(Adapter):
    """``lance:IVF_PQ@num_partitions=0,num_sub_vectors=0,nprobes=20,refine_factor=1,ef=64``.

    0 partitions are the square root of the rows, 0 sub-vectors one for 16 values. Rows that are added are scanned
    until `consolidate` brings them into the index. The number of threads is that of the process:
    ``LANCE_CPU_THREADS``, which `goldpan.search.engines.remote` sets. See `goldpan.search.engines.protocol.Index`.
    """

    def __init__(self, spec: EngineSpec, dim: int, metric: Metric, threads: int | None, seed: int) -> None:
        try:
            import lance
        except ImportError as error:
            raise MissingExtra("pylance", "ann") from error
        self._kind = spec.name or "IVF_PQ"
        if self._kind not in _KINDS:
            raise InputError(f"{spec}: the indexes of Lance are {', '.join(_KINDS)}.")
        codes, graph = not self._kind.endswith("FLAT"), "HNSW" in self._kind
        defaults: dict[str, Option] = {"num_partitions": 0, "nprobes": 20}
        ladder: dict[str, tuple[float, ...]] = {"nprobes": (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)}
        if codes:
            defaults["refine_factor"], ladder["refine_factor"] = 1, (1, 2, 4, 8, 16, 32)
        if graph:
            defaults["ef"], ladder["ef"] = 64, (16, 32, 64, 128, 256, 512)
        if self._kind.endswith("PQ"):
            defaults["num_sub_vectors"] = 0
        super().__init__(spec, dim, metric, threads, seed, defaults)
        self.traits = Traits(frozenset(_METRICS), adds=True, removes=True, consolidates=True, ladder=ladder)
        self._lance: Any = lance
        self._home = Path(tempfile.mkdtemp(prefix="goldpan-lance-"))
        weakref.finalize(self, shutil.rmtree, self._home, ignore_errors=True)
        self._table: Any = None

    def _start(self, reader: VectorReader) -> None:
        """Rows are written first and indexed together."""

    def _put(self, labels: Ids, rows: NDArray[Any]) -> None:
        import pyarrow as pa

        vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), self.dim)
        table = pa.table({"label": pa.array(labels), "vector": vectors})
        mode = "create" if self._table is None else "append"
        self._table = self._lance.write_dataset(table, self._path, mode=mode)

    def _finish(self) -> None:
        how: dict[str, Any] = {"num_partitions": int(self.options["num_partitions"]) or max(1, math.isqrt(self.n))}
        if "num_sub_vectors" in self.options:
            how["num_sub_vectors"] = int(self.options["num_sub_vectors"]) or max(1, self.dim // 16)
        try:
            self._table = self._table.create_index("vector", self._kind, metric=_METRICS[self.metric], **how)
        except (OSError, RuntimeError, ValueError) as error:
            raise InputError(f"{self.spec}: Lance cannot build it: {first_line(error)}") from error

    def _drop(self, labels: Ids) -> None:
        self._table.delete(f"label IN ({', '.join(map(str, labels.tolist()))})")

    def consolidate(self) -> None:
        """Bring rows that were added into the index."""
        if self._table is not None and self.n:
            self._table.optimize.optimize_indices()
            self._table = self._lance.dataset(self._path)

    def _find(self, rows: NDArray[Any], k: int, settings: dict[str, float]) -> tuple[NDArray[Any], NDArray[Any]]:
        asked: dict[str, Any] = {name: int(value) for name, value in settings.items()}
        if "ef" in asked:
            asked["ef"] = max(asked["ef"], k * asked.get("refine_factor", 1))  # Lance refuses less
        labels, raw = np.full((len(rows), k), -1), np.full((len(rows), k), np.nan)
        for i, row in enumerate(rows):
            nearest = {"column": "vector", "q": row, "k": k, "metric": _METRICS[self.metric], **asked}
            found = self._table.to_table(columns=["label", "_distance"], nearest=nearest)
            labels[i, : len(found)] = found["label"].to_numpy()
            raw[i, : len(found)] = found["_distance"].to_numpy()
        return labels, raw

    def _write(self, folder: Path) -> None:
        shutil.copytree(self._path, folder / _TABLE)

    def _read(self, folder: Path) -> None:
        shutil.rmtree(self._path, ignore_errors=True)
        shutil.copytree(folder / _TABLE, self._path)  # what is added later must not change the folder
        self._table = self._lance.dataset(self._path)

    def _bytes(self) -> int:
        """Return the bytes on disk: Lance holds in memory what it was last asked for."""
        return sum(file.stat().st_size for file in Path(self._path).rglob("*") if file.is_file())

    @property
    def _path(self) -> str:
        return str(self._home / _TABLE)
