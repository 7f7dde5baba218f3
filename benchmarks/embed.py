"""How close `goldpan embed` comes to what its parts could do at most, and what it holds in memory.

Usage: python benchmarks/embed.py PHOTOS MODEL [--rows N] [--rounds N] [--memory]

PHOTOS is a folder of photos, MODEL an ONNX export (``onnx:`` layout). Three figures, in turn, several rounds:

- bare: a plain ONNX Runtime session (default options, its best batch size) on tensors that are already in memory;
- decode: opening and preparing the photos, with no model;
- embed: the whole stage, from files to a committed Lance table, start of the model included.

The ratio is embed over the lower of the other two. On a CPU both share the same cores with the model, so 1.0 cannot be
reached unless one of them costs nothing. ``--memory`` prints the peak of 1,000 and of 20,000 rows instead.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import goldpan
from goldpan.compute.executor import LocalExecutor, chunks
from goldpan.encoders.protocol import Encoder


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("model")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    args = parser.parse_args()
    spec = f"onnx:{args.model}"
    if args.peak_of:
        goldpan.embed(args.peak_of, encoder=spec)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
        return
    with tempfile.TemporaryDirectory() as scratch:
        if args.memory:
            memory(Path(scratch), args)
        else:
            throughput(Path(scratch), args, spec)


def throughput(scratch: Path, args: argparse.Namespace, spec: str) -> None:
    ws = workspace(scratch / "ws", args.photos, args.rows)
    encoder = goldpan.load_encoder(spec)
    paths = ws.images.to_table(columns=["uri"])["uri"].to_pylist()
    tensors = np.stack([encoder.prepare(goldpan.open_image(Path(path)).image) for path in paths[:256]])
    session, batch = bare_session(args.model, tensors)
    print(
        f"{args.rows} photos, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, bare session's best batch: {batch}"
    )
    tasks: dict[str, Callable[[], int]] = {
        "bare": lambda: run_bare(session, tensors, batch),
        "decode": lambda: decode(encoder, paths),
        "embed": lambda: embed(ws, spec),
    }
    rates: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(args.rounds):
        for name, task in tasks.items():
            started = time.perf_counter()
            rates[name].append(task() / (time.perf_counter() - started))
    for name, values in rates.items():
        print(f"{name:>7}: {statistics.median(values):8.1f} images/s  ({min(values):.1f} to {max(values):.1f})")
    ratios = [
        each / min(bare, dec) for each, bare, dec in zip(rates["embed"], rates["bare"], rates["decode"], strict=True)
    ]
    print(f"  ratio: {statistics.median(ratios):.2f} of the lower  ({min(ratios):.2f} to {max(ratios):.2f})")
    serial = [1 / (1 / bare + 1 / dec) for bare, dec in zip(rates["bare"], rates["decode"], strict=True)]
    share = statistics.median(each / one for each, one in zip(rates["embed"], serial, strict=True))
    print(f"         {share:.2f} of what bare and decode reach one after the other on the same cores")


def workspace(path: Path, photos: Path, rows: int) -> goldpan.Workspace:
    """Acquire the photos once, then repeat their rows under new ids until there are `rows`."""
    ws = goldpan.Workspace(path, create=True)
    goldpan.acquire_folder(ws, folder=photos)
    own = ws.images.to_table().to_pylist()
    more = [row | {"id": f"{i}/{row['id']}"} for i in range(1, -(-rows // len(own))) for row in own]
    if rows < len(own):
        ws.images.delete(f"id NOT IN ({', '.join(repr(row['id']) for row in own[:rows])})")
    elif more:
        ws.images.append_rows(more[: rows - len(own)])
    return ws


def bare_session(model: str, tensors: np.ndarray) -> tuple[object, int]:
    """Return a session with default options, and the batch size at which it is fastest."""
    import onnxruntime as ort

    session = ort.InferenceSession(f"{model}/onnx/vision_model.onnx", providers=["CPUExecutionProvider"])

    def seconds(batch: int) -> float:
        started = time.perf_counter()
        run_bare(session, tensors, batch)
        return time.perf_counter() - started

    seconds(8)
    return session, min((1, 2, 4, 8, 16, 32, 64), key=lambda batch: min(seconds(batch) for _ in range(2)))


def run_bare(session: object, tensors: np.ndarray, batch: int) -> int:
    for start in range(0, len(tensors), batch):
        session.run(["image_embeds"], {"pixel_values": tensors[start : start + batch]})
    return len(tensors)


def decode(encoder: Encoder, paths: list[str]) -> int:
    def prepare(part: list[str]) -> int:
        for path in part:
            encoder.prepare(goldpan.open_image(Path(path)).image)
        return len(part)

    return sum(LocalExecutor().map(prepare, chunks(paths, 16)))


def embed(ws: goldpan.Workspace, spec: str) -> int:
    report = goldpan.embed(ws, encoder=spec, name="timed")
    shutil.rmtree(ws.path / "vectors" / "timed.lance")
    return report.rows_out


def memory(scratch: Path, args: argparse.Namespace) -> None:
    for rows in (1000, 20_000):
        ws = workspace(scratch / f"ws{rows}", args.photos, rows)
        words = [sys.executable, __file__, str(args.photos), args.model, "--peak-of", str(ws.path)]
        peak = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
        print(f"{rows:>7,} rows: peak {int(peak):,} MB")


if __name__ == "__main__":
    main()
