"""faiss: any index of its factory, and its binary indexes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError
from goldpan.core.records import Floats, Ids, Metric
from goldpan.search.engines.adapter import Adapter, first_line
from goldpan.search.engines.protocol import Traits
from goldpan.search.engines.spec import EngineSpec
from goldpan.search.readers import VectorReader

FILE = "index.faiss"
_FLOATS = frozenset(Metric) - {Metric.HAMMING}
_BINARY = re.compile("B(Flat|IVF|HNSW|Hash|MHash)")
_EF = (16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024)
_NPROBE = tuple(2**i for i in range(15))
_REFINE = (1, 2, 4, 8, 16, 32, 64)
_LEAST_TRAINED, _TRAINED_A_LIST = 65_536, 64


class Faiss(Adapter):
    """``faiss:FACTORY@train=0,efConstruction=0,nprobe=1,efSearch=16,k_factor_rf=1``.

    FACTORY is a string of faiss's ``index_factory``, such as ``IVF256,Flat`` or ``HNSW32_SQ8``, and for hamming one of
    ``index_binary_factory``, such as ``BIVF64``. `train` is how many rows, drawn at random, it learns from: 0 for 64
    a list, at least 65,536. Graphs and refined indexes cannot remove. See `goldpan.search.engines.protocol.Index`.
    """

    def __init__(self, spec: EngineSpec, dim: int, metric: Metric, threads: int | None, seed: int) -> None:
        self._factory = spec.name or "Flat"
        self._binary = metric is Metric.HAMMING
        if self._binary != bool(_BINARY.match(self._factory)):
            raise InputError(
                f"{spec}: hamming, and only hamming, takes a binary index, such as faiss:BFlat or faiss:BHNSW16."
            )
        self._index, self._lists = self._made(spec, dim, metric)
        ladder = self._ladder()
        defaults = {"train": 0, "efConstruction": 0} | {name: int(value) for name, (value, _) in ladder.items()}
        super().__init__(spec, dim, metric, threads, seed, defaults)
        self.traits = Traits(
            frozenset({Metric.HAMMING}) if self._binary else _FLOATS,
            adds=not self._kind("NSG"),
            removes=self._removes(),
            ladder={name: values for name, (_, values) in ladder.items()},
        )
        self._set: dict[str, float] = {}
        if self._lists is not None:
            self._lists.cp.seed = seed
        if self.options["efConstruction"]:
            self._apply("efConstruction", float(self.options["efConstruction"]))

    def _made(self, spec: EngineSpec, dim: int, metric: Metric) -> tuple[Any, Any]:
        """Return the empty index, and the inverted lists in it if there are any."""
        faiss = _faiss()
        try:
            if self._binary:
                index = faiss.index_binary_factory(8 * dim, self._factory)
            else:
                kind = faiss.METRIC_INNER_PRODUCT if metric.is_similarity else faiss.METRIC_L2
                index = faiss.index_factory(dim, self._factory, kind)
        except RuntimeError as error:
            raise InputError(f"{spec}: faiss cannot make it for {dim} dimensions: {first_line(error)}") from error
        return index, self._lists_of(index)

    def _lists_of(self, index: Any) -> Any:
        """Return the inverted lists in an index; None where there are none."""
        faiss = _faiss()
        if self._binary:
            return index if isinstance(index, faiss.IndexBinaryIVF) else None
        lists = faiss.try_extract_index_ivf(index)
        return None if lists is None else faiss.downcast_index(lists)

    def _kind(self, *parts: str) -> bool:
        return any(part in type(self._index).__name__ for part in parts)

    def _ladder(self) -> dict[str, tuple[float, tuple[float, ...]]]:
        """Return the search parameters this index has, each with its default and values worth trying."""
        found: dict[str, tuple[float, tuple[float, ...]]] = {}
        if self._kind("Refine"):
            found["k_factor_rf"] = 1, _REFINE
        if self._lists is not None:
            most = max(1, min(self._lists.nlist, _NPROBE[-1]))
            found["nprobe"] = 1, (*(v for v in _NPROBE if v < most), most)
        elif "HNSW" in self._factory:
            found["efSearch"] = 16, _EF
        elif self._kind("NSG"):
            found["search_L"] = 16, _EF
        return found

    def _removes(self) -> bool:
        faiss = _faiss()
        if self._binary:
            return isinstance(self._index, (faiss.IndexBinaryFlat, faiss.IndexBinaryIVF))
        if self._lists is not None:
            owns_ids = isinstance(self._index, (faiss.IndexIVF, faiss.IndexPreTransform))
            return owns_ids and not isinstance(self._lists, (faiss.IndexIVFFlatDedup, faiss.IndexIVFPQR))
        return isinstance(self._index, faiss.IndexFlatCodes)

    def _start(self, reader: VectorReader) -> None:
        if self._index.is_trained:
            return
        lists = 0 if self._lists is None else self._lists.nlist
        count = int(self.options["train"]) or max(_LEAST_TRAINED, _TRAINED_A_LIST * lists)
        sample = self._sampled(reader, count)
        self._call("train", sample)

    def _blocks(self, reader: VectorReader) -> Iterator[tuple[int, NDArray[Any]]]:
        whole = self._kind("NSG")  # made in one go or not at all
        return iter([(0, reader.read(0, reader.n))]) if whole else super()._blocks(reader)

    def _put(self, labels: Ids, rows: NDArray[Any]) -> None:
        if self._by_ids:
            self._call("add_with_ids", rows, labels)
        else:
            self._call("add", rows)

    @property
    def _by_ids(self) -> bool:
        """True where the index keeps labels; elsewhere the label is the place in the index."""
        return self._lists is not None and not self._kind("Refine")

    def _drop(self, labels: Ids) -> None:
        faiss = _faiss()
        if self._by_ids and not self._binary and not self._scanned_in_blocks():
            self._lists.set_direct_map_type(faiss.DirectMap.Hashtable)  # else every removal goes through all lists
            self._index.remove_ids(faiss.IDSelectorArray(labels))
        else:
            self._index.remove_ids(faiss.IDSelectorBatch(labels))
        if not self._by_ids:  # later rows moved up
            self._labels.close_gaps()

    def _scanned_in_blocks(self) -> bool:
        return "FastScan" in type(self._lists).__name__

    def _find(self, rows: NDArray[Any], k: int, settings: dict[str, float]) -> tuple[NDArray[Any], NDArray[Any]]:
        for name, value in settings.items():
            if self._set.get(name) != value:
                self._apply(name, value)
                self._set[name] = value
        raw, labels = self._call("search", rows, k)
        return labels, raw

    def _apply(self, name: str, value: float) -> None:
        faiss = _faiss()
        if name == "search_L":
            self._index.nsg.search_L = min(int(value), self._index.ntotal)  # it would look for more for ever
        elif not self._binary:
            faiss.ParameterSpace().set_index_parameter(self._index, name, value)
        elif name == "nprobe":
            self._index.nprobe = int(value)
        else:
            setattr(self._index.hnsw, name, int(value))

    def _call(self, method: str, *args: Any) -> Any:
        """Call the index with our number of threads, which faiss keeps for the process."""
        faiss = _faiss()
        faiss.omp_set_num_threads(self.threads)
        try:
            return getattr(self._index, method)(*args)
        except RuntimeError as error:
            raise InputError(f"{self.spec}: faiss cannot {method}: {first_line(error)}") from error

    def _scores(self, raw: NDArray[Any]) -> Floats:
        values = raw.astype(np.float64)
        return np.sqrt(np.maximum(values, 0.0)) if self.metric is Metric.L2 else values

    def _write(self, folder: Path) -> None:
        faiss = _faiss()
        (faiss.write_index_binary if self._binary else faiss.write_index)(self._index, str(folder / FILE))

    def _read(self, folder: Path) -> None:
        faiss = _faiss()
        self._index = (faiss.read_index_binary if self._binary else faiss.read_index)(str(folder / FILE))
        self._lists = self._lists_of(self._index)
        self._set = {}

    def _bytes(self) -> int:
        """Return the size of the index as it is written: faiss does not count what it holds."""
        faiss = _faiss()
        total = 0

        def count(data: bytes) -> int:
            nonlocal total
            total += len(data)
            return len(data)

        writer = faiss.PyCallbackIOWriter(count, 1 << 24)
        (faiss.write_index_binary if self._binary else faiss.write_index)(self._index, writer)
        return total


def _faiss() -> Any:
    """Import faiss when it is needed, without its stubs, which lack some of its names."""
    import faiss

    return faiss
