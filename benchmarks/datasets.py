"""Write datasets to measure with: seeded ones, and encoder outputs over crops of real photos.

    python benchmarks/datasets.py A data/A [--rows 1000000] [--queries 10000] [--format fvecs] [--seed 1234]
    python benchmarks/datasets.py real data/real --photos DIR [--encoder onnx:DIR] [--rows 200000] [--queries 1000]

The first writes base, queries and learn (and labels.npy) of a dataset of `goldpan.search.synthetic`, block by block: a
million rows of 768 values take no more memory than 8,192. `--format` is fvecs, fbin, npy or h5 for floats, u8bin or npy
for bytes; I, which is sparse, becomes one HDF5 file of CSR groups as the SISAP challenges have them.

The second cuts random crops (8 to 100 % of a photo's area, sides 3:4 to 4:3, half of them mirrored) and encodes
them. Rows are in the order of photos; labels.npy holds each row's photo. Chunks of 2,000 rows stay beside the
output, so a run that was killed goes on. On two processors of 2022, 10,000 rows of a MobileNet-v2 take 90 to 120 s
(200,000 rows: 30 to 40 minutes), of `pixels:16` about 4 s.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from goldpan.formats.atomic import replace_file
from goldpan.formats.sparse import write_sparse
from goldpan.formats.vectors import write_vectors
from goldpan.search.generators.protocol import BLOCK_ROWS, ModelReader
from goldpan.search.synthetic import RANDOM_XS, SPARSE, TABLE, open_dataset, open_readers

CHUNK = 2000


def write_dataset(name: str, folder: Path, suffix: str | None = None, **sizes: int | float | None) -> list[Path]:
    """Write the parts of a seeded dataset as folder/base.SUFFIX and so on; return the files."""
    if name.lower() == RANDOM_XS:
        made = open_dataset(name)
        parts = {"base": made.base, "queries": made.queries}
        np.save(_in(folder) / "labels.npy", made.labels)
        return [_write(folder / f"{part}.{suffix or 'fvecs'}", rows, [rows]) for part, rows in parts.items()]
    readers = open_readers(name, **sizes)
    _in(folder)
    if readers.name == SPARSE:
        path = folder / "sparse.h5"
        for group, part in {"train": "base", "itest/queries": "queries", "otest/queries": "learn"}.items():
            reader = getattr(readers, part)
            write_sparse(f"{path}:{group}", _blocks(reader, []), dim=reader.dim, n=reader.n)
        return [path]
    suffix = suffix or ("u8bin" if readers.base.dtype == np.uint8 else "fvecs")
    files = []
    for part in ("base", "queries", "learn"):
        labels: list[np.ndarray] = []
        reader = getattr(readers, part)
        files.append(_write(folder / f"{part}.{suffix}", reader, _blocks(reader, labels)))
        if labels and part == "base":
            np.save(folder / "labels.npy", np.concatenate(labels))
    return files


def _in(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write(path: Path, table: np.ndarray | ModelReader, blocks: Iterator[np.ndarray] | list[np.ndarray]) -> Path:
    n, dim = table.shape if isinstance(table, np.ndarray) else (table.n, table.dim)
    write_vectors(path, blocks, dim=dim, dtype=table.dtype, n=n)
    return path


def _blocks(reader: ModelReader, labels: list[np.ndarray]) -> Iterator[np.ndarray]:
    for block in range(-(-reader.n // BLOCK_ROWS)):
        drawn = reader.draw(block)
        if drawn.labels is not None:
            labels.append(drawn.labels)
        yield drawn.rows


def write_real(arguments: argparse.Namespace) -> list[Path]:
    """Encode random crops of photos, chunk by chunk; return the files."""
    from goldpan.encoders.loading import load_encoder

    photos = sorted(path for path in arguments.photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    encoder = load_encoder(arguments.encoder)
    folder = _in(arguments.folder)
    record = {"encoder": arguments.encoder, "revision": encoder.revision, "photos": len(photos)}
    files = []
    for part, rows in (("base", arguments.rows), ("queries", arguments.queries)):
        made = record | {"rows": rows, "seed": [arguments.seed, part == "queries"]}
        parts = _in(folder / f"{part}.parts")
        (parts / "made.json").write_text(_same(parts / "made.json", json.dumps(made)))
        starts = range(0, rows, CHUNK)
        for start in starts:
            _encode_chunk(encoder, photos, range(start, min(rows, start + CHUNK)), made, parts / f"{start:09d}.npy")
        blocks = (np.load(parts / f"{start:09d}.npy") for start in starts)
        path = folder / f"{part}.{'u8bin' if encoder.dtype == 'uint8' else 'fvecs'}"
        write_vectors(path, blocks, dim=encoder.dim, dtype=encoder.dtype, n=rows)
        files.append(path)
        if part == "base":
            np.save(folder / "labels.npy", np.arange(rows) * len(photos) // rows)
    return files


def _same(path: Path, wanted: str) -> str:
    if path.exists() and path.read_text() != wanted:
        raise SystemExit(f"{path.parent} holds chunks of another run ({path.read_text()}); remove it or name a folder.")
    return wanted


def _encode_chunk(encoder: object, photos: list[Path], rows: range, made: dict, path: Path) -> None:
    if path.exists():
        return
    started = time.perf_counter()
    numbers = np.array(rows) * len(photos) // made["rows"]

    def crops(number: int) -> list[np.ndarray]:
        from goldpan.imaging.opening import open_image

        photo = open_image(photos[number]).image
        return [encoder.prepare(crop(photo, [*made["seed"], row])) for row in np.array(rows)[numbers == number]]

    batch, vectors = encoder.batch_size, []
    with ThreadPoolExecutor(encoder.concurrency) as pool:
        inputs: list[np.ndarray] = []
        for prepared in pool.map(crops, np.unique(numbers)):
            inputs += prepared
            whole = len(inputs) // batch * batch
            vectors += pool.map(encoder.encode, [np.stack(inputs[i : i + batch]) for i in range(0, whole, batch)])
            inputs = inputs[whole:]
        if inputs:
            vectors.append(encoder.encode(np.stack(inputs)))
    with replace_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, np.concatenate(vectors))
    print(f"{path}: {len(rows)} rows, {len(rows) / (time.perf_counter() - started):.0f} a second", flush=True)


def crop(photo: Image.Image, seed: list[int]) -> Image.Image:
    """Return a random crop of a photo."""
    rng = np.random.default_rng([int(part) for part in seed])
    area, ratio = rng.uniform(0.08, 1.0), np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
    width = min(photo.width, max(8, round(np.sqrt(photo.width * photo.height * area * ratio))))
    height = min(photo.height, max(8, round(np.sqrt(photo.width * photo.height * area / ratio))))
    left, top = rng.integers(0, photo.width - width + 1), rng.integers(0, photo.height - height + 1)
    cut = photo.crop((left, top, left + width, top + height))
    return cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else cut


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=[*TABLE, RANDOM_XS, "real"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--queries", type=int)
    parser.add_argument("--dim", type=int)
    parser.add_argument("--offset", type=float, help="of J")
    parser.add_argument("--seed", type=int, default=1234)
    parser.add_argument("--format", help="fvecs, fbin, npy, h5, u8bin")
    parser.add_argument("--photos", type=Path, default=Path("../shared/data/imagenet1k"), help="for real")
    parser.add_argument("--encoder", default="onnx:../shared/models/dual-encoder", help="for real")
    arguments = parser.parse_args()
    if arguments.name == "real":
        arguments.rows, arguments.queries = arguments.rows or 200_000, arguments.queries or 1000
        files = write_real(arguments)
    else:
        sizes = {"n": arguments.rows, "n_queries": arguments.queries, "dim": arguments.dim, "offset": arguments.offset}
        files = write_dataset(arguments.name, arguments.folder, arguments.format, seed=arguments.seed, **sizes)
    for path in files:
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
