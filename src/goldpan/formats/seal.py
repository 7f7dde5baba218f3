"""Finish a release folder: manifest, card, Croissant description, and the sums over all of it."""

from __future__ import annotations

from pathlib import Path

from goldpan.formats.croissant import write_croissant
from goldpan.formats.release import Manifest, write_card, write_manifest
from goldpan.formats.sums import list_files, sha256_file, write_sums


def seal(folder: Path, manifest: Manifest) -> None:
    """Finish a release: write `release.json`, `README.md`, `croissant.json` and, last, `SHA256SUMS` over all files."""
    write_manifest(folder, manifest)
    write_card(folder, manifest)
    sums = {name: sha256_file(folder / name) for name in list_files(folder)}
    write_croissant(folder, manifest, sums)
    write_sums(folder, known=sums)
