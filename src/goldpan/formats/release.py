"""What a release folder says of itself: `release.json` for programs, `README.md` for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from goldpan.core.config import Config
from goldpan.core.errors import FormatError, InputError
from goldpan.core.records import Metric

MANIFEST = "release.json"
CARD = "README.md"
PICTURE = "pca.png"
METADATA = "metadata"


class SetInfo(Config):
    """One set of vectors of a release."""

    rows: int
    vectors: str = Field(
        description="Address of the vectors within the folder, such as base.fvecs or bench.hdf5:train."
    )
    truth: str | None = Field(None, description="Address of the ground truth, if the set has one.")
    metadata: str | None = Field(None, description="Parquet file with one row a vector, in the same order.")


class Manifest(Config):
    """Everything a program needs to read a release, and a person to make it again."""

    title: str
    description: str
    license: str = ""
    creator: str = ""
    url: str = ""
    date: str
    goldpan: str
    layout: str
    metric: Metric
    dim: int
    dtype: str
    normalized: bool
    k: int
    sets: dict[str, SetInfo]
    encoder: dict[str, Any] = Field(default={}, description="What made the vectors, as their table says.")
    split: dict[str, Any] = Field(default={}, description="Seed, rule, groups and order of the split.")
    truth: dict[str, Any] = Field(default={}, description="How the ground truth was computed, and its certificate.")
    zero_norm_rows: int = Field(0, description="Rows of zeros that were set to the constant 1/sqrt(d).")
    command: str = Field("", description="The command that makes this release again.")


def read_manifest(folder: Path) -> Manifest:
    """Read `release.json`.

    Raises:
        InputError: the folder is no release.
        FormatError: the file does not say what it must.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"{folder} is not a release (it has no {MANIFEST}); make one with: goldpan bench make")
    try:
        return Manifest(**json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise FormatError(path, f"not a release manifest: {field}: {first['msg']}.") from error
    except (ValueError, TypeError) as error:
        raise FormatError(path, f"not a release manifest: {str(error).splitlines()[0]}") from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `release.json`."""
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, sort_keys=True)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def write_card(folder: Path, manifest: Manifest) -> None:
    """Write `README.md`, with the YAML head that dataset hubs read."""
    (folder / CARD).write_text(card_text(manifest, has_picture=(folder / PICTURE).is_file()), encoding="utf-8")


def card_text(manifest: Manifest, *, has_picture: bool) -> str:
    """Return the card of a release as Markdown."""
    head = ["---", f"license: {manifest.license or 'other'}", "task_categories: [feature-extraction]", "---", ""]
    body = [f"# {manifest.title}", "", manifest.description, ""]
    body += ["| set | vectors | rows | ground truth | metadata |", "|---|---|---|---|---|"]
    body += [
        f"| {name} | `{part.vectors}` | {part.rows:,} | {_code(part.truth)} | {_code(part.metadata)} |"
        for name, part in manifest.sets.items()
    ]
    body += ["", *_facts(manifest), ""]
    if has_picture:
        body += [f"![The first two principal components of the base, by class]({PICTURE})", ""]
    body += ["## Check it", "", "```", "sha256sum -c SHA256SUMS", "goldpan verify .", "```", ""]
    body += ["## Make it again", "", "```", manifest.command, "```", ""]
    return "\n".join(head + body)


def _facts(manifest: Manifest) -> list[str]:
    encoder = manifest.encoder
    unit = ", unit length" if manifest.normalized else ""
    facts = [
        f"- Vectors: {manifest.dim} values of {manifest.dtype}{unit}; compared by **{manifest.metric}**.",
        f"- Ground truth: the exact {manifest.k} nearest base rows of each query, in float64 order, ties by lower row "
        "number; ids are row numbers of the base.",
        f"- Split: {_spoken(manifest.split)}.",
    ]
    if encoder:
        facts.append(f"- Encoder: `{encoder.get('encoder')}` at revision `{encoder.get('revision')}`.")
    if manifest.zero_norm_rows:
        facts.append(f"- {manifest.zero_norm_rows} rows of zeros were set to the constant 1/sqrt(d).")
    if manifest.license:
        facts.append(f"- License: {manifest.license}.")
    return facts


def _spoken(values: dict[str, Any]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in values.items() if value is not None)


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""
