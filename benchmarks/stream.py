"""Engines that change, beside each other: rounds of removals and additions, searches after each.

    python benchmarks/stream.py [--rounds 10] [--rows 40000] [--engines panner@nprobe=64 hnswlib@ef=32 ...]

Data set A of goldpan.search.synthetic. 70 % of the rows are live at first; each round removes 2 % of those at random,
adds as many others, consolidates and searches (the IID protocol of Aguerrebere et al., arXiv 2402.02044). Rounds of the
engines take turns. Ratios are medians over the rounds of first engine over other; recall is held against the exact
truth of the round, and the smallest and the last are given beside the first.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from goldpan.metrics.recall import strict_recall
from goldpan.search.engines.loading import open_index
from goldpan.search.engines.protocol import Index
from goldpan.search.exact import exact_search
from goldpan.search.synthetic import open_dataset

K = 10
ENGINES = ["panner@nprobe=64", "hnswlib@ef=32", "hnswlib@ef=32,replace_deleted=1", "usearch@dtype=bf16"]


def timed(work: Callable, *arguments: Any) -> float:
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def update(index: Index, gone: np.ndarray, rows: np.ndarray, ids: np.ndarray) -> None:
    index.remove(gone)
    index.add(rows, ids)
    index.consolidate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engines", nargs="+", default=ENGINES)
    args = parser.parse_args()
    data = open_dataset("A", n=args.rows, n_queries=args.queries)
    base, queries = np.asarray(data.base), np.asarray(data.queries)
    rng = np.random.default_rng(0)
    order = rng.permutation(args.rows)
    live, rest = order[: args.rows * 7 // 10], order[args.rows * 7 // 10 :]
    indexes = {spec: open_index(spec, dim=base.shape[1], metric="ip", threads=args.threads) for spec in args.engines}
    for spec, index in indexes.items():
        print(f"{spec:36} built in {timed(index.build, base[live], live):6.1f} s", flush=True)
    recalls, updates, speeds = defaultdict(list), defaultdict(list), defaultdict(list)
    step = args.rows * 14 // 1000
    for _ in range(args.rounds):
        live, rest = rng.permutation(live), rng.permutation(rest)
        gone, new = live[:step], rest[:step]
        live, rest = np.concatenate([live[step:], new]), np.concatenate([rest[step:], gone])
        held = np.sort(live)
        truth = held[exact_search(base[held], queries, K, "ip").ids]
        for spec, index in indexes.items():
            updates[spec].append(timed(update, index, gone, base[new], new))
            answers: list[np.ndarray] = []
            speeds[spec].append(timed(lambda one, into: into.append(one.search(queries, K).ids), index, answers))
            recalls[spec].append(strict_recall(answers[0], truth, K).mean())
    first = args.engines[0]
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; {args.rounds} rounds of {2 * step} updates")
    for spec in args.engines:
        rate, qps = (2 * step) / np.median(updates[spec]), len(queries) / np.median(speeds[spec])
        faster = [np.median(np.divide(times[spec], times[first])) for times in (updates, speeds)]
        found = recalls[spec]
        print(
            f"{spec:36} {rate:9,.0f} updates/s {qps:8,.0f} queries/s  {first} is {faster[0]:6.1f} and {faster[1]:5.2f} "
            f"times as fast; recall {found[0]:.4f} -> {found[-1]:.4f} (least {min(found):.4f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
