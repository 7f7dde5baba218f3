"""Who does the inner loops: the C++ module where it is built, NumPy where it is not."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError, UnknownName
from goldpan.core.records import Metric
from goldpan.search.bounds import BaseBlock, Coefficients, Packed, Packing, QueryBlock, SecondLook
from goldpan.search.topk import TopK

VARIABLE = "GOLDPAN_KERNELS"
NarrowSearch = Callable[[BaseBlock, QueryBlock, Coefficients, Metric, TopK, SecondLook], NDArray[np.int32]]


class Kernels(Protocol):
    """The loops of exact search.

    Attributes:
        name: "numpy", "native:" and the instruction set, or "torch:" and the device.
        threads: whether several threads calling at once are faster than one.
        code_dtype: type of a code.
        narrow: `search` with narrow codes of float32 rows, None where there is none or it is slower. Returns how many
            rows each query had to look at a second time, int32; -1 where its answer was left as it was, as its proof
            failed.
        few_queries: up to so many, scoring every row in float64 is faster than encoding the base.
    """

    name: str
    threads: bool
    code_dtype: type[Any]
    narrow: NarrowSearch | None
    few_queries: int

    def pack(self, rows: NDArray[Any], out: Packed, how: Packing) -> None:
        """Center and encode rows into `out`; a row that is not finite gets such a norm.

        Args:
            rows: ``(n, d)`` float32 or float64, contiguous.
            out: arrays for those rows; `codes` has rows up to a whole panel where `how.panels`, and is int8 for
                narrow codes.
            how: what to do to the rows; narrow codes need float32.
        """
        ...

    def search(
        self, block: BaseBlock, queries: QueryBlock, coefficients: Coefficients, metric: Metric, top: TopK
    ) -> None:
        """Bring the rows of `block`, whose ids are all above those seen so far, into `top`."""
        ...

    def scan(self, rows: NDArray[Any], first_id: int, queries: NDArray[Any], metric: Metric, top: TopK) -> int | None:
        """Bring rows, whose ids are all above those seen so far, into `top` by scoring each of them.

        Returns:
            The first row found whose score is not finite; the answer is then worth nothing.
        """
        ...

    def hamming(self, rows: NDArray[Any], first_id: int, queries: NDArray[Any], top: TopK) -> None:
        """Bring packed bit rows ``(n, words)`` uint64 into `top`, keys being minus the differing bits."""
        ...


def load_kernels(name: str | None = None) -> Kernels:
    """Return the kernels of that name; the fastest of this machine where None.

    Args:
        name: "auto", "numpy", "native", "native:LEVEL", "torch" or "torch:DEVICE"; the environment variable
            GOLDPAN_KERNELS where None.

    Raises:
        InputError: no such kernels here.
        MissingExtra: PyTorch is not installed.
    """
    from goldpan.search import twins

    name = name or os.environ.get(VARIABLE) or "auto"
    if name == "numpy":
        return twins.NumpyKernels()
    if name.partition(":")[0] == "torch":
        from goldpan.search.torch_kernels import torch_kernels

        return torch_kernels(name)
    try:
        from goldpan.search.native import native_kernels
    except ImportError:
        if name == "auto":
            return twins.NumpyKernels()
        raise InputError(f"Kernels {name!r} need the compiled module, which is missing; use 'numpy'.") from None
    if name == "auto" or name.partition(":")[0] == "native":
        return native_kernels("native" if name == "auto" else name)
    raise UnknownName("kernels", name, ["auto", "numpy", "native", "torch"])
