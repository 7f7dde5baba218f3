"""Exact search beside faiss.knn and scikit-learn's brute force: same data, same process, taking turns.

    python benchmarks/truth.py [--rows 100000] [--dim 512] [--queries 1000 10000] [--k 10 100] [--rounds 5]
                               [--data gaussian] [--hamming] [--no-sklearn]
    python benchmarks/truth.py --data A --queries 5000     (of goldpan.search.synthetic, with its own metric)
    python benchmarks/truth.py --files base.npy queries.npy       (any vectors goldpan reads)
    python benchmarks/truth.py --data A --rows 20000 --self-join --k 15
    python benchmarks/truth.py --data A --rows 100000 --out-of-core 5

"wall" and "CPU" are medians of the paired ratios peer/goldpan over the rounds (above 1: goldpan is faster); brackets
give the smallest and largest. CPU time is what other work on the machine disturbs least. Every answer is then held
against float64 brute force on a sample of the queries: how many of them have the same ids in the same order. goldpan's
time holds everything: encoding the base, searching, scoring in float64, the proof. With `--out-of-core N` the peer is
goldpan itself with the base in memory, beside goldpan reading it from a file that is N times its memory budget.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

CHECKED_QUERIES = 200


class Run(NamedTuple):  # noqa: D101
    wall: float
    cpu: float
    ids: np.ndarray


def gaussian(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    return rng.standard_normal((n, dim), dtype=np.float32)


def clustered(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    """Unit rows about 2,000 centers of a falling spectrum, as image embeddings are."""
    spectrum = np.arange(1, dim + 1, dtype=np.float32) ** -0.55
    centers = np.random.default_rng(5).standard_normal((2000, dim), dtype=np.float32) * spectrum
    rows = centers[rng.integers(0, 2000, n)] + 0.7 * rng.standard_normal((n, dim), dtype=np.float32) * spectrum
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def translated(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    return gaussian(rng, n, dim) + np.float32(100)


DATA = {"gaussian": gaussian, "clustered": clustered, "translated": translated}


def named(name: str, rows: int, queries: int) -> tuple[np.ndarray, np.ndarray, str]:
    from goldpan.search.synthetic import open_dataset

    made = open_dataset(name, n=rows, n_queries=queries)
    return np.asarray(made.base), np.asarray(made.queries), str(made.metric)


def out_of_core(base: np.ndarray, queries: np.ndarray, k: int, metric: str, times: float) -> dict[str, Callable]:
    from goldpan.formats.vectors import open_vectors
    from goldpan.search.exact import exact_search

    path = Path(tempfile.mkdtemp()) / "base.npy"
    np.save(path, base)
    budget = int(base.nbytes / times)
    return {
        "goldpan": lambda: exact_search(open_vectors(path), queries, k, metric, memory_bytes=budget).neighbors.ids,
        "goldpan, in memory": lambda: exact_search(base, queries, k, metric).neighbors.ids,
    }


def timed(work: Callable[[], np.ndarray]) -> Run:
    wall, cpu = time.perf_counter(), time.process_time()
    ids = work()
    return Run(time.perf_counter() - wall, time.process_time() - cpu, ids)


def methods(base: np.ndarray, queries: np.ndarray, k: int, metric: str, sklearn: bool) -> dict[str, Callable]:
    import faiss

    from goldpan.search.exact import exact_search

    kind = faiss.METRIC_INNER_PRODUCT if metric == "ip" else faiss.METRIC_L2
    found: dict[str, Callable] = {
        "goldpan": lambda: exact_search(base, queries, k, metric).neighbors.ids,
        "faiss.knn": lambda: faiss.knn(queries, base, k, metric=kind)[1],
    }
    if sklearn and metric == "l2":
        from sklearn.neighbors import NearestNeighbors

        nearest = NearestNeighbors(n_neighbors=k, algorithm="brute", n_jobs=-1).fit(base)
        found["scikit-learn"] = lambda: nearest.kneighbors(queries, return_distance=False)
    return found


def bit_methods(base: np.ndarray, queries: np.ndarray, k: int) -> dict[str, Callable]:
    import faiss

    from goldpan.search.exact import exact_search

    index = faiss.IndexBinaryFlat(base.shape[1] * 8)
    index.add(base)
    return {
        "goldpan": lambda: exact_search(base, queries, k, "hamming").neighbors.ids,
        "faiss.IndexBinaryFlat": lambda: index.search(queries, k)[1],
    }


def brute(base: np.ndarray, queries: np.ndarray, k: int, metric: str) -> np.ndarray:
    """Ids by float64 brute force, ties by lower id."""
    ids = []
    for query in queries:
        if metric == "hamming":
            keys = np.bitwise_count(base ^ query).sum(axis=1, dtype=np.int64)
        else:
            keys = np.concatenate([_keys(base[i : i + 8192], query, metric) for i in range(0, len(base), 8192)])
        ids.append(np.argsort(keys, kind="stable")[:k])
    return np.array(ids)


def _keys(base: np.ndarray, query: np.ndarray, metric: str) -> np.ndarray:
    wide = base.astype(np.float64)
    return -(wide @ query.astype(np.float64)) if metric == "ip" else ((wide - query) ** 2).sum(axis=1)


def compare(name: str, work: dict[str, Callable], expected: np.ndarray, rounds: int) -> None:
    runs: dict[str, list[Run]] = {peer: [] for peer in work}
    for turn in range(rounds + 1):
        for peer, function in work.items():
            run = timed(function)
            if turn:  # the first round warms up
                runs[peer].append(run)
    ours = runs["goldpan"]
    for peer, done in runs.items():
        same = int((done[-1].ids[: len(expected)] == expected).all(axis=1).sum())
        ratios = ""
        if peer != "goldpan":
            for label, of in (("wall", lambda run: run.wall), ("CPU", lambda run: run.cpu)):
                paired = [of(theirs) / of(mine) for theirs, mine in zip(done, ours, strict=True)]
                ratios += f"{label} {statistics.median(paired):5.2f} [{min(paired):.2f}, {max(paired):.2f}]  "
        wall = statistics.median(run.wall for run in done)
        print(f"{name:30} {peer:22} {wall:8.3f} s  {ratios:48} same order {same}/{len(expected)}", flush=True)


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")
    from goldpan.search.kernels import load_kernels

    return (
        f"{os.cpu_count()} x {model}, {platform.system()}, kernels {load_kernels().name}, load {os.getloadavg()[0]:.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--queries", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--k", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--metrics", nargs="+", default=["ip", "l2"])
    parser.add_argument("--data", choices=[*DATA, *"ABCDEFHJ"], default="gaussian")
    parser.add_argument("--files", nargs=2, metavar=("BASE", "QUERIES"))
    parser.add_argument("--self-join", action="store_true", help="the base is the queries too")
    parser.add_argument("--out-of-core", type=float, metavar="N", help="a base of N times the memory budget")
    parser.add_argument("--hamming", action="store_true", help="packed bits of that many dimensions instead")
    parser.add_argument("--no-sklearn", action="store_true")
    args = parser.parse_args()
    base, queries, metrics = data(args)
    kind = "bytes of bits" if args.hamming else args.files or args.data
    print(f"{machine()}; {base.shape[0]} x {base.shape[1]} {kind}, {args.rounds} rounds")
    if args.self_join:
        queries, args.queries = base, [len(base)]
    for metric in metrics:
        expected = brute(base, queries[: min(CHECKED_QUERIES, *args.queries)], max(args.k), metric)
        for n_queries in args.queries:
            few = queries[:n_queries]
            for k in args.k:
                if args.out_of_core:
                    work = out_of_core(base, few, k, metric, args.out_of_core)
                elif metric == "hamming":
                    work = bit_methods(base, few, k)
                else:
                    work = methods(base, few, k, metric, sklearn=not args.no_sklearn)
                compare(f"{metric} k={k} {n_queries} queries", work, expected[:, :k], args.rounds)


def data(args: argparse.Namespace) -> tuple[np.ndarray, np.ndarray, list[str]]:
    if args.files:
        from goldpan.formats.vectors import open_vectors

        base, queries = (np.asarray(reader.read(0, reader.n)) for reader in map(open_vectors, args.files))
        return base, queries, args.metrics
    if args.data not in DATA:
        base, queries, metric = named(args.data, args.rows, max(args.queries))
        return base, queries, [metric]
    rng = np.random.default_rng(0)
    draw = (lambda _, n, dim: rng.integers(0, 256, (n, dim // 8), np.uint8)) if args.hamming else DATA[args.data]
    base, queries = draw(rng, args.rows, args.dim), draw(rng, max(args.queries), args.dim)
    return base, queries, ["hamming"] if args.hamming else args.metrics


if __name__ == "__main__":
    main()
