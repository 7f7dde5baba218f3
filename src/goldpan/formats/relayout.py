"""The same benchmark in another layout: what `goldpan publish` does with a release."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from goldpan.formats.ann_benchmarks import file_in
from goldpan.formats.benchmark import CARD, read_benchmark, write_benchmark
from goldpan.formats.release import METADATA, PICTURE, Manifest, SetInfo

_TRUTHS = {"queries": "truth", "learn": "learn_truth"}
_IN_ONE_FILE = {
    "base": "train",
    "queries": "test",
    "truth": "neighbors",
    "learn": "learn",
    "learn_truth": "learn_neighbors",
}


def relayout(source: Path, target: Path, manifest: Manifest, layout: str) -> Manifest:
    """Write the benchmark in `source` to the folder `target`, with its metadata and picture.

    Args:
        source: a release folder, sealed or not.
        target: an empty folder; it still has to be sealed.
        manifest: what is in `source`.
        layout: one of `goldpan.formats.benchmark.LAYOUTS`.

    Returns:
        The manifest of the new folder.

    Raises:
        UnknownName: no such layout.
        InputError: the layout has no file for the vectors' type.
    """
    write_benchmark(target, read_benchmark(source, manifest.metric), layout)
    if (source / METADATA).is_dir():
        shutil.copytree(source / METADATA, target / METADATA)
    if (source / PICTURE).is_file():
        shutil.copyfile(source / PICTURE, target / PICTURE)
    addresses = _addresses(target)
    sets = {
        name: SetInfo(
            rows=part.rows,
            vectors=addresses[name],
            truth=addresses.get(_TRUTHS.get(name, "")),
            metadata=part.metadata,
        )
        for name, part in manifest.sets.items()
    }
    return manifest.model_copy(update={"layout": layout, "sets": sets})


def _addresses(folder: Path) -> dict[str, str]:
    """Return where each role of a benchmark lies within its folder."""
    if (folder / CARD).is_file():
        files: dict[str, str] = json.loads((folder / CARD).read_text("utf-8"))["files"]
        return files
    name = file_in(folder).name
    return {role: f"{name}:{key}" for role, key in _IN_ONE_FILE.items()}
