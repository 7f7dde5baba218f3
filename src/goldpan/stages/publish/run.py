"""Publish: a release in the layout that other people's tools read, with its own sums, card and description."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from goldpan.core.config import Config
from goldpan.core.errors import InputError
from goldpan.core.place import Place, on_disk
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Report
from goldpan.formats.atomic import replace_folder
from goldpan.formats.benchmark import LAYOUTS
from goldpan.formats.relayout import relayout
from goldpan.formats.release import read_manifest
from goldpan.formats.seal import seal
from goldpan.stages.stage import make_config


class PublishConfig(Config):
    """What to write, and how."""

    release: Place = Field(description="The release folder, made by: goldpan bench make")
    output: Place = Field(description="The folder to make, or s3://bucket/folder; it must not exist yet.")
    layout: str = Field("ann-benchmarks", description=f"One of {', '.join(LAYOUTS)}.")


def run(config: PublishConfig, progress: Progress | None = None) -> Report:
    """Write a release in another layout; the folder appears whole at the end, or not at all.

    Raises:
        InputError: there is no such release, the output exists, or the layout cannot hold the vectors.
        UnknownName: no such layout.
    """
    manifest = read_manifest(config.release)
    if config.output.exists():
        raise InputError(f"{config.output} exists already; name another folder, or remove it.")
    progress = progress or Silent()
    progress.start(f"publish {config.output}")
    with on_disk(config.release) as release, replace_folder(config.output) as folder:
        seal(folder, relayout(release, folder, manifest, config.layout))
    progress.finish()
    rows = sum(part.rows for part in manifest.sets.values())
    return Report(
        "publish",
        rows_in=rows,
        rows_out=rows,
        outputs={str(config.output): config.layout},
        next_steps=[f"goldpan verify {config.output}"],
    )


def publish(release: str | Path, output: str | Path, layout: str = "ann-benchmarks") -> Report:
    """Write a release in another layout; see `PublishConfig`."""
    return run(make_config(PublishConfig, {"release": release, "output": output, "layout": layout}))
