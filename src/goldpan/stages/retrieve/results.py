"""What a retrieval leaves in its folder: chunks of rows, and last of all a summary."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from goldpan.formats.atomic import replace_file
from goldpan.formats.chunks import Layout, write_chunks
from goldpan.formats.class_lists import ClassList

_LISTED = 100


def write_results(
    folder: Path,
    rows: Iterable[dict[str, Any]],
    layout: Layout,
    classes: ClassList,
    counts: Mapping[str, int],
    about: dict[str, Any],
) -> tuple[dict[str, str], dict[str, Any]]:
    """Write chunks, then ``summary.json``; while there is none, the chunks are not whole.

    Args:
        folder: of this run alone.
        rows: drawn once.
        layout: of the chunks.
        classes: that were asked for.
        counts: class -> rows of it, right when all rows were drawn.
        about: more to say.

    Returns:
        The outputs and the details of a report.
    """
    path = folder / "summary.json"
    path.unlink(missing_ok=True)
    chunks = write_chunks(folder, rows, layout)
    sizes = np.array([counts[name] for name in classes.names])
    quartiles = np.percentile(sizes, [25, 50, 75]).tolist()
    details = about | {
        "rows": int(sizes.sum()),
        "classes": len(classes.names),
        "rows_a_class": {"mean": float(sizes.mean()), "25%": quartiles[0], "50%": quartiles[1], "75%": quartiles[2]},
        "classes_without_rows": [name for name in classes.names if not counts[name]][:_LISTED],
        "repeated_names": classes.repeated,
    }
    with replace_file(path) as temporary:
        summary = details | {"per_class": {name: counts[name] for name in classes.names}}
        temporary.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return {str(folder): f"{sizes.sum():,} rows in {len(chunks)} chunk(s), summary.json"}, details
