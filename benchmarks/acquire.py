"""`goldpan acquire urls` beside img2dataset 1.47.0: webdataset, keep_ratio 256, from a loopback server.

    python -m venv peer && peer/bin/pip install img2dataset==1.47.0 setuptools
    python benchmarks/acquire.py PHOTOS --peer-python peer/bin/python [--images 20000] [--rounds 3]
                                 [--processes N] [--threads 256]

Both read the same list and ask the same server (loopback.py, in a process of its own) for the same photos, one after
the other, several rounds, each first in turn. Time is from the start of the command to its end: the start of its
processes and the last shard are part of it. Processor time and memory are of the whole tree of processes; memory is
sampled, and pages that are shared count once (PSS). That every row came out, as an image or with a reason, is checked
on what both wrote. Ratios are of paired rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
from loopback import fate, urls

HOSTS = 500
PEER = """
import sys
from img2dataset import download
if __name__ == "__main__":
    listed, folder, per_shard, processes, threads = sys.argv[1:]
    download(url_list=listed, output_folder=folder, output_format="webdataset", resize_mode="keep_ratio",
             image_size=256, number_sample_per_shard=int(per_shard), processes_count=int(processes),
             thread_count=int(threads), retries=0)
"""


class Spent(NamedTuple):
    """What one run took: seconds, processor seconds, and the most memory of its processes together in bytes."""

    seconds: float
    cpu: float
    memory: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--peer-python", type=Path, required=True, help="Python that has img2dataset.")
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--per-shard", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="Of img2dataset.")
    parser.add_argument("--threads", type=int, default=256, help="A process of img2dataset.")
    parser.add_argument("--connections", type=int, default=512, help="Of goldpan.")
    parser.add_argument("--only", choices=("goldpan", "img2dataset"), help="Run this one alone.")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, serving(args.photos) as port:
        folder = Path(scratch)
        (folder / "list.txt").write_text("\n".join(urls(args.images, HOSTS, port)) + "\n")
        (folder / "peer.py").write_text(PEER)
        commands = {"goldpan": ours(folder, port, args), "img2dataset": theirs(folder, args)}
        if args.only:
            commands = {args.only: commands[args.only]}
        print(f"{args.images:,} images, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}", flush=True)
        taken: dict[str, list[Spent]] = {name: [] for name in commands}
        for turn in range(args.rounds):
            for name in sorted(commands, reverse=bool(turn % 2)):
                taken[name].append(measured(folder, name, commands[name], args.images))
        show(taken, args.images)


def ours(folder: Path, port: int, args: argparse.Namespace) -> list[str]:
    words = [sys.executable, "-m", "goldpan", "acquire", "urls", str(folder / "ws"), str(folder / "list.txt")]
    words += ["--output", str(folder / "out"), "--output-format", "webdataset", "--per-shard", str(args.per_shard)]
    words += ["--image-size", "256", "--resize-mode", "keep_ratio", "--extract-exif", "--retries", "0", "--quiet"]
    words += ["--allow-private", "--ports", str(port), "--robots", "ignore", "--max-failures", "100%"]
    return [*words, "--connections", str(args.connections)]


def theirs(folder: Path, args: argparse.Namespace) -> list[str]:
    words = [str(args.peer_python), str(folder / "peer.py"), str(folder / "list.txt"), str(folder / "out")]
    return [*words, str(args.per_shard), str(args.processes), str(args.threads)]


@contextmanager
def serving(photos: Path, *flags: str) -> Iterator[int]:
    """Run the server in a process of its own; give its port."""
    words = [sys.executable, str(Path(__file__).with_name("loopback.py")), str(photos), *flags]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline())
        finally:
            server.terminate()


def measured(folder: Path, name: str, words: list[str], images: int) -> Spent:
    """Run a command in a clean folder, check what it wrote, and return what it took."""
    for left in ("out", "ws"):
        shutil.rmtree(folder / left, ignore_errors=True)
    if name == "goldpan":
        subprocess.run([sys.executable, "-m", "goldpan", "init", str(folder / "ws")], check=True, capture_output=True)
    before, started = os.times(), time.perf_counter()
    environment = os.environ | {"NO_ALBUMENTATIONS_UPDATE": "1"}
    with (folder / "log").open("w") as log, subprocess.Popen(words, stdout=log, stderr=log, env=environment) as process:
        peak = Peak(process.pid)
        process.wait()
    seconds, after = time.perf_counter() - started, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    statuses = check(folder, images)
    spent = Spent(seconds, cpu, peak.bytes)
    told = ", ".join(f"{count:,} {status}" for status, count in statuses.most_common())
    print(f"{name:>12}: {told}; {images / seconds:,.0f} images/s, {cpu:.1f} s CPU, {peak.bytes >> 20:,} MB", flush=True)
    return spent


def check(folder: Path, images: int) -> Counter[str]:
    """Return the rows by status; every row must be there once, in the tables, the statistics and the tars.

    Raises:
        SystemExit: one is not.
    """
    tables = [pq.read_table(path, columns=["key", "status"]) for path in sorted((folder / "out").glob("*.parquet"))]
    statuses = Counter(status for table in tables for status in table["status"].to_pylist())
    keys = {key for table in tables for key in table["key"].to_pylist()}
    stats = [json.loads(path.read_text()) for path in (folder / "out").glob("*_stats.json")]
    counted = [sum(one[name] for one in stats) for name in ("count", "successes")]
    expected = sum(fate(number).kind in ("ok", "slow") for number in range(images))
    if len(keys) != images or statuses.total() != images or counted != [images, statuses["success"]]:
        raise SystemExit(
            f"{images:,} rows in, {statuses} out, {len(keys):,} keys, {counted} in the statistics\n" + tail(folder)
        )
    if statuses["success"] != expected:
        print(f"  ! {statuses['success']:,} images; the server meant {expected:,} to come")
    return statuses


def tail(folder: Path) -> str:
    return (folder / "log").read_text(errors="replace")[-2000:]


class Peak:
    """Samples the memory of a process and its descendants, five times a second, in a thread, until they end."""

    def __init__(self, pid: int) -> None:
        self.bytes = 0
        threading.Thread(target=self._watch, args=(pid,), daemon=True).start()

    def _watch(self, pid: int) -> None:
        while total := sum(map(memory_of, tree(pid))):
            self.bytes = max(self.bytes, total)
            time.sleep(0.2)


def tree(pid: int) -> Iterator[int]:
    yield pid
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from tree(int(child))
    except OSError:  # it ended meanwhile
        return


def memory_of(pid: int) -> int:
    """Return the proportional set size of a process in bytes; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:")), 0)


def show(taken: dict[str, list[Spent]], images: int) -> None:
    for name, rounds in taken.items():
        rates = [images / spent.seconds for spent in rounds]
        cpu, memory = (statistics.median(spent[i] for spent in rounds) for i in (1, 2))
        print(
            f"{name:>12}: {statistics.median(rates):,.0f} images/s ({min(rates):,.0f} to {max(rates):,.0f}), "
            f"{1e3 * cpu / images:.2f} ms CPU an image, {memory / 2**20:,.0f} MB at most"
        )
    if len(taken) == 2:
        pairs = list(zip(taken["goldpan"], taken["img2dataset"], strict=True))
        for what, ratios in {
            "images/s": [peer.seconds / own.seconds for own, peer in pairs],
            "CPU": [own.cpu / peer.cpu for own, peer in pairs],
            "memory": [own.memory / peer.memory for own, peer in pairs],
        }.items():
            print(
                f"       ratio: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) of its {what}"
            )


if __name__ == "__main__":
    main()
