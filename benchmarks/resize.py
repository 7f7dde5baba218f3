"""What making an image smaller takes, beside OpenCV as img2dataset calls it.

Usage: python benchmarks/resize.py PHOTOS [--rounds N]        (needs opencv-python-headless)

PHOTOS is a folder of JPEGs; 50 of them are brought to 500 x 375 and to 112 KB at most, as ImageNet's are. Each becomes
256 pixels on its short side, JPEG of quality 95: bytes in, bytes out, one thread. Both take turns; the figure is the
median of the rounds, in milliseconds of processor time an image. Then the same by two processes of
`goldpan.compute.sturdy`, in images a second. Memory is set as there; see `goldpan/compute/sturdy_process.py`.
"""

from __future__ import annotations

import argparse
import functools
import io
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from goldpan.compute.sturdy import Sturdy
from goldpan.compute.sturdy_process import ENVIRONMENT
from goldpan.imaging.resizing import Resize, resized

OPTIONS = Resize(resize_mode="keep_ratio", image_size=256)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    if not ENVIRONMENT.items() <= os.environ.items():  # read when a process starts
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ENVIRONMENT})
    photos = [like_imagenet(path) for path in sorted(args.photos.iterdir())[:400:8]]
    cv2.setNumThreads(1)
    names: dict[str, Callable[[bytes], object]] = {"goldpan": lambda data: resized(data, OPTIONS), "OpenCV": by_opencv}
    rounds = [{name: milliseconds(work, photos) for name, work in names.items()} for _ in range(args.rounds)]
    for name in names:
        print(f"{name:8s} {statistics.median(each[name] for each in rounds):.2f} ms an image")
    differences = [difference(data) for data in photos]
    print(f"mean difference {np.mean(differences):.2f} of 255, after JPEG")
    print(f"two processes {rate(photos * 40):.0f} images/s")


def like_imagenet(path: Path) -> bytes:
    image = Image.open(path).convert("RGB")
    image = image.resize((500, 375) if image.width >= image.height else (375, 500), Image.Resampling.LANCZOS)
    for quality in range(98, 60, -2):
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality)
        if stream.tell() < 112_000:
            break
    return stream.getvalue()


def by_opencv(data: bytes) -> bytes:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    height, width = pixels.shape[:2]
    size = tuple(round(side * 256 / min(width, height)) for side in (width, height))
    smaller = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", smaller, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def milliseconds(work: Callable[[bytes], object], photos: list[bytes]) -> float:
    started = time.process_time()
    for data in photos:
        work(data)
    return (time.process_time() - started) / len(photos) * 1000


def difference(data: bytes) -> float:
    ours, theirs = (np.asarray(Image.open(io.BytesIO(made))) for made in (resized(data, OPTIONS).data, by_opencv(data)))
    return float(np.abs(ours.astype(int) - theirs).mean())


def rate(photos: list[bytes]) -> float:
    pairs = Sturdy(functools.partial(resized, options=OPTIONS), 2).map_unordered(photos)
    next(pairs)  # they have started
    started = time.perf_counter()
    return sum(1 for _ in pairs) / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
