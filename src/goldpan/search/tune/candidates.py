"""What is tried: a table. A line here is a candidate more."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from goldpan.core.records import Metric
from goldpan.search.tune.goal import Goal
from goldpan.search.tune.memory import expected_bytes

_FEWEST_DIMS = 48  # below, there is little to leave out
_TIGHT = 1.2
_STEP, _DIMS_A_CODE = 8, 3
_FEWEST_SHARE = 8  # with fewer of the dimensions no answer is near


@dataclass(frozen=True, slots=True)
class Candidate:
    """One line.

    Attributes:
        template: spec with ``{lists}`` (inverted lists that suit the number of rows), ``{quarter}``, ``{third}`` (of
            the dimension), ``{dims}`` and ``{codes}`` (as many dimensions as fit into the memory, and a third of them).
        growth: how the cost of a query grows with the rows at equal recall: rows ** growth.
        when: "always", "floats" (any metric of floats), "bits" (hamming), or "tight" (floats where not even half
            precision of the rows fits into the memory).
    """

    template: str
    growth: float
    when: str = "floats"


# In the order in which they are tried, cheap ones to build first.
CANDIDATES = (
    Candidate("flat", 1.0, "always"),
    Candidate("panner", 0.35),
    Candidate("reduced:IVF{lists},SQ8@dims={quarter}", 0.6),
    Candidate("reduced:HNSW16_SQ8@dims={third},efConstruction=100", 0.4),
    Candidate("reduced:HNSW32_SQ8@dims={third},efConstruction=100", 0.4),
    Candidate("faiss:HNSW32_SQ8@efConstruction=200", 0.4),
    Candidate("usearch@dtype=bf16,connectivity=16,expansion_add=200", 0.4),
    Candidate("hnswlib@M=16,ef_construction=200", 0.4),
    Candidate("reduced:HNSW32_SQ8@dims={third},efConstruction=100,keep=i8", 0.4, "tight"),
    Candidate("reduced:HNSW16_SQ8@dims={dims},efConstruction=100,keep=none", 0.4, "tight"),
    Candidate("reduced:IVF{lists},SQ8@dims={dims},keep=none", 0.6, "tight"),
    Candidate("reduced:IVF{lists},SQ6@dims={dims},keep=none", 0.6, "tight"),
    Candidate("reduced:IVF{lists},SQ4@dims={dims},keep=none,weigh=1", 0.6, "tight"),
    Candidate("reduced:IVF{lists},PQ{codes}x8np@dims={dims},keep=none,weigh=1", 0.6, "tight"),
    Candidate("faiss:BIVF{lists}", 0.6, "bits"),
    Candidate("faiss:BHNSW32@efConstruction=100", 0.4, "bits"),
)


@dataclass(frozen=True, slots=True)
class Planned:
    """A candidate whose template is filled in.

    Attributes:
        spec: for all rows.
        probe: for a sample of them: fewer inverted lists.
        growth: see `Candidate`.
        bytes: what it is expected to take.
    """

    spec: str
    probe: str
    growth: float
    bytes: int


def plan(n: int, sample: int, dim: int, metric: Metric, goal: Goal) -> Iterator[Planned]:
    """Fill in the table for numbers of rows, a dimension and a budget; no spec comes twice."""
    bits = metric is Metric.HAMMING
    tight = goal.max_memory is not None and goal.max_memory < _TIGHT * 2 * dim * n
    wanted = {"always", "bits" if bits else "floats", *(["tight"] if tight and not bits else [])}
    seen = set()
    for line in CANDIDATES:
        if line.when not in wanted or (line.template.startswith("reduced") and dim < _FEWEST_DIMS):
            continue
        spec = _filled(line.template, n, dim, goal)
        if spec is None or spec in seen or ("weigh=1" in spec and not metric.is_similarity):
            continue
        seen.add(spec)
        probe = spec.replace(f"IVF{_lists(n)},", f"IVF{_lists(sample)},")
        yield Planned(spec, probe, line.growth, expected_bytes(spec, n, dim))


def _filled(template: str, n: int, dim: int, goal: Goal) -> str | None:
    """Return the spec; None where no number of dimensions fits."""
    fixed = {"lists": _lists(n), "quarter": _whole(dim / 4), "third": _whole(dim / 3)}
    if "{dims}" not in template or goal.max_memory is None:
        return template.format(**fixed)
    step = _DIMS_A_CODE if "{codes}" in template else _STEP
    for dims in range(dim // step * step, dim // _FEWEST_SHARE - 1, -step):
        spec = template.format(**fixed, dims=dims, codes=dims // _DIMS_A_CODE)
        if expected_bytes(spec, n, dim) <= goal.max_memory:
            return spec
    return None


def _lists(n: int) -> int:
    return max(4, min(n // 40, 1 << round(math.log2(2 * math.sqrt(n)))))


def _whole(dims: float) -> int:
    return max(8, round(dims / 8) * 8)
