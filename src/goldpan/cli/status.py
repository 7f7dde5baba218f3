"""`goldpan status`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def status(workspace: Path, /, *, json: Annotated[bool, Parameter(negative=())] = False) -> None:
    """Show what a workspace holds: rows of every table, and the last run of every stage.

    Parameters
    ----------
    workspace:
        The workspace.
    json:
        Print JSON.
    """
    from goldpan.cli.show import write_json
    from goldpan.store.overview import overview
    from goldpan.store.workspace import Workspace

    found = overview(Workspace(workspace))
    if json:
        write_json(found)
        return
    lines = [found["path"]]
    lines += [f"  {name:<40} {table['rows']:>12,} rows" for name, table in found["tables"].items()]
    lines += [f"  failed: {count:,} {key}" for key, count in found["failures"].items()]
    lines += [
        f"  {stage:<24} {run['status']:<10} {run['started_at'][:19].replace('T', ' ')}"
        for stage, run in found["stages"].items()
    ]
    sys.stdout.write("\n".join(lines) + "\n")
