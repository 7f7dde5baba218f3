"""What a workspace holds, at a glance: counts a table, failures by reason, the last run of each stage."""

from __future__ import annotations

from collections import Counter
from typing import Any

from goldpan.store.workspace import Workspace


def overview(ws: Workspace) -> dict[str, Any]:
    """Return plain JSON values: ``tables`` (rows, version, what made the vectors), ``failures``, ``stages``."""
    tables: dict[str, dict[str, Any]] = {}
    for name, table in ws.tables().items():
        tables[name] = {"rows": table.count(), "version": table.version}
        if name.startswith("vectors/"):
            about = table.metadata
            tables[name] |= {key: about.get(key) for key in ("encoder", "revision", "dim", "metric", "column")}
    rows = ws.failures.to_table(columns=["stage", "reason"]).to_pylist()
    failures = Counter(f"{row['stage']}: {row['reason']}" for row in rows)
    stages = {}
    for run in ws.runs.all():
        stages[run.stage] = {
            "status": run.status,
            "started_at": run.started_at.isoformat(),
            "rows_in": run.rows_in,
            "rows_out": run.rows_out,
            "failed": run.failed,
        }
    return {
        "path": str(ws.path),
        "tables": tables,
        "failures": dict(sorted(failures.items())),
        "stages": stages,
    }
