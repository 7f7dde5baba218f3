"""The page of a stream: scores, rates, faults and curves of several engines, one file without network or script."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from goldpan.stages.stream.picture import label_of
from goldpan.stages.stream.run import PICTURE, RECORD
from goldpan.web.gallery import write_page

PAGE = "index.html"


def write_stream_page(folder: Path) -> Path:
    """Write the page of the results in a folder; return its path.

    Raises:
        InputError: it cannot be written there.
    """
    record = json.loads((folder / RECORD).read_text("utf-8"))
    picture = base64.b64encode((folder / PICTURE).read_bytes()).decode()
    page = folder / PAGE
    write_page(
        page,
        "stream.html",
        title=f"goldpan: {record['runbook']['file']} over {record['dataset']['name']}",
        record=record,
        engines=ranked(record["engines"]),
        label_of=label_of,
        show=show_number,
        picture=f"data:image/svg+xml;base64,{picture}",
    )
    return page


def ranked(engines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the engines by score, best first, those without one last."""
    return sorted(engines, key=lambda entry: -1.0 if entry["summary"]["score"] is None else entry["summary"]["score"])[
        ::-1
    ]


def show_number(value: Any, digits: int | None = None) -> str:
    """Return a number as a person reads it: so many digits after the point, else about three; "-" for what is none."""
    if not isinstance(value, int | float):
        return "-"
    if digits is not None:
        return f"{value:,.{digits}f}"
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
