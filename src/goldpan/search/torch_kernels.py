"""The kernels of exact search in PyTorch, on a GPU or any other device of its: the same answers, bit by bit.

As in `goldpan.search.twins`, codes are float32 and the bound covers whatever order a library sums in; what it does not
cover is products of fewer bits (TF32, bfloat16), so these are switched off while we multiply, and a device that uses
them all the same is found out before it is used. Survivors are scored in float64 on the device, by the same steps as
everywhere.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError, MissingExtra
from goldpan.core.records import Metric
from goldpan.search.bounds import MAX_MAGNITUDE, MIN_MAGNITUDE, BaseBlock, Coefficients, Packed, Packing, QueryBlock
from goldpan.search.compensated import LANES, keys_of_lanes
from goldpan.search.topk import TopK
from goldpan.search.twins import NumpyKernels, audit, down, thresholds

_FIRST_ROWS = 4096
_ON_CPU = 1 << 19  # numbers a step works on: what fits a cache
_ON_GPU = 1 << 24  # enough to keep it busy; about 1 GiB with all that is made of them


class TorchKernels(NumpyKernels):
    """See `goldpan.search.kernels.Kernels`; few queries and bits are left to NumPy.

    Args:
        device: of PyTorch, such as "cuda:0".
    """

    def __init__(self, device: str) -> None:
        import torch

        self.torch, self.device = torch, torch.device(device)
        self.name = f"torch:{device}"
        self._at_once = _ON_CPU if self.device.type == "cpu" else _ON_GPU
        self._held: tuple[weakref.ref[Any], list[Any]] | None = None

    def pack(self, rows: NDArray[Any], out: Packed, how: Packing) -> None:
        """Encode as float32 of at most 1 in magnitude, measured in float64."""
        step = max(1, self._at_once // rows.shape[1])
        with self._working():
            mean = self._there(how.mean)
            for start in range(0, len(rows), step):
                span = slice(start, min(len(rows), start + step))
                self._pack(self._there(rows[span]).double(), Packed(*(field[span] for field in out)), mean, how.unit)

    def search(
        self, block: BaseBlock, queries: QueryBlock, coefficients: Coefficients, metric: Metric, top: TopK
    ) -> None:
        """Filter tile by tile, score the survivors, raise the thresholds."""
        n, k = len(block.rows), top.keys.shape[1]
        largest = max(k, self._at_once // len(queries.rows))
        with self._working():
            base = self._base(block)
            asked = [
                self._there(field)
                for field in (queries.rows, queries.codes, queries.norm_weight, queries.residual_weight)
            ]
            first, step = 0, min(largest, max(k, _FIRST_ROWS))
            while first < n:  # small tiles first: the sooner a threshold is known, the fewer rows are scored
                span = slice(first, min(n, first + step))
                self._search(base, span, asked, coefficients, metric, top, block.first_id)
                first, step = span.stop, min(largest, 4 * step)

    def _search(
        self, base: list[Any], span: slice, asked: list[Any], rules: Coefficients, metric: Metric, top: TopK, first: int
    ) -> None:
        torch, k = self.torch, top.keys.shape[1]
        codes, scale, norm, residual, offset = (field[span] for field in base[1:])
        rows, query_codes, norm_weight, residual_weight = asked
        spread = torch.outer(norm_weight, norm) + torch.outer(residual_weight, residual)
        offset = torch.outer(self._there(rules.offset_weight), offset)
        upper = (query_codes @ codes.T) * scale + spread - offset
        lower = upper - 2 * spread - 2.0**-18 * offset
        threshold = thresholds(top, rules)
        keep = ~(upper <= self._there(threshold)[:, None])
        if upper.shape[1] >= k and not np.isfinite(threshold).all():
            kth = torch.topk(lower, k, dim=1, sorted=True).values[:, -1].cpu().numpy().astype(np.float64)
            keep &= ~(upper < self._there(down(kth - rules.slack))[:, None])
        owners, found = keep.nonzero(as_tuple=True)
        step = max(1, self._at_once // rows.shape[1])
        for start in range(0, len(found), step):
            owner, row = owners[start : start + step], found[start : start + step]
            keys = self._keys(rows[owner], base[0][row + span.start], metric)
            numbers = owner.cpu().numpy()
            low, high = (each[owner, row].cpu().numpy() for each in (lower, upper))
            audit(keys, low, high, rules.part(numbers))
            top.merge(numbers, keys, row.cpu().numpy() + span.start + first)

    def _keys(self, queries: Any, rows: Any, metric: Metric) -> NDArray[np.float64]:
        """Score pairs by the steps of `goldpan.search.compensated`."""
        torch = self.torch
        m, d = queries.shape
        lanes: list[Any] = []
        for side in (queries, rows):
            wide = torch.zeros((m, d + -d % LANES), dtype=torch.float64, device=self.device)
            wide[:, :d] = side
            lanes.append(wide.reshape(m, -1, LANES).permute(1, 0, 2).contiguous())
        keys: Any = keys_of_lanes(lanes[0], lanes[1], metric, torch.sqrt, torch.where)
        found: NDArray[np.float64] = keys.cpu().numpy()
        return found

    def _pack(self, wide: Any, out: Packed, mean: Any, unit: bool) -> None:
        """Encode a few rows; see `goldpan.search.twins`."""
        torch, dim = self.torch, wide.shape[1]
        if unit:
            largest, norms = wide.abs().amax(dim=1), (wide * wide).sum(dim=1).sqrt()
            norms[(largest >= MAX_MAGNITUDE) | ((largest < MIN_MAGNITUDE) & (largest > 0))] = torch.nan
            wide /= torch.where(norms == 0, 1.0, norms)[:, None]
        wide -= mean
        largest = wide.abs().amax(dim=1).cpu().numpy()
        with np.errstate(all="ignore"):
            exponents = np.frexp(largest)[1]
            scale = np.ldexp(1.0, exponents)
            wide *= self._there(np.ldexp(1.0, -exponents))[:, None]
        codes = wide.float()
        norm = (wide * wide).sum(dim=1).sqrt()
        wide -= codes
        residual = (wide * wide).sum(dim=1).sqrt() + norm * (dim + 2) * 2.0**-23
        out.codes[: len(wide), :dim] = codes.cpu().numpy()
        out.codes[:, dim:] = 0
        out.scale[:] = scale
        with np.errstate(all="ignore"):
            out.norm[:], out.residual[:] = norm.cpu().numpy() * scale, residual.cpu().numpy() * scale

    def _there(self, array: NDArray[Any]) -> Any:
        return self.torch.tensor(array, device=self.device)

    def _base(self, block: BaseBlock) -> list[Any]:
        """Return rows, codes, scale, norm, residual and offset on the device, where the last block stays."""
        if self._held is None or self._held[0]() is not block.codes:
            self._held = None  # so that there is never more than one
            fields = (block.rows, block.codes, block.scale, block.norm, block.residual, block.offset)
            n = len(block.rows)
            self._held = weakref.ref(block.codes), [self._there(field[:n]) for field in fields]
        return self._held[1]

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Multiply float32 as float32; say what to do where the device's memory does not hold a block."""
        try:
            with self.torch.inference_mode(), _whole_products(self.torch):
                yield
        except self.torch.OutOfMemoryError as error:
            raise InputError(f"The memory of {self.device} does not hold a block; lower --memory-mb.") from error


@cache
def torch_kernels(name: str = "torch") -> TorchKernels:
    """Return the kernels of a device: "torch:DEVICE", or plain "torch" for a GPU where there is one.

    Raises:
        InputError: no such device here, or one that does not multiply float32 as float32.
        MissingExtra: PyTorch is not installed.
    """
    try:
        import torch
    except ImportError:
        raise MissingExtra("torch", "torch") from None
    device = name.partition(":")[2] or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        kernels = TorchKernels(device)
        with _whole_products(torch):
            products = torch.full((256, 64), 1 + 2.0**-12, device=device) @ torch.full((64, 4096), 1.0, device=device)
        errors = (products.double() - 64 * (1 + 2.0**-12)).abs().max().item()
    except (RuntimeError, AssertionError, TypeError) as error:  # float64 is missing on some
        first = str(error).strip().partition("\n")[0]
        raise InputError(f"Kernels {name!r} cannot run here: {first}") from error
    if not errors <= 64 * 66 * 2.0**-24:
        raise InputError(f"{device} multiplies float32 with fewer bits, whatever it is told; use kernels 'numpy'.")
    return kernels


@contextmanager
def _whole_products(torch: Any) -> Iterator[None]:
    """Switch off products of fewer bits than float32 has, in all of this process, and back to what was set."""
    switches = [torch.backends.cuda.matmul, torch.backends.mkldnn.matmul]
    name, whole = ("fp32_precision", "ieee") if hasattr(switches[1], "fp32_precision") else ("allow_tf32", False)
    before = [(switch, getattr(switch, name)) for switch in switches if hasattr(switch, name)]
    try:
        for switch, _ in before:
            setattr(switch, name, whole)
        yield
    finally:
        for switch, old in before:
            setattr(switch, name, old)
