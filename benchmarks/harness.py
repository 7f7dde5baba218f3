"""What `goldpan bench run` takes of the processors beside the search of the engine it measures.

Usage: python benchmarks/harness.py [--passes N]

Batches of 10,000 queries of 128 values, k = 10, on a base so small that handing over queries and answers is nearly all.
Processor time of both processes, less what the engine's process spent in the search: ms a batch, and the share
of that in a batch that an engine needs a second of one processor for.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from goldpan.core.records import Metric, Neighbors
from goldpan.formats.vectors import open_vectors
from goldpan.stages.experiment.config import Experiment
from goldpan.stages.experiment.data import Data
from goldpan.stages.experiment.peer import Peer

QUERIES, DIM, K = 10_000, 128, 10


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--passes", type=int, default=9)
    passes = parser.parse_args().passes
    rng = np.random.default_rng(0)
    queries, ids = rng.standard_normal((QUERIES, DIM), np.float32), np.tile(np.arange(K), (QUERIES, 1))
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/base.npy", rng.standard_normal((200, DIM), np.float32))
        base = open_vectors(Path(folder, "base.npy"))
        data = Data("d", base, queries, Metric.L2, Neighbors(ids, ids + 0.0), "", "", 0)
        experiment = Experiment(dataset=[{"source": "A"}], engine=[{"spec": "faiss:Flat"}])
        peer = Peer(experiment.engine[0], data, experiment)
        try:
            peer.build()
            peer.search(queries, K, {})
            before = time.process_time() + cpu_seconds(peer.pid)
            inside = sum(peer.search(queries, K, {}).cpu_s for _ in range(passes))
            around = (time.process_time() + cpu_seconds(peer.pid) - before - inside) / passes
        finally:
            peer.close()
    print(f"{1000 * around:.1f} ms a batch, {around:.1%} of a batch of a second")


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process had so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
