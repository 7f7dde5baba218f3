"""Photo towers on a CPU: `onnx:` as goldpan runs it, beside one session of ONNX Runtime with its own settings.

    python benchmarks/encode.py MODEL_DIR [MODEL_DIR ...] [--photos 96] [--rounds 5]

Both get the same prepared inputs. goldpan: one-thread session, `concurrency` threads, batches of 16 that it cuts in
fours. The peer: the default session (all processors inside a call) at batches of 1, 16 and 32. The methods take turns;
milliseconds a photo are of the best round, "CPU" counts the time of all processors, which other work on the machine
disturbs least.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime

from goldpan.encoders.files import find_files
from goldpan.encoders.loading import EncoderOptions, load_encoder


def methods(folder: str, photos: int) -> dict[str, Callable[[], None]]:
    encoder = load_encoder(f"onnx:{folder}", EncoderOptions(device="cpu"))
    session = onnxruntime.InferenceSession(str(find_files(folder).vision), providers=["CPUExecutionProvider"])
    side, feed = encoder.preprocessing["size"], session.get_inputs()[0].name
    inputs = np.random.default_rng(0).standard_normal((photos, 3, side, side), np.float32)

    def ours() -> None:
        with ThreadPoolExecutor(encoder.concurrency) as pool:
            list(pool.map(encoder.encode, [inputs[start : start + 16] for start in range(0, photos, 16)]))

    def peer(batch: int) -> Callable[[], None]:
        output = session.get_outputs()[0].name

        def run() -> None:
            for start in range(0, photos, batch):
                session.run([output], {feed: inputs[start : start + batch]})

        return run

    return {"goldpan": ours, **{f"default session, batch {batch}": peer(batch) for batch in (1, 16, 32)}}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--photos", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, onnxruntime {onnxruntime.__version__}")
    for folder in arguments.folders:
        chosen = methods(folder, arguments.photos)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in chosen}
        for _ in range(arguments.rounds):
            for name, run in chosen.items():
                wall, cpu = time.perf_counter(), time.process_time()
                run()
                times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
        print(f"\n{Path(folder).name}")
        for name, rounds in times.items():
            wall, cpu = (min(column) / arguments.photos * 1e3 for column in zip(*rounds, strict=True))
            print(f"  {name:28s} {wall:8.2f} ms a photo {cpu:8.2f} ms CPU")


if __name__ == "__main__":
    main()
