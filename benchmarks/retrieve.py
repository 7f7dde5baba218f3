"""Captions of 1,000 classes: one pass of ours beside one LIKE a class in DuckDB and SQLite, and beside our own index.

    python benchmarks/retrieve.py [--rows 10000000] [--peers 10] [--index] [--folder DIR]

The pool is made by `goldpan bench laion-like` from real captions (GOLDPAN_SHARED/data/captions), the classes are those
of ImageNet (GOLDPAN_SHARED/data/templates). One pass reads all columns from Parquet. DuckDB and SQLite have the
captions in a table of their own, loaded before the clock starts, and answer `SELECT count(*) ... LIKE '%name%'` for
`--peers` of the classes; what all would take is extrapolated from that, and said so. Counts are held against ours. The
processor time of each is printed beside the wall time, as it says more on a machine that does something else besides.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

import goldpan
from goldpan.compute.executor import LocalExecutor
from goldpan.formats.caption_column import captions_of
from goldpan.formats.class_lists import read_classes
from goldpan.formats.metadata import metadata_files, read_batches
from goldpan.search.captions.modes import class_matcher

SHARED = Path(os.environ.get("GOLDPAN_SHARED", Path(__file__).parents[2] / "shared"))
CAPTIONS = SHARED / "data/captions/laion_10000.parquet"
CLASSES = SHARED / "data/templates/ImageNet.json"


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return what work returned, its wall time and the processor time of this process."""
    wall, processor = time.perf_counter(), time.process_time()
    found = work()
    return found, time.perf_counter() - wall, time.process_time() - processor


def one_pass(pool: Path, mode: str) -> np.ndarray:
    """Return how many captions each class has, by one pass over all."""
    names, _, class_map, *_ = read_classes(CLASSES)
    matcher = class_matcher(names, mode, class_map if mode != "substring" else {})
    counts = np.zeros(len(names), np.int64)
    for path in metadata_files([pool]):
        texts = (captions_of(batch, None, path) for batch, _ in read_batches(path))
        for found in LocalExecutor().map(matcher.match, texts):
            counts += np.bincount(found.queries, minlength=len(names))
    return counts


def duckdb_table(pool: Path, file: Path) -> Callable[[str], int]:
    import duckdb

    database = duckdb.connect(str(file))
    database.execute(f"CREATE TABLE samples AS SELECT TEXT FROM read_parquet('{pool}/*.parquet')")
    asked = "SELECT count(*) FROM samples WHERE TEXT ILIKE ? ESCAPE '\\'"
    return lambda pattern: database.execute(asked, [pattern]).fetchone()[0]


def sqlite_table(pool: Path, file: Path) -> Callable[[str], int]:
    database = sqlite3.connect(file)
    database.execute("CREATE TABLE samples (TEXT)")
    for path in sorted(pool.glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(1 << 16, columns=["TEXT"]):
            database.executemany("INSERT INTO samples VALUES (?)", zip(batch[0].to_pylist(), strict=True))
    database.commit()
    asked = "SELECT count(*) FROM samples WHERE TEXT LIKE ? ESCAPE '\\'"
    return lambda pattern: database.execute(asked, [pattern]).fetchone()[0]


def compare(pool: Path, folder: Path, peers: int) -> None:
    names = read_classes(CLASSES).names
    for mode in ("fts", "phrase", "substring"):
        counts, wall, processor = timed(lambda mode=mode: one_pass(pool, mode))
        print(f"one pass, {mode:9} {len(names)} classes {wall:8.1f} s ({processor:6.1f} s of processors)", flush=True)
    chosen = np.random.default_rng(0).choice(len(names), peers, replace=False)
    for name, table in (("DuckDB ILIKE", duckdb_table), ("SQLite LIKE", sqlite_table)):
        file = folder / f"peer.{name.split()[0].lower()}"
        count = table(pool, file)
        patterns = [f"%{escaped(names[each])}%" for each in chosen]
        found, other, busy = timed(lambda count=count, patterns=patterns: [count(each) for each in patterns])
        differing = sum(a != b for a, b in zip(found, counts[chosen], strict=True))
        scale = len(names) / peers
        print(
            f"{name:12} {peers} classes {other:8.1f} s ({busy:6.1f} s of processors); {len(names)} would take "
            f"{other * scale:8.0f} s: {other * scale / wall:5.0f} times one pass, {busy * scale / processor:5.0f} "
            f"times its processor time; {differing} of {peers} counts differ",
            flush=True,
        )
        file.unlink()


def escaped(name: str) -> str:
    for sign in ("\\", "%", "_"):
        name = name.replace(sign, "\\" + sign)
    return name


def command(*arguments: Any) -> None:
    """Run a command of ours and print what it took."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen([sys.executable, "-m", "goldpan", *map(str, arguments), "--json", "-q"], stdout=output)
        peak = 0
        while not (ended := os.wait4(child.pid, os.WNOHANG))[0]:  # its own peak would be ours: it is forked from us
            status = Path(f"/proc/{child.pid}/status").read_text()
            peak = max([peak, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))])
            time.sleep(0.1)
        assert ended[1] == 0
        output.seek(0)
        told = json.load(output)
    seconds, busy = time.perf_counter() - started, ended[2].ru_utime + ended[2].ru_stime
    what = f"goldpan retrieve {arguments[1]} {' '.join(map(str, arguments[-2:]))}"
    print(
        f"{what[:60]:60} {seconds:7.1f} s ({busy:6.1f} s of processors), {peak / 1e6:.2f} GB, "
        f"{told.get('rows', told['rows_out']):,} rows {list(told.get('indexes', {}).values())}",
        flush=True,
    )


def compare_index(pool: Path, folder: Path) -> None:
    """Ask for 1, 10, 100 and all classes, by the index and by one pass."""
    table = folder / "captions.lance"
    command("retrieve", "index", pool, "-o", table)
    size = sum(file.stat().st_size for file in table.rglob("*") if file.is_file())
    plain = sum(file.stat().st_size for file in pool.iterdir())
    print(f"the table takes {size / 1e9:.2f} GB, the Parquet files {plain / 1e9:.2f} GB")
    listed = json.loads(CLASSES.read_text())
    for n in (1, 10, 100, len(listed["classes"])):
        few = folder / "few.json"
        few.write_text(json.dumps(listed | {"classes": listed["classes"][:n]}))
        for mode in ("fts", "substring"):
            for index in ("always", "never"):
                output = folder / "asked"
                command(
                    *("retrieve", "substring", "--metadata", table, "--classes", few, "-o", output, "--mode", mode),
                    *("--index", index),
                )
                shutil.rmtree(output)
            print(f"  ^ {n} classes, {mode}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--peers", type=int, default=10, help="classes that DuckDB and SQLite are asked for")
    parser.add_argument("--index", action="store_true", help="compare with our index, in place of the others")
    parser.add_argument("--folder", type=Path, help="where the pool is made, and stays")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        made = goldpan.bench_laion_like(
            captions=CAPTIONS, output=args.folder or folder / "pool", rows=args.rows, vectors="none"
        )
        pool = (args.folder or folder / "pool") / "metadata"
        print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; {made.rows_out:,} captions", flush=True)
        if args.index:
            compare_index(pool, folder)
        else:
            compare(pool, folder, args.peers)
            command("retrieve", "substring", "--metadata", pool, "--classes", CLASSES, "-o", folder / "found")
    print(f"peak of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
