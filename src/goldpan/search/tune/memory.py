"""How many bytes an index will take, from its spec alone, so that what cannot fit is never built."""

from __future__ import annotations

import re

from goldpan.search.engines.spec import EngineSpec, parse_spec

_CODES = {"Flat": 32, "SQ8": 8, "SQ6": 6, "SQ4": 4, "SQfp16": 16, "SQbf16": 16}  # bits a value
_KEPT = {"f32": 4.0, "f16": 2.0, "i8": 1.0, "none": 0.0}
_NUMBER = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "i8": 1.0, "b1": 1.0}
_ID = 8
_PER_ROW = {"flat": (4, _ID), "panner": (5.2, 60)}  # bytes a value, and beside them


def expected_bytes(spec: str, n: int, dim: int) -> int:
    """Return about how many bytes an index over n rows will take; 0 for kinds it knows nothing of.

    Args:
        spec: of the index.
        n: rows.
        dim: values a row (bytes a row where the factory is one for bits).
    """
    parsed = parse_spec(spec)
    options = parsed.options
    if parsed.kind in _PER_ROW:
        values, others = _PER_ROW[parsed.kind]
        return int(n * (values * dim + others))
    if parsed.kind == "hnswlib":
        return int(n * (4 * dim + 4 * 2.2 * int(options.get("M", 16)) + 16 + _ID))
    if parsed.kind == "usearch":
        links = 4 * 2.5 * int(options.get("connectivity", 16))
        return int(n * (_NUMBER.get(str(options.get("dtype", "bf16")), 4.0) * dim + links + 24 + _ID))
    if parsed.kind == "faiss":
        return int(_factory_bytes(parsed.name or "Flat", n, dim) + n * _ID)
    if parsed.kind == "reduced":
        return _reduced_bytes(parsed, n, dim)
    return 0


def _reduced_bytes(spec: EngineSpec, n: int, dim: int) -> int:
    dims = int(spec.options.get("dims", 128))
    kept = _KEPT.get(str(spec.options.get("keep", "f16")), 2.0) * dim
    return int(_factory_bytes(spec.name, n, dims) + 4 * dim * dims + n * (kept + _ID))


def _factory_bytes(factory: str, n: int, dim: int) -> float:
    """Return the bytes of a factory string of faiss: the sum over its parts."""
    if factory.startswith("B"):
        return n * (dim + _ID) + (n * 4 * 70 if "HNSW" in factory else 4 * dim * 1000)
    total, coded = 0.0, False
    for part in re.split(r"[,_]", factory):
        lists, links = re.fullmatch(r"IVF(\d+)", part), re.fullmatch(r"HNSW(\d*)", part)
        products = re.fullmatch(r"PQ(\d+)(?:x(\d+))?(?:fs|np)?", part)
        if lists:
            total += int(lists[1]) * (4 * dim + 40) + n * _ID
        elif links:
            total += n * (4 * 2.1 * int(links[1] or 32) + 16)
        elif products:
            bits = int(products[2] or 8)
            total += n * int(products[1]) * bits / 8 + 4 * dim * 2**bits
            coded = True
        elif part in _CODES:
            total += n * dim * _CODES[part] / 8 + 8 * dim
            coded = True
        elif part.startswith("Refine"):
            total += n * dim * _CODES.get(part[7:-1], 32) / 8
    return total if coded else total + 4.0 * dim * n
