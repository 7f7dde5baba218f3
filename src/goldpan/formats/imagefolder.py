"""ImageFolder: a folder a class that holds its images, and ``metadata.json`` beside them, as unmet-promise leaves it.

::

    folder/great white shark/1f3a....jpg     the class, by a name that every file system takes; the id
           metadata.json                     {id: {similarity, QUERY, caption, url, sha256, width, height, ...}}
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from goldpan.core.errors import ImageError, Reason
from goldpan.formats.atomic import replace_file
from goldpan.formats.img2dataset.bodies import class_folder

_AT_ONCE = 64
_SUFFIXES = {"JPEG": "jpg", "TIFF": "tif"}
ReadAll = Callable[[Sequence[str]], Iterable[bytes | Path | ImageError]]


class Picture(NamedTuple):
    """An image on its way to the folder of its class.

    Attributes:
        id: names its file.
        uri: where its bytes are.
        path: of its file, within the folder.
        about: what ``metadata.json`` says of it.
    """

    id: str
    uri: str
    path: Path
    about: dict[str, Any]

    @classmethod
    def of(cls, row: dict[str, Any]) -> Picture:
        """Return the picture of a row of `images`."""
        extra = json.loads(row["extra"] or "{}")
        kind = row["format"] or ""
        suffix = f".{_SUFFIXES.get(kind, kind.lower())}"
        name = class_folder(row["id"].removesuffix(suffix)) + suffix
        size = {"width": row["width"], "height": row["height"]}
        about = {
            "similarity": extra.get("similarity"),
            "QUERY": row["label"],
            "caption": row["caption"],
            "url": extra.get("url"),
            "sha256": row["sha256"],
            **size,
            **{f"original_{side}": extra.get(f"original_{side}", value) for side, value in size.items()},
        }
        return cls(row["id"], row["uri"], Path(class_folder(row["label"])) / name, about)


class Written(NamedTuple):
    """What there is in the folder.

    Attributes:
        images: files of it.
        repeated: pictures that were left out since their class has the same bytes already.
        lost: pictures whose bytes cannot be read, and why.
    """

    images: int
    repeated: int
    lost: list[tuple[str, ImageError]]


def write_imagefolder(folder: Path, pictures: Iterable[Picture], read_all: ReadAll) -> Written:
    """Write pictures to the folders of their classes; each file appears whole, those that are there are left alone.

    Args:
        folder: made where it is not there.
        pictures: within a class, the first of those with the same bytes is taken.
        read_all: gives the bytes behind addresses, or files that hold them.
    """
    seen: set[tuple[str, str]] = set()
    lost: list[tuple[str, ImageError]] = []
    images = repeated = 0

    def new() -> Iterator[Picture]:
        nonlocal repeated
        for picture in pictures:
            key = str(picture.path.parent), picture.about["sha256"]
            repeated += key in seen
            if key not in seen:
                seen.add(key)
                yield picture

    rest = new()
    with replace_file(folder / "metadata.json") as temporary, temporary.open("w", encoding="utf-8") as about:
        while some := list(islice(rest, _AT_ONCE)):
            failed = dict(_write_missing(folder, some, read_all))
            lost += failed.items()
            for picture in some:
                if picture.id not in failed:
                    about.write(f"{',' if images else '{'}\n{json.dumps(picture.id)}: {json.dumps(picture.about)}")
                    images += 1
        about.write("\n}\n" if images else "{}\n")
    return Written(images, repeated, lost)


def _write_missing(folder: Path, pictures: Sequence[Picture], read_all: ReadAll) -> Iterator[tuple[str, ImageError]]:
    """Write those that are not there; yield which cannot be read."""
    missing = [picture for picture in pictures if not (folder / picture.path).is_file()]
    for picture, data in zip(missing, read_all([each.uri for each in missing]), strict=True):
        if isinstance(data, ImageError):
            yield picture.id, data
        elif isinstance(data, Path) and not data.is_file():
            yield picture.id, ImageError(Reason.MISSING_FILE, f"no file {data}")
        else:
            with replace_file(folder / picture.path) as temporary:
                if isinstance(data, bytes):
                    temporary.write_bytes(data)
                else:
                    shutil.copyfile(data, temporary)
