"""Two references: float64 brute force in NumPy, and exact rational arithmetic rounded once."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

import numpy as np


def keys64(base, queries, metric):
    """Keys, higher is nearer, ``(n_queries, n)``; one sum a row, so that equal rows get equal keys."""
    x = np.asarray(base, np.float64)
    rows = []
    for q in np.asarray(queries, np.float64):
        if metric == "ip":
            rows.append((x * q).sum(axis=1))
        elif metric == "cosine":
            norms = np.linalg.norm(x, axis=1) * np.linalg.norm(q)
            rows.append(np.divide((x * q).sum(axis=1), norms, out=np.zeros(len(x)), where=norms > 0))
        else:
            rows.append(-((x - q) ** 2).sum(axis=1))
    return np.array(rows)


def best(keys, k):
    """Ids of the k highest keys a row, ties by lower id."""
    return np.argsort(-keys, axis=1, kind="stable")[:, :k]


def rational_keys(base, queries, metric):
    """The keys as exact rational numbers, rounded once to float64."""
    x = [[Fraction(float(v)) for v in row] for row in base]
    found = []
    for query in queries:
        q = [Fraction(float(v)) for v in query]
        found.append([_key(q, row, metric) for row in x])
    return np.array(found)


def _key(q, x, metric):
    if metric == "ip":
        return float(sum(a * b for a, b in zip(q, x, strict=True)))
    if metric == "cosine":
        dot = sum(a * b for a, b in zip(q, x, strict=True))
        square = sum(a * a for a in q) * sum(b * b for b in x)
        return 0.0 if square == 0 else _ratio_to_root(dot, square)
    return -float(sum((a - b) ** 2 for a, b in zip(q, x, strict=True)))


def _ratio_to_root(dot, square):
    """dot / sqrt(square), to 60 decimals and then rounded once."""
    ratio = dot * dot / square
    scaled = isqrt(int(ratio * 10**120))
    return float(Fraction(scaled, 10**60)) * (1 if dot >= 0 else -1)
