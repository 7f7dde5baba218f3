"""Choosing one benchmark where a file or folder holds several, and checking that its parts fit together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from goldpan.core.errors import FormatError, InputError, UnknownName
from goldpan.formats.benchmark_record import Benchmark
from goldpan.formats.protocol import VectorReader

Part = TypeVar("Part")


def choose(path: Path, name: str | None, parts: Mapping[str, Part]) -> Part:
    """Return the part of that name, or the only one.

    Raises:
        UnknownName: no such part.
        InputError: there are several and none is named.
    """
    if name is not None:
        if name not in parts:
            raise UnknownName("part of the benchmark", name, parts, f"({path})")
        return parts[name]
    if len(parts) > 1:
        raise InputError(f"{path} holds several benchmarks; name one: {', '.join(f'{path}:{part}' for part in parts)}.")
    return next(iter(parts.values()))


def checked(path: Path, benchmark: Benchmark[VectorReader]) -> Benchmark[VectorReader]:
    """Return a benchmark whose parts fit together.

    Raises:
        FormatError: answers to other queries or from another base, or rows of different width; `path` is named.
    """
    answered = len(benchmark.truth.ids)
    if answered != benchmark.queries.n:
        raise FormatError(path, f"{answered} answers; there are {benchmark.queries.n} queries.")
    if benchmark.base.dim != benchmark.queries.dim:
        raise FormatError(path, f"the base has {benchmark.base.dim} values a row, the queries {benchmark.queries.dim}.")
    if benchmark.truth.ids.size and benchmark.truth.ids.max() >= benchmark.base.n:
        raise FormatError(path, f"it names row {benchmark.truth.ids.max()}; the base has {benchmark.base.n}.")
    return benchmark
