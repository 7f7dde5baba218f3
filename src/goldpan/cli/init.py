"""`goldpan init`."""

from __future__ import annotations

import sys
from pathlib import Path


def init(workspace: Path, /) -> None:
    """Make an empty workspace; an existing one is left as it is.

    Parameters
    ----------
    workspace:
        The folder to make.
    """
    from goldpan.store.workspace import Workspace

    Workspace(workspace, create=True)
    sys.stderr.write(f"workspace {workspace}\n  next: goldpan acquire folder {workspace} FOLDER\n")
