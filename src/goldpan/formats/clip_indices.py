"""What clip-retrieval searches: index folders, and the ``indices.json`` that lists them.

::

    folder/image.index  text.index     faiss files, or folders with populated.index and its lists beside it
           metadata/                   Parquet or Arrow files, a row a vector; or metadata.hdf5
           SHA256SUMS                  where an index of ours was exported: what metadata it was written with
           metadata_reordered.hdf5     by the lists of image.index; ivf_old_to_new_mapping.npy (int64, without a head)
                                       says where each row went

    {"demo": "folder"}                                            or, with options of its own,
    {"demo": {"indice_folder": "folder", "clip_model": "ViT-B/32", "columns_to_return": ["url", "caption"], ...}}
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from goldpan.core.errors import FormatError, InputError
from goldpan.core.records import Ids
from goldpan.formats.json_text import read_json
from goldpan.formats.sums import SUMS, read_sums, sha256_file

Modality = Literal["image", "text"]
MODALITIES: tuple[Modality, ...] = ("image", "text")
USUAL_COLUMNS = ("url", "image_path", "caption", "NSFW")
REORDERED = "metadata_reordered.hdf5"
_MAPPING = "ivf_old_to_new_mapping.npy"
_KNOWN = {
    "indice_folder", "clip_model", "enable_hdf5", "enable_faiss_memory_mapping", "columns_to_return",
    "reorder_metadata_by_ivf_index", "enable_mclip_option", "use_jit", "use_arrow", "provide_safety_model",
    "provide_violence_detector", "provide_aesthetic_embeddings",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ListedIndex:
    """One entry of ``indices.json``.

    Attributes:
        name: of the index.
        folder: where it is; relative ones are looked for beside the file, then from the working directory.
        clip_model: of its vectors, in clip-retrieval's words; None where it is not said.
        columns: of the metadata that answers hold.
        options: all that the entry says.
    """

    name: str
    folder: Path
    clip_model: str | None
    columns: tuple[str, ...]
    options: dict[str, Any]


def read_indices(path: Path) -> dict[str, ListedIndex]:
    """Read ``indices.json``; an option of one entry says nothing about the next.

    Raises:
        InputError: it cannot be read.
        FormatError: it lists no indexes, or an entry is not understood.
    """
    found = read_json(path, "a list of indexes")
    if not isinstance(found, dict) or not found:
        raise FormatError(path, 'it lists no indexes; write {"NAME": "FOLDER"}.')
    return {name: _entry(path, name, entry) for name, entry in found.items()}


def _entry(path: Path, name: str, entry: Any) -> ListedIndex:
    options = {"indice_folder": entry} if isinstance(entry, str) else entry
    if not isinstance(options, dict) or not isinstance(options.get("indice_folder"), str):
        raise FormatError(path, f"{name!r} names no folder; write it as indice_folder.")
    unknown = sorted(set(options) - _KNOWN)
    if unknown:
        raise FormatError(
            path, f"{name!r} has unknown options {', '.join(unknown)}; known: {', '.join(sorted(_KNOWN))}."
        )
    columns = options.get("columns_to_return") or USUAL_COLUMNS
    folder = Path(options["indice_folder"])
    beside = path.parent / folder
    return ListedIndex(name, beside if beside.is_dir() else folder, options.get("clip_model"), tuple(columns), options)


def index_files(folder: Path) -> dict[Modality, Path]:
    """Return the faiss files of a folder by modality; folders of them by their ``populated.index``.

    Raises:
        InputError: there are none.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}; name a workspace, or a folder of an index.")
    found: dict[Modality, Path] = {}
    for modality in MODALITIES:
        path = folder / f"{modality}.index"
        path = path / "populated.index" if path.is_dir() else path
        if path.is_file():
            found[modality] = path
    if not found:
        raise InputError(
            f"{folder} holds neither image.index nor text.index; make one of an index of ours: goldpan index export"
        )
    return found


def metadata_place(folder: Path, *, reordered: bool = False) -> Path:
    """Return where the metadata of an index folder are; in another order, where that is asked for or all there is.

    Raises:
        InputError: nowhere.
    """
    names = ["metadata.hdf5", "metadata"]
    places = [folder / name for name in ([REORDERED, *names] if reordered else [*names, REORDERED])]
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise InputError(f"{folder} holds no metadata/; there would be nothing to show for an answer.")
    return found


def check_metadata(folder: Path) -> None:
    """Refuse metadata that are not those an index was exported with; the index itself is not read for that.

    Raises:
        FormatError: they are others.
    """
    listed = read_sums(folder / SUMS) if (folder / SUMS).is_file() else {}
    for name in (name for name in listed if name.startswith("metadata")):
        if not (folder / name).is_file() or sha256_file(folder / name) != listed[name]:
            raise FormatError(folder, f"{name} is not the one this index was written with; export it again.")


def reordered_rows(folder: Path, n: int) -> Ids:
    """Return where each of n rows of an index went in its reordered metadata, ``(n,)``, mapped from disk.

    Raises:
        InputError: nothing says so.
        FormatError: what says so is of another number of rows.
    """
    path = folder / _MAPPING
    if not path.is_file():
        raise InputError(f"{path} is missing, which says what the rows of {REORDERED} belong to.")
    if path.stat().st_size != 8 * n:
        raise FormatError(path, f"it has {path.stat().st_size:,} bytes; {n:,} rows take {8 * n:,}.")
    return np.memmap(path, np.int64, "r")


def addressed(uri: str | None) -> dict[str, str | None]:
    """Return where an image is in clip-retrieval's columns: `url` of one on the web, `image_path` of any other."""
    on_the_web = (uri or "").startswith(("http:", "https:"))
    return {"image_path": None if on_the_web else uri or None, "url": uri if on_the_web else None}
