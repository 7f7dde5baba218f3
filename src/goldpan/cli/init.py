"""`goldpan init`."""

from __future__ import annotations

import sys
from pathlib import Path


def init(workspace: Path, /, *, journal: str | None = None) -> None:
    """Make an empty workspace; an existing one is left as it is.

    Parameters
    ----------
    workspace:
        The folder to make, or an address in a bucket: s3://bucket/ws.
    journal:
        Keep people's decisions in this database: postgresql://HOST/DATABASE, or sqlite:////FOLDER/journal.sqlite.
    """
    from goldpan.store.workspace import Workspace

    ws = Workspace(workspace, create=True)
    if journal is not None:
        ws.keep_journal(journal)
    sys.stderr.write(f"workspace {ws.path}\n  next: goldpan acquire folder {ws.path} FOLDER\n")
