"""`goldpan run`."""

from __future__ import annotations

from pathlib import Path

from goldpan.cli.show import Show, write_json


def run(recipe: Path, /, *, show: Show = Show()) -> int:  # noqa: B008  frozen
    """Run the stages of a TOML recipe in order; run again after a kill, it goes on where it was.

    Parameters
    ----------
    recipe:
        The recipe: workspace = "...", then [[stage]] tables with a name and the stage's own fields.
    """
    from goldpan.recipes import read_recipe, run_recipe

    reports = []
    for report in run_recipe(read_recipe(recipe), show.progress()):
        reports.append(report)
        if not show.json:
            show.write(report)
    if show.json:
        write_json([report.as_dict() for report in reports])
    return max((show.code(report) for report in reports), default=0)
