"""Conversion speed and memory beside a plain file copy, NumPy and faiss.contrib.vecs_io, on the same data.

    python benchmarks/convert.py [--rows 500000] [--dim 512] [--rounds 3] [--folder DIR]

Every run is a process of its own, timed inside after its imports; sources are in the page cache, and every target is
flushed to disk (fsync) before the clock stops. The methods take turns; MB/s is of the median round, "of copy" the
median of the rounds' ratios, "CPU s" the median of user and system time, which other work on the machine disturbs
least. "memory" is the peak of the process (VmHWM) less what it had after its imports.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PAIRS = [
    ("base.fvecs", "out.fbin"),
    ("base.fbin", "out.fvecs"),
    ("base.fbin", "out.npy"),
    ("base.fbin", "out.h5"),
    ("base.h5", "out.fvecs"),
    ("base.fbin", "out.parquet"),
    ("base.parquet", "out.fbin"),
]


def resident_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def with_goldpan(source: Path, target: Path) -> None:
    from goldpan.formats.convert import convert

    convert(source, target)


def with_copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    flush(target)


def with_numpy(source: Path, target: Path) -> None:
    """The lines everybody writes: the whole file as one array."""
    if source.suffix == ".fvecs":
        flat = np.fromfile(source, np.float32)
        rows = flat.reshape(-1, flat[:1].view(np.int32)[0] + 1)[:, 1:]
    else:
        with source.open("rb") as file:
            n, dim = np.fromfile(file, np.uint32, 2)
            rows = np.fromfile(file, np.float32).reshape(n, dim)
    if target.suffix == ".npy":
        np.save(target, rows)
    elif target.suffix == ".fvecs":
        out = np.empty((rows.shape[0], rows.shape[1] + 1), np.float32)
        out[:, 0].view(np.int32)[:] = rows.shape[1]
        out[:, 1:] = rows
        out.tofile(target)
    else:
        with target.open("wb") as file:
            np.array(rows.shape, np.uint32).tofile(file)
            np.ascontiguousarray(rows).tofile(file)
    flush(target)


def with_faiss(source: Path, target: Path) -> None:
    from faiss.contrib import vecs_io

    if source.suffix == ".fvecs":
        rows = vecs_io.fvecs_read(source)
        with target.open("wb") as file:
            np.array(rows.shape, np.uint32).tofile(file)
            rows.tofile(file)
    else:
        n, dim = np.fromfile(source, np.uint32, 2)
        vecs_io.fvecs_write(target, np.memmap(source, np.float32, "r", 8, (int(n), int(dim))))
    flush(target)


METHODS = {"copy": with_copy, "goldpan": with_goldpan, "numpy": with_numpy, "faiss": with_faiss}


def methods_for(source: str, target: str) -> list[str]:
    plain = {".fvecs", ".fbin", ".npy"}
    ends = {Path(source).suffix, Path(target).suffix}
    return ["copy", "goldpan", *(["numpy"] if ends <= plain else []), *(["faiss"] if ".fvecs" in ends <= plain else [])]


def child(method: str, source: Path, target: Path) -> None:
    """Do one conversion twice, once on nothing to have everything imported, and print what it took."""
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        small = Path(folder) / source.name
        shutil.copyfile(source.parent / "small" / source.name, small)
        METHODS[method](small, Path(folder) / target.name)
    before = resident_bytes()
    start, start_cpu = time.perf_counter(), time.process_time()
    METHODS[method](source, target)
    taken = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - start_cpu}
    print(json.dumps(taken | {"bytes": resident_bytes() - before}))


def make_sources(folder: Path, rows: int, dim: int) -> None:
    from goldpan.formats.convert import convert
    from goldpan.formats.vectors import write_vectors

    (folder / "small").mkdir()
    for where, n in ((folder, rows), (folder / "small", 10)):
        rng = np.random.default_rng(0)
        blocks = (rng.random((min(4096, n - i), dim), np.float32) for i in range(0, n, 4096))
        write_vectors(where / "base.fbin", blocks, n=n, dim=dim, dtype="float32")
        for name in ("base.fvecs", "base.h5", "base.parquet"):
            convert(where / "base.fbin", where / name)


def run(method: str, source: Path, target: Path) -> dict[str, float]:
    with source.open("rb") as file:  # into the page cache
        while file.read(1 << 20):
            pass
    command = [sys.executable, __file__, "--child", method, str(source), str(target)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    target.unlink()
    os.sync()
    return json.loads(answer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work; default: the system's temporary folder")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child[0], Path(given.child[1]), Path(given.child[2]))
        return
    size = given.rows * given.dim * 4
    print(f"{given.rows} x {given.dim} float32, {size / 1e6:.0f} MB; {os.cpu_count()} CPUs, {platform.platform()}")
    print(f"{'conversion':<24}{'method':<10}{'MB/s':>8}{'of copy':>9}{'CPU s':>8}{'memory MB':>11}")
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        make_sources(folder, given.rows, given.dim)
        for source, target in PAIRS:
            methods = methods_for(source, target)
            taken: dict[str, list[dict[str, float]]] = {method: [] for method in methods}
            for _ in range(given.rounds):
                for method in methods:
                    taken[method].append(run(method, folder / source, folder / target))
            for method in methods:
                rate = size / 1e6 / statistics.median(one["seconds"] for one in taken[method])
                pairs = zip(taken["copy"], taken[method], strict=True)
                ratio = statistics.median(copy["seconds"] / one["seconds"] for copy, one in pairs)
                cpu = statistics.median(one["cpu"] for one in taken[method])
                memory = max(one["bytes"] for one in taken[method]) / 1e6
                label = f"{Path(source).suffix} -> {Path(target).suffix}"
                print(f"{label:<24}{method:<10}{rate:>8.0f}{ratio:>9.2f}{cpu:>8.2f}{memory:>11.0f}", flush=True)


if __name__ == "__main__":
    main()
