"""Copies of the photos in ImageNetV2's two sizes, and its batches of the smaller ones."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Container, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from goldpan.compute.executor import chunks
from goldpan.compute.sturdy import Lost, Sturdy
from goldpan.core.progress import Progress
from goldpan.formats.atomic import replace_file
from goldpan.formats.flickr_search import Entry, batch_key
from goldpan.imaging.resizing import Resize, resized
from goldpan.store.failures import Failure
from goldpan.store.workspace import Workspace

Size = Literal["scaled", "mturk"]
SIZES: dict[Size, Resize] = {
    "scaled": Resize(image_size=256, resize_mode="fixed", encode_quality=90),
    "mturk": Resize(image_size=500, resize_mode="keep_ratio_largest", encode_quality=90),
}
"""256 x 256 whatever the shape, and the long side at 500, small ones enlarged; JPEG of quality 90."""
_BATCH = 1000


class Original(NamedTuple):
    """A photo of which copies are missing: its id, its bytes, and the sizes."""

    id: str
    data: bytes | Path
    sizes: list[Size]


def copy_path(folder: Path, size: Size, key: str) -> Path:
    """Return where the copy of a photo is."""
    return folder / size / f"{key}.jpg"


def make_copies(
    ws: Workspace, uris: dict[str, str], folder: Path, sizes: Sequence[Size], workers: int | None, progress: Progress
) -> int:
    """Make the copies that are missing; return how many are there then.

    One that cannot be made is a row of `failures`, tried again the next time.

    Args:
        ws: holds the photos.
        uris: address of each photo by its id.
        folder: copies are ``FOLDER/SIZE/ID.jpg``.
        sizes: which copies.
        workers: processes at once; the number of processors where None.
        progress: told of every photo.
    """
    failures = ws.failures_of("acquire flickr", "copies")
    failures.forget(list(failures.reasons()))
    lost: list[Failure] = []
    progress.start("copies")
    try:
        work = partial(_make, folder=folder)
        for original, result in Sturdy[Original, None](work, workers).map_unordered(_missing(ws, uris, folder, sizes)):
            progress.advance(1, isinstance(result, Lost))
            if isinstance(result, Lost):
                lost.append(Failure(original.id, result.reason, result.detail))
    finally:
        failures.add(lost)
        progress.finish()
    return len(uris) * len(sizes) - sum(len(list(_absent(folder, sizes, failure.id))) for failure in lost)


def write_batches(entries: Sequence[Entry], but: Container[str], folder: Path) -> list[Entry]:
    """Pack the scaled copies of each 1,000 entries into ``FOLDER/batches/KEY.tar``; return the entries with the key.

    Args:
        entries: of a search.
        but: ids that belong to no batch.
        folder: of the copies.
    """
    keys: dict[str, str] = {}
    for part in chunks((entry["id_ours"] for entry in entries if entry["id_ours"] not in but), _BATCH):
        key = batch_key(part)
        copies = [copy_path(folder, "scaled", id_) for id_ in part]
        _pack([path for path in copies if path.is_file()], folder / "batches" / f"{key}.tar")
        keys |= dict.fromkeys(part, key)
    return [entry | ({"batch": keys[entry["id_ours"]]} if entry["id_ours"] in keys else {}) for entry in entries]


def _missing(ws: Workspace, uris: dict[str, str], folder: Path, sizes: Sequence[Size]) -> Iterator[Original]:
    for key, uri in uris.items():
        absent = list(_absent(folder, sizes, key))
        if absent:
            yield Original(key, ws.blobs.read(uri), absent)


def _absent(folder: Path, sizes: Sequence[Size], key: str) -> Iterator[Size]:
    return (size for size in sizes if not copy_path(folder, size, key).is_file())


def _make(original: Original, folder: Path) -> None:
    data = original.data if isinstance(original.data, bytes) else original.data.read_bytes()
    for size in original.sizes:
        with replace_file(copy_path(folder, size, original.id)) as temporary:
            temporary.write_bytes(resized(data, SIZES[size]).data)


def _pack(paths: Sequence[Path], target: Path) -> None:
    """Write files into a tar that is the same whenever they are."""
    with replace_file(target) as temporary, tarfile.open(temporary, "w") as tar:
        for path in paths:
            data = path.read_bytes()
            info = tarfile.TarInfo(path.name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
