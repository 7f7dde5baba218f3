"""How fast an index answers, and how well, with some of its own rows as queries."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from goldpan.formats.protocol import VectorReader
from goldpan.metrics.recall import tie_aware_recall
from goldpan.search.engines.protocol import Index
from goldpan.search.exact import exact_search

_K = 10
_MEMORY_BYTES = 256 << 20  # beside an index that may fill the memory


def measure(index: Index, reader: VectorReader, count: int, seed: int, threads: int | None) -> dict[str, Any]:
    """Search for rows of the base one by one; compare with exact search.

    Rows of the base are easier than queries from elsewhere: each finds itself. For a benchmark there is
    ``goldpan bench run``.

    Returns:
        `queries`, `k`, `mean_ms` and `p99_ms` of single queries, `recall` with ties.
    """
    rows = np.sort(np.random.default_rng(seed).choice(reader.n, min(count, reader.n), replace=False))
    queries, k = reader.take(rows), min(_K, reader.n)
    index.search(queries[:1], k)  # what is loaded on first use is not the speed of a search
    found, seconds = [], []
    for i in range(len(queries)):
        started = time.perf_counter()
        found.append(index.search(queries[i : i + 1], k).ids[0])
        seconds.append(time.perf_counter() - started)
    exact = exact_search(reader, queries, k, index.metric, workers=threads, memory_bytes=_MEMORY_BYTES)
    truth = exact.neighbors
    recall = tie_aware_recall(np.array(found), truth.ids, truth.scores, k)
    return {
        "queries": len(queries),
        "k": k,
        "mean_ms": round(1000 * float(np.mean(seconds)), 4),
        "p99_ms": round(1000 * float(np.quantile(seconds, 0.99)), 4),
        "recall": round(float(recall.mean()), 4),
    }
