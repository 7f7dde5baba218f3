"""`goldpan bench tune` beside autofaiss and beside the best single indexes, on dataset A.

    python benchmarks/tune.py [--rows 100000] [--dim 768] [--queries 2000] [--rounds 5] [--work build/tune]
                              [--parts recall memory default] [--memory 1GB] [--small-memory 20MB]

recall:  both get --memory; goldpan recall .95, autofaiss, which knows no recall, 10 ms a query.
memory:  both get --small-memory; goldpan is asked for autofaiss's recall + .05.
default: goldpan's choice at recall .95 against faiss HNSW32_SQ8, usearch bf16 and hnswlib, each at the least search
         parameter that reaches .95 for sure.

autofaiss 2.18 runs in a virtual environment of its own (numpy < 2, pyarrow < 20, faiss-cpu 1.12: the newest it works
with), made if it is missing. Everything is built in a process of its own, one after the other; then all indexes answer
the same queries, in batches, taking turns, each turn a fresh process that warms up first. Ratios are medians of the
paired rounds; CPU is time of the processors, what other work on the machine disturbs least. Recall is against exact
search, on queries that neither saw while it was built. A peer that was built before is not built again: delete --work.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import venv
from pathlib import Path

import numpy as np

PINS = ["autofaiss==2.18.0", "pyarrow<20", "numpy<2", "faiss-cpu==1.12.0"]
PEERS = {
    "faiss HNSW32_SQ8": "faiss:HNSW32_SQ8@efConstruction=200",
    "usearch bf16": "usearch@dtype=bf16,connectivity=16,expansion_add=200",
    "hnswlib M16": "hnswlib@M=16,ef_construction=200",
}
K = 10

AUTOFAISS = """
import json, sys, time
import numpy as np
task = json.loads(sys.argv[1])
if task["do"] == "build":
    from autofaiss import build_index
    rows = np.load(task["base"])
    wall, cpu = time.perf_counter(), time.process_time()
    _, infos = build_index(rows, index_path=task["index"], index_infos_path=task["index"] + ".json", metric_type="ip",
        max_index_memory_usage=task["memory"], current_memory_available="16G", max_index_query_time_ms=10, verbose=30)
    spent = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps(spent | {"what": infos["index_key"] + " " + infos["index_param"]}))
else:
    import faiss
    index = faiss.read_index(task["index"])
    faiss.ParameterSpace().set_index_parameters(index, json.load(open(task["index"] + ".json"))["index_param"])
    queries = np.load(task["queries"])
    index.search(queries[:50], task["k"])
    wall, cpu = time.perf_counter(), time.process_time()
    _, ids = index.search(queries, task["k"])
    spent = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    np.save(task["answers"], ids)
    print(json.dumps(spent))
"""

GOLDPAN = """
import json, sys, time
from pathlib import Path
import numpy as np
task = json.loads(sys.argv[1])
if task["do"] == "build":
    from goldpan.search.engines.loading import save_index
    from goldpan.search.tune import Goal, NothingFits, tune_index
    from goldpan.search.tune.goal import parse_bytes
    rows, queries = np.load(task["base"]), np.load(task["tuning"])
    memory = task["memory"] and parse_bytes(task["memory"])
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        tuned = tune_index(rows, queries=queries, metric="ip", goal=Goal(task["k"], task["recall"], memory),
            specs=task["specs"])
    except NothingFits as error:
        print(json.dumps({"failed": str(error), "table": [row.as_dict() for row in error.measurements]}))
        sys.exit()
    spent = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    save_index(tuned.index, Path(task["index"]))
    row = tuned.chosen
    table = [row.as_dict() for row in tuned.measurements]
    print(json.dumps(spent | {"what": tuned.index.spec, "lower": row.recall_lower, "build": row.build_s, "table": table,
        "bytes": row.bytes}))
else:
    from goldpan.search.engines.loading import load_index
    index, queries = load_index(Path(task["index"])), np.load(task["queries"])
    index.search(queries[:50], task["k"])
    wall, cpu = time.perf_counter(), time.process_time()
    ids = index.search(queries, task["k"]).ids
    spent = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    np.save(task["answers"], ids)
    print(json.dumps(spent))
"""


class Peer:  # noqa: D101
    def __init__(self, work: Path, name: str, python: str, code: str, **task: object) -> None:
        self.name, self.python, self.code, self.task = name, python, code, task
        self.index = work / f"{name.replace(' ', '-')}.index"
        self.log, self.answers, self.work = self.index.with_suffix(".built.json"), self.index.with_suffix(".npy"), work
        self.rounds: list[dict] = []

    def _do(self, **task: object) -> dict:
        files = {name: str(self.work / f"{name}.npy") for name in ("base", "queries", "tuning")}
        told = self.task | files | {"k": K, "index": str(self.index), "answers": str(self.answers)} | task
        done = subprocess.run(
            [self.python, "-c", self.code, json.dumps(told)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{self.name}: {done.stderr[-2000:]}")
        return json.loads(done.stdout.strip().splitlines()[-1])

    def build(self, **task: object) -> dict:  # noqa: D102
        if not self.log.exists():
            load = os.getloadavg()[0]
            built = self._do(do="build", **task) | {"load": load}
            self.log.write_text(json.dumps(built, indent=1))
        self.built = json.loads(self.log.read_text())
        return self.built

    def search(self) -> None:  # noqa: D102
        self.rounds.append(self._do(do="search"))

    def recall(self, truth: np.ndarray) -> float:  # noqa: D102
        from goldpan.metrics.recall import strict_recall

        return float(strict_recall(np.load(self.answers), truth, K).mean())


def autofaiss_python(work: Path) -> str:
    python = work / "autofaiss" / "bin" / "python"
    if not python.exists():
        venv.create(work / "autofaiss", with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *PINS], check=True)
    return str(python)


def take_turns(title: str, ours: Peer, peers: list[Peer], truth: np.ndarray, rounds: int) -> None:
    everyone = [ours, *peers]
    for one in everyone:
        one.rounds = []
    for _ in range(rounds):
        for one in everyone:
            one.search()
    print(f"\n{title} (load {os.getloadavg()[0]:.1f})")
    for one in everyone:
        size = ours.built["bytes"] if one is ours else one.built.get("bytes")
        size = size or sum(file.stat().st_size for file in [one.index] if file.is_file())
        qps = statistics.median(len(truth) / run["seconds"] for run in one.rounds)
        line = f"  {one.name:18} {qps:9,.0f} q/s  recall {one.recall(truth):.4f}  {size / 1e6:7,.1f} MB  "
        line += f"tune+build {one.built['seconds']:7.1f} s, CPU {one.built['cpu']:7.1f}  {one.built['what']}"
        print(line)
    for one in peers:
        parts = []
        for label in ("seconds", "cpu"):
            paired = [a[label] / b[label] for a, b in zip(one.rounds, ours.rounds, strict=True)]
            parts.append(f"{label} {statistics.median(paired):.2f} [{min(paired):.2f}, {max(paired):.2f}]")
        spent = [f"{label} {ours.built[label] / one.built[label]:.2f}" for label in ("seconds", "cpu")]
        print(f"  search, {one.name}/goldpan: {'  '.join(parts)};  tune+build, goldpan/{one.name}: {', '.join(spent)}")
    print(flush=True, end="")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", nargs="+", default=["recall", "memory", "default"])
    parser.add_argument("--work", type=Path, default=Path("build/tune"))
    parser.add_argument("--memory", default="1GB")
    parser.add_argument("--small-memory", default="20MB")
    args = parser.parse_args()
    truth = prepare(args)
    make = lambda name, **task: Peer(args.work, name, sys.executable, GOLDPAN, specs=None, **task)  # noqa: E731
    if {"recall", "default"} & set(args.parts):
        ours = make("goldpan")
        tell(ours.build(recall=0.95, memory=args.memory))
    if {"recall", "memory"} & set(args.parts):
        python = autofaiss_python(args.work)
    if "recall" in args.parts:
        peer = Peer(args.work, "autofaiss", python, AUTOFAISS)
        peer.build(memory=args.memory)
        take_turns(f"recall .95 within {args.memory}", ours, [peer], truth, args.rounds)
    if "default" in args.parts:
        peers = []
        for name, spec in PEERS.items():
            peer = Peer(args.work, name, sys.executable, GOLDPAN, specs=[spec])
            if "failed" in peer.build(recall=0.95, memory=None):
                print(f"  {name}: {peer.built['failed']}")
            else:
                peer.built["seconds"] = next(row for row in peer.built["table"] if row["stage"] == "full")["build_s"]
                peers.append(peer)
        take_turns(
            "recall .95, against single indexes (their time is the build alone)", ours, peers, truth, args.rounds
        )
    if "memory" in args.parts:
        peer = Peer(args.work, "autofaiss small", python, AUTOFAISS)
        peer.build(memory=args.small_memory)
        peer.search()
        target = round(peer.recall(truth) + 0.05, 4)
        small = make("goldpan small")
        tell(small.build(recall=target, memory=args.small_memory))
        if "failed" not in small.built:
            take_turns(f"within {args.small_memory}, recall {target}", small, [peer], truth, args.rounds)


def prepare(args: argparse.Namespace) -> np.ndarray:
    """Write base and queries for all processes; return the true neighbors of the queries they are judged by."""
    from goldpan.search.exact import exact_search
    from goldpan.search.synthetic import open_dataset

    args.work.mkdir(parents=True, exist_ok=True)
    data = open_dataset("A", n=args.rows, dim=args.dim, n_queries=args.queries)
    for name, rows in (("base", data.base), ("queries", data.queries), ("tuning", data.learn)):
        np.save(args.work / f"{name}.npy", rows)
    truth = exact_search(data.base, data.queries, K, "ip").neighbors.ids
    print(
        f"A: {args.rows} x {args.dim}, {len(truth)} queries, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
    )
    return truth


def tell(built: dict) -> None:
    print(built.get("failed") or f"goldpan chose {built['what']}: recall at least {built['lower']:.4f}")
    for row in built["table"]:
        numbers = {key: row[key] for key in ("recall", "recall_lower", "qps", "build_s") if row[key] is not None}
        shown = "  ".join(f"{key} {value:,.4g}" for key, value in numbers.items())
        print(f"    {row['stage']:8} {row['spec']:62} {row['bytes'] / 1e6:7,.1f} MB  {shown}  {row['verdict']}")
    print(flush=True, end="")


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s in all")
