"""`goldpan search`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from goldpan.cli.show import write_json
from goldpan.cli.verb import JSON, WORKSPACE, config_from, option, shaped
from goldpan.stages.search.config import SearchConfig
from goldpan.stages.search.run import Answer, run
from goldpan.store.workspace import Workspace

_HTML = option("html", Path | None, "Write a page with the pictures, which opens from disk.", None)


def _search(workspace: Path, *values: Any, json: bool = False, html: Path | None = None, **fields: Any) -> None:
    """Find images by text, image, id or vector; exact."""
    ws = Workspace(workspace)
    answer = run(ws, config_from(SearchConfig, ["text"], values, fields))
    if html is not None:
        from goldpan.web.gallery import write_gallery

        write_gallery(html, ws, [answer])
        sys.stderr.write(f"wrote {html}\n")
    if json:
        write_json(answer.as_dict())
    else:
        sys.stdout.writelines(_lines(answer))


def _lines(answer: Answer) -> list[str]:
    names = [hit.image.get("label") or hit.image.get("caption") or "" for hit in answer.hits]
    return [
        f"{hit.rank:>3}  {hit.score:.4f}  {hit.id}  {name}".rstrip() + "\n"
        for hit, name in zip(answer.hits, names, strict=True)
    ]


search = shaped(_search, SearchConfig, ["text"], {"encoder": "-e"}, first=[WORKSPACE], last=[JSON, _HTML])
