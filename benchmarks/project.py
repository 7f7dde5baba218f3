"""PCA and sketches beside their peers: same data, same process, taking turns.

    python benchmarks/project.py [--rows 100000] [--queries 1000] [--rounds 5] [--data A]

PCA to 96 axes is fitted and applied to all rows; sketches of 1,024 bits are fitted and encoded. Peers: scikit-learn's
PCA (covariance_eigh and randomized), faiss.PCAMatrix, faiss.IndexLSH (rotated, with thresholds). "wall" and "CPU" are
medians of the paired ratios peer/goldpan (above 1: goldpan is faster), brackets their smallest and largest.
recall@30 is that of exact search among the projections, against exact search among the vectors.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

import numpy as np

from goldpan.core.progress import Silent
from goldpan.search.exact import exact_search
from goldpan.search.projections.applying import project_all, recall_bound
from goldpan.search.projections.loading import open_projection
from goldpan.search.readers import ArrayReader
from goldpan.search.synthetic import open_dataset

K = 30


def ours(spec: str, base: np.ndarray) -> Callable[[], np.ndarray]:
    def run() -> np.ndarray:
        projection = open_projection(spec, dim=base.shape[1], metric="ip")
        projection.fit(ArrayReader(base), Silent())
        return project_all(projection, ArrayReader(base), Silent())

    return run


def sklearn_pca(solver: str, base: np.ndarray) -> Callable[[], np.ndarray]:
    from sklearn.decomposition import PCA

    return lambda: PCA(96, svd_solver=solver, random_state=0).fit_transform(base)


def faiss_pca(base: np.ndarray) -> np.ndarray:
    import faiss

    matrix = faiss.PCAMatrix(base.shape[1], 96)
    matrix.train(base)
    return matrix.apply(base)


def faiss_lsh(base: np.ndarray) -> object:
    import faiss

    index = faiss.IndexLSH(base.shape[1], 1024, True, True)
    index.train(base)
    index.add(base)
    return index


def compare(title: str, mine: Callable, peers: dict[str, Callable], rounds: int) -> None:
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ("goldpan", *peers)}
    for number in range(rounds + 1):
        for name, work in {"goldpan": mine, **peers}.items():
            wall, cpu = time.perf_counter(), time.process_time()
            work()
            if number:  # the first is warm-up
                times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    print(f"{title}: goldpan {statistics.median(wall for wall, _ in times['goldpan']):.2f} s")
    for name in peers:
        for kind, column in (("wall", 0), ("CPU", 1)):
            pairs = zip(times["goldpan"], times[name], strict=True)
            ratios = [theirs[column] / mine_[column] for mine_, theirs in pairs]
            middle = statistics.median(ratios)
            print(f"  {name:28} {kind:4} {middle:5.2f}x [{min(ratios):.2f}-{max(ratios):.2f}]")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", default="A")
    parser.add_argument("--recall", nargs="*", default=["thermo:1024", "itq:1024", "signrp:1024", "pca:96"])
    arguments = parser.parse_args()
    data = open_dataset(arguments.data, n=arguments.rows, n_queries=arguments.queries)
    base, queries = data.base, data.queries
    print(f"{arguments.data} {base.shape}, load {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors")
    solvers = {f"sklearn PCA {solver}": sklearn_pca(solver, base) for solver in ("covariance_eigh", "randomized")}
    compare("pca:96", ours("pca:96", base), solvers | {"faiss.PCAMatrix": lambda: faiss_pca(base)}, arguments.rounds)
    compare("thermo:1024", ours("thermo:1024", base), {"faiss.IndexLSH": lambda: faiss_lsh(base)}, arguments.rounds)
    truth = exact_search(base, queries, K, "ip").neighbors.ids
    found = faiss_lsh(base).search(queries, K)[1]
    shared = [len(set(mine) & set(theirs)) / K for mine, theirs in zip(found, truth, strict=True)]
    print(f"recall@{K}: faiss.IndexLSH {np.mean(shared):.3f}")
    for spec in arguments.recall:
        projection = open_projection(spec, dim=base.shape[1], metric="ip")
        projection.fit(ArrayReader(base), Silent())
        sides = [project_all(projection, ArrayReader(rows), Silent()) for rows in (base, queries)]
        print(f"  {spec:14} {recall_bound(projection, *sides, truth, K, Silent()).mean():.3f}", flush=True)


if __name__ == "__main__":
    main()
