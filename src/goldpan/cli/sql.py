"""`goldpan sql`."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def sql(workspace: Path, query: str, /, *, json: Annotated[bool, Parameter(negative=())] = False) -> None:
    """Run a read-only DuckDB query over the tables.

    Tables: images, failures, runs, and vectors_<encoder> (any sign but letters and digits becomes _).

    Parameters
    ----------
    workspace:
        The workspace.
    query:
        The SQL, such as "SELECT label, count(*) FROM images GROUP BY 1".
    json:
        Print rows as JSON instead of a table.
    """
    from goldpan.cli.show import write_json
    from goldpan.store.sql import query_tables
    from goldpan.store.workspace import Workspace

    found = query_tables(Workspace(workspace), query)
    names = _unique(found.column_names)
    rows = found.rename_columns(names).to_pylist()
    if json:
        write_json(rows)
        return
    texts = [["" if value is None else str(value) for value in row.values()] for row in rows]
    widths = [max([len(name), *(len(row[i]) for row in texts)]) for i, name in enumerate(names)]
    for row in [names, *texts]:
        line = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")


def _unique(names: list[str]) -> list[str]:
    """Tell columns of one name apart: id, id_1, id_2."""
    met: Counter[str] = Counter()
    found = []
    for name in names:
        found.append(f"{name}_{met[name]}" if met[name] else name)
        met[name] += 1
    return found
