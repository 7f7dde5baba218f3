"""The report of a demo: what was made, what a search finds, what the benchmark holds, in one page with pictures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from goldpan.formats.release import PICTURE, read_manifest
from goldpan.stages.search.run import Answer
from goldpan.stages.verify.finding import Finding
from goldpan.store.overview import overview
from goldpan.store.workspace import Workspace
from goldpan.web.gallery import cards, write_page


def write_report(
    path: Path,
    ws: Workspace,
    answers: Sequence[Answer],
    findings: Sequence[Finding],
    commands: Sequence[str],
    release: Path,
    seconds: float,
) -> None:
    """Write the page.

    Raises:
        InputError: it cannot be written there.
    """
    picture = base64.b64encode((release / PICTURE).read_bytes()).decode()
    write_page(
        path,
        "report.html",
        title="goldpan demo",
        tables=overview(ws)["tables"],
        answers=[{"answer": answer, "hits": cards(ws, answer)} for answer in answers],
        findings=findings,
        commands=commands,
        manifest=read_manifest(release),
        picture=f"data:image/png;base64,{picture}",
        seconds=seconds,
    )
