"""The report of an experiment: tables as Markdown and CSV, pictures as SVG, and all of it in one page."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from goldpan.core.config import Config
from goldpan.core.errors import InputError
from goldpan.core.progress import Progress
from goldpan.core.records import Report
from goldpan.formats.atomic import replace_file
from goldpan.stages.experiment.figures import builds_figure, figures
from goldpan.stages.experiment.store import open_results
from goldpan.stages.experiment.summary import Summary
from goldpan.stages.experiment.tables import Table
from goldpan.stages.experiment.views import all_tables, compare
from goldpan.stages.stage import make_config
from goldpan.web.gallery import write_page

_MARKDOWN = "report.md"


class BenchReportConfig(Config):
    """Which results, and where the report goes."""

    results: Path = Field(description="Folder of results that bench run wrote.")
    output: Path = Field(description="Folder of the report: index.html, report.md, CSV and SVG files.")
    against: Path | None = Field(None, description="Other results to compare with.")
    recalls: tuple[float, ...] = Field((0.9, 0.95, 0.99), description="Recalls at which engines are compared.")
    reference: str = Field("", description="Engine that the others are compared with; the first one by default.")

    @field_validator("recalls")
    @classmethod
    def _are_shares(cls, recalls: tuple[float, ...]) -> tuple[float, ...]:
        if not recalls or not all(0 < recall <= 1 for recall in recalls) or len(set(recalls)) < len(recalls):
            raise ValueError("recalls are above 0, 1 at most, and each is named once")
        return recalls


def report(config: BenchReportConfig, progress: Progress | None = None) -> Report:
    """Write a report of results: a page that opens from disk, Markdown, CSV and SVG files.

    Raises:
        InputError: there are no results, or two sets of them have nothing in common.
        FormatError: a file of them is damaged.
        UnknownName: no engine has the name of the reference.
    """
    started = time.perf_counter()
    summary = Summary(open_results(config.results), config.recalls, config.reference)
    if config.output.exists() and not (config.output / _MARKDOWN).is_file():
        if not config.output.is_dir():
            raise InputError(f"{config.output} is a file; name a folder for the report.")
        if any(config.output.iterdir()):
            raise InputError(f"{config.output} holds other things than a report; name another folder.")
    tables = all_tables(summary)
    if config.against is not None:
        other = Summary(open_results(config.against), config.recalls)
        tables += compare(summary, other)
    pictures, built = figures(summary), builds_figure(summary)
    about = _about(config.results)
    title = next((one["experiment"]["title"] for one in about if one["experiment"]["title"]), "Index engines compared")
    flat = [figure for some in pictures.values() for figure in some] + ([built] if built else [])
    # First, as it tells the folder of a report that was killed from one of other things.
    _write(config.output / _MARKDOWN, _markdown(title, summary, tables, [figure.name for figure in flat]))
    for figure in flat:
        _write(config.output / f"{figure.name}.svg", figure.svg)
    for table in tables:
        _write(config.output / f"{table.name}.csv", table.csv())
    page = config.output / "index.html"
    write_page(
        page,
        "bench.html",
        title=title,
        conditions=_conditions(summary),
        machines=[one["machine"] for one in about],
        tables={table.name: table for table in tables},
        pictures=pictures,
        built=built,
    )
    rows = len(summary.rows)
    files = len(flat) + len(tables)
    return Report(
        "bench report",
        rows_in=rows,
        rows_out=rows,
        seconds=time.perf_counter() - started,
        outputs={str(page): f"the report, with {files} CSV and SVG files and report.md beside it"},
    )


def bench_report(**fields: Any) -> Report:
    """Write a report of results; the fields are those of `BenchReportConfig`.

    Example:
        ``goldpan.bench_report(results="results", output="report")``
    """
    return report(make_config(BenchReportConfig, fields))


def _write(path: Path, text: str) -> None:
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _about(results: Path) -> list[dict[str, Any]]:
    """Return what is known of the experiments and their machines, one entry a machine."""
    notes = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((results / "experiments").glob("*.json"))]
    return list({json.dumps(note["machine"], sort_keys=True): note for note in notes}.values())


def _conditions(summary: Summary) -> str:
    """Say in a sentence under which conditions the rows were measured."""
    good = [row for row in summary.rows if row["status"] == "ok"]
    if not good:
        return "Nothing could be measured."
    loads = [load for row in good for load in (row["load_before"], row["load_after"])]
    rounds = len({row["round"] for row in good})
    leaks = "".join(
        f" {about['queries_in_base']:,} queries of {name} are rows of its base."
        for name, about in summary.datasets.items()
        if about["queries_in_base"]
    )
    return (
        f"{len(good):,} measurements in {rounds} round{'' if rounds == 1 else 's'}, engines in turns, each in a "
        f"process of its own; the load of the machine was {min(loads):g} to {max(loads):g}." + leaks
    )


def _markdown(title: str, summary: Summary, tables: list[Table], pictures: list[str]) -> str:
    links = "\n".join(f"![{name}]({name}.svg)" for name in pictures)
    return f"# {title}\n\n{_conditions(summary)}\n\n" + "\n".join(table.markdown() for table in tables) + f"\n{links}\n"
