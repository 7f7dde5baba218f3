"""`goldpan log`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def log(workspace: Path, /, *, json: Annotated[bool, Parameter(negative=())] = False, limit: int | None = None) -> None:
    """Show what ran, when, on what, and how it ended.

    Parameters
    ----------
    workspace:
        The workspace.
    json:
        Print JSON, with configurations and table versions.
    limit:
        Show only the last so many runs.
    """
    from goldpan.cli.show import write_json
    from goldpan.store.workspace import Workspace

    runs = Workspace(workspace).runs.all()
    runs = runs[-limit:] if limit else runs
    if json:
        write_json([run.as_dict() for run in runs])
        return
    for run in runs:
        set_fields = {key: value for key, value in run.config.items() if value not in (None, "", [], False)}
        about = " ".join(f"{key}={value}" for key, value in set_fields.items())[:100]
        counts = f"{run.rows_out:,} of {run.rows_in:,}" if run.rows_in is not None else run.detail or ""
        seconds = f"{run.seconds:.1f} s" if run.seconds is not None else ""
        line = f"{run.started_at:%Y-%m-%d %H:%M:%S} {run.stage:<18} {run.status:<10} {seconds:>9} {counts:<16} {about}"
        sys.stdout.write(line.rstrip() + "\n")
