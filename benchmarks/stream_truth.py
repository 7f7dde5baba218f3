"""Time exact truth kept up to date over a stream (`BucketedTruth`) against computing it anew at every step.

    python benchmarks/stream_truth.py --rows 20000 --dim 64 --queries 500 -k 10

Every step deletes 1 % of the base from what is live, 70 % at first, and makes as many other rows live: at random (the
IID protocol of Aguerrebere et al., arXiv 2402.02044), with `--order window` by sliding over the rows, with `--order
drift` by sliding over 50 clusters, one after another, so that every step takes whole neighborhoods away. Both ways
answer every step, in turn, and must agree in every id and score. The first lists are timed too, as "setup".
"""

from __future__ import annotations

import argparse
import json
import os
import time

import numpy as np

from goldpan.search.exact import exact_search
from goldpan.search.merge import BucketedTruth


def main() -> None:
    """Run and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rows", 20_000), ("dim", 64), ("queries", 500), ("steps", 30), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--bucket-rows", type=int)
    parser.add_argument("--reserve", type=int)
    parser.add_argument("--metric", default="l2")
    parser.add_argument("--order", choices=("iid", "window", "drift"), default="iid")
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    base = rng.standard_normal((args.rows, args.dim), dtype=np.float32)
    queries = rng.standard_normal((args.queries, args.dim), dtype=np.float32)
    if args.order == "drift":
        centers = 2 * rng.standard_normal((50, args.dim), dtype=np.float32)
        base += centers[np.sort(rng.integers(0, 50, args.rows))]
        queries += centers[rng.integers(0, 50, args.queries)]
    clock = time.perf_counter
    started = clock()
    truth = BucketedTruth(base, queries, args.k, args.metric, args.bucket_rows, args.reserve)
    setup = clock() - started
    order = rng.permutation(args.rows) if args.order == "iid" else np.arange(args.rows)
    truth.insert(order[: args.rows * 7 // 10])
    step = max(1, args.rows // 100)
    ours, anew = [], []
    for number in range(args.steps):
        live = np.flatnonzero(truth.live)
        gone = rng.choice(live, step, replace=False) if args.order == "iid" else live[:step]
        dead = np.flatnonzero(~truth.live)
        come = rng.choice(dead, step, replace=False) if args.order == "iid" else dead[dead > live[-1]][:step]
        started = clock()
        truth.insert(come)
        truth.delete(gone)
        found = truth.current()
        ours.append(clock() - started)
        started = clock()
        rows = np.flatnonzero(truth.live)
        expected = exact_search(base[rows], queries, args.k, args.metric).neighbors
        anew.append(clock() - started)
        np.testing.assert_array_equal(found.ids, rows[expected.ids], err_msg=f"step {number}")
        np.testing.assert_array_equal(found.scores, expected.scores, err_msg=f"step {number}")
    record = vars(args) | {
        "setup_ms": round(1e3 * setup, 2),
        "step_ms": round(1e3 * float(np.median(ours)), 2),
        "anew_ms": round(1e3 * float(np.median(anew)), 2),
        "ratio": round(float(np.median(np.array(anew) / np.array(ours))), 1),
        "ratio_of_sums": round(sum(anew) / sum(ours), 1),
        "relisted": truth.relisted,
        "load": os.getloadavg()[0],
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
