"""The product on one screen: every stage in order, and recipes, which are lists of stages in TOML.

::

    workspace = "ws"

    [[stage]]
    name = "acquire folder"
    folder = "photos"

    [[stage]]
    name = "embed"
    encoder = "phash:8"
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldpan.core.catalog import Catalog
from goldpan.core.config import Config, read_toml
from goldpan.core.errors import InputError
from goldpan.core.place import place
from goldpan.core.progress import Progress
from goldpan.core.records import Report
from goldpan.stages.stage import Stage, make_config
from goldpan.store.workspace import Workspace

STAGES = Catalog(
    "stage",
    {
        "acquire folder": "goldpan.stages.acquire.folder:STAGE",
        "acquire flickr": "goldpan.stages.acquire.flickr.run:STAGE",
        "acquire table": "goldpan.stages.acquire.table:STAGE",
        "acquire urls": "goldpan.stages.acquire.urls:STAGE",
        "acquire webdataset": "goldpan.stages.acquire.webdataset:STAGE",
        "acquire openimages": "goldpan.stages.acquire.openimages:STAGE",
        "embed": "goldpan.stages.embed.run:STAGE",
        "retrieve fetch": "goldpan.stages.acquire.retrieved:STAGE",
        "retrieve filter": "goldpan.stages.retrieve.filter:STAGE",
        "bench make": "goldpan.stages.bench.run:STAGE",
    },
    group="goldpan.stages",
)


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of a recipe, with its configuration."""

    stage: Stage[Any]
    config: Config


@dataclass(frozen=True, slots=True)
class Recipe:
    """A workspace and what shall be done in it, in order."""

    workspace: Path
    steps: tuple[Step, ...]


def read_recipe(path: Path) -> Recipe:
    """Read and check a whole recipe before anything runs.

    Raises:
        InputError: no such file, an unknown stage or key, or a value that is not allowed; the stage is named.
        FormatError: the file is no TOML.
    """
    content = read_toml(path, "a recipe")
    unknown = set(content) - {"workspace", "stage"}
    if unknown or "workspace" not in content:
        raise InputError(
            f'{path}: a recipe has workspace = "..." and [[stage]] tables, nothing else ({sorted(unknown)}).'
        )
    tables = content.get("stage", [])
    if not isinstance(content["workspace"], str) or not (
        isinstance(tables, list) and all(isinstance(table, dict) for table in tables)
    ):
        raise InputError(f'{path}: workspace is a text, and every stage a table of its own: [[stage]] name = "...".')
    return Recipe(place(content["workspace"]), tuple(_step(path, i, table) for i, table in enumerate(tables, start=1)))


def run_recipe(recipe: Recipe, progress: Progress | None = None) -> Iterator[Report]:
    """Run the stages in order, yielding their reports; run again after a kill, each goes on where it was."""
    ws = Workspace(recipe.workspace, create=True)
    for step in recipe.steps:
        yield step.stage(ws, step.config, progress=progress)


def _step(path: Path, number: int, table: dict[str, Any]) -> Step:
    fields = dict(table)
    name = fields.pop("name", None)
    if not isinstance(name, str):
        raise InputError(f"{path}: stage {number} has no name; known: {', '.join(STAGES.entries())}.")
    stage: Stage[Any] = STAGES.load(name, f"({path}, stage {number})")
    try:
        return Step(stage, make_config(stage.config, fields))
    except InputError as error:
        raise InputError(f"{path}, stage {number} ({name}): {error}") from error
