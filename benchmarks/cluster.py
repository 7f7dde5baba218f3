"""The same work by this machine and by a Ray cluster of as many processors on it: `acquire urls`, `embed`, `truth`.

    python benchmarks/cluster.py PHOTOS MODEL [--workers 2] [--rounds 3] [--urls 2000] [--photos 2000] [--vectors 300]
                                 [--base 400000] [--only urls phash onnx truth]

PHOTOS is a folder of photos, MODEL an ONNX export (``onnx:`` layout). The cluster is started once, before the clock
runs, and its workers are warm: every task is done once by each before it is timed. What a command that starts a
cluster of its own pays besides is printed first; "start" is `acquire urls` of one URL, which is what its workers take
to begin, since each fetches in a process that is its own. Both do the same rows one after the other, each first in
turn; ratios are of paired rounds, of images (or queries) a second. Processor time is that of the command, its
children and the cluster, but not of the web server (loopback.py), which works on the same processors.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from acquire import HOSTS, serving, tree
from embed import workspace
from loopback import fate, urls

import goldpan
from goldpan.compute.ray import RayExecutor

TASKS = ("start", "urls", "phash", "onnx", "truth")
Task = Callable[[Path, str], int]


class Spent(NamedTuple):
    """What one run took: items a second, seconds, and processor seconds."""

    rate: float
    wall: float
    cpu: float

    def __str__(self) -> str:
        """Return it as part of a line."""
        return f"{self.rate:8.1f}/s {self.wall:5.1f} s {self.cpu:5.1f} s CPU"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="PHOTOS")
    parser.add_argument("model")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--urls", type=int, default=2000)
    parser.add_argument("--photos", type=int, default=2000, help="Rows for phash:8.")
    parser.add_argument("--vectors", type=int, default=300, help="Rows for the model.")
    parser.add_argument("--base", type=int, default=400_000, help="Rows of 64 dimensions that are searched.")
    parser.add_argument("--only", nargs="+", choices=TASKS, default=TASKS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, serving(args.folder, "--unique") as port:
        server = next(pid for pid in tree(os.getpid()) if pid != os.getpid())
        tasks = {name: task for name, task in prepared(Path(scratch), port, args).items() if name in args.only}
        import ray

        started = time.perf_counter()
        os.environ |= {"RAY_USAGE_STATS_ENABLED": "0"}
        ray.init("local", num_cpus=args.workers, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        print(f"{args.workers} workers, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
        print(f"overheads: {time.perf_counter() - started:.1f} s to start a cluster", end="", flush=True)
        started = time.perf_counter()
        list(RayExecutor(args.workers).map(abs, range(args.workers)))
        warm = time.perf_counter()
        list(RayExecutor(args.workers).map(abs, range(200)))
        print(f", {warm - started:.1f} s its workers, {(time.perf_counter() - warm) * 5:.1f} ms a task", flush=True)
        clock = Clock(server)
        for name, task in tasks.items():
            compare(name, task, Path(scratch), clock, args.rounds)


def prepared(scratch: Path, port: int, args: argparse.Namespace) -> dict[str, Task]:
    """Return what does each task in a folder that is not there yet, and says how many items it did."""
    quickest = min(range(1000), key=lambda number: (fate(number).kind != "ok", fate(number).latency))
    lists = {"urls": urls(args.urls, HOSTS, port), "start": urls(quickest + 1, HOSTS, port)[-1:]}
    for name, links in lists.items():
        (scratch / f"{name}.txt").write_text("\n".join(links) + "\n")
    photos = workspace(scratch / "photos", args.folder, args.photos)
    few = workspace(scratch / "few", args.folder, args.vectors)
    rng = np.random.default_rng(7)
    for name, rows in (("base", args.base), ("queries", 8192)):
        np.save(scratch / f"{name}.npy", rng.standard_normal((rows, 64), np.float32))

    def acquire(folder: Path, executor: str) -> int:
        ws = goldpan.Workspace(folder, create=True)
        reach = {"allow_private": True, "ports": [port], "robots": "ignore", "retries": 0}
        listed = scratch / f"{folder.name.partition('-')[0]}.txt"
        return goldpan.acquire_urls(ws, lists=[listed], executor=executor, workers=args.workers, **reach).rows_in

    def embed(ws: goldpan.Workspace, spec: str) -> Task:
        return lambda folder, executor: goldpan.embed(ws, encoder=spec, name=folder.name, executor=executor).rows_out

    def truth(folder: Path, executor: str) -> int:
        files = {name: str(scratch / f"{name}.npy") for name in ("base", "queries")}
        folder.mkdir()
        return goldpan.truth(
            **files, output=folder / "truth.ibin", metric="l2", k=10, executor=executor, workers=args.workers
        ).rows_out

    tasks = {"phash": embed(photos, "phash:8"), "onnx": embed(few, f"onnx:{args.model}"), "truth": truth}
    return {"start": acquire, "urls": acquire} | tasks


def compare(name: str, task: Task, scratch: Path, clock: Clock, rounds: int) -> None:
    """Time a task by both, and print what they took."""
    taken: dict[str, list[Spent]] = {"local": [], "ray": []}
    for turn in range(rounds + 1):
        for executor in sorted(taken, reverse=bool(turn % 2)):
            before, started = clock.seconds(), time.perf_counter()
            items = task(scratch / f"{name}-{executor}-{turn}", executor)
            seconds = time.perf_counter() - started
            if turn:
                taken[executor].append(Spent(items / seconds, seconds, clock.seconds() - before))
    local, ray = (Spent(*map(statistics.median, zip(*runs, strict=True))) for runs in taken.values())
    ratios = [theirs.rate / ours.rate for ours, theirs in zip(*taken.values(), strict=True)]
    print(
        f"{name:>6}: local {local}, ray {ray}; {statistics.median(ratios):.2f} of local "
        f"({min(ratios):.2f} to {max(ratios):.2f})",
        flush=True,
    )


class Clock(threading.Thread):
    """Sums up, ten times a second, the processor time of this process and of all below it, but one.

    Workers of Ray that end are nobody's children, so that the system counts them for nobody.
    """

    def __init__(self, but: int) -> None:
        super().__init__(daemon=True)
        self._but = but
        self._ticks: dict[int, int] = {}
        self.start()

    def run(self) -> None:
        """Look again and again."""
        while True:
            self.seconds()
            time.sleep(0.1)

    def seconds(self) -> float:
        """Return the processor seconds until now."""
        for pid in tree(os.getpid()):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:  # it ended meanwhile
                continue
            self._ticks[pid] = sum(map(int, fields[11:13]))
        return sum(ticks for pid, ticks in list(self._ticks.items()) if pid != self._but) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
