"""`goldpan index`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from goldpan.cli.show import write_json
from goldpan.cli.verb import JSON, config_command, config_from, shaped
from goldpan.stages.index.config import (
    IndexAddConfig,
    IndexBuildConfig,
    IndexExportConfig,
    IndexRemoveConfig,
    IndexSearchConfig,
)
from goldpan.stages.index.export import export
from goldpan.stages.index.run import add, build, info, remove, search

_NAMES = ("id", "label", "caption", "uri")

app = App(name="index", help="Build index folders, search them, add and remove rows.")
app.command(config_command(IndexBuildConfig, build, "vectors", short={"output": "-o", "engine": "-e"}), name="build")
app.command(config_command(IndexAddConfig, add, "index", "vectors"), name="add")
app.command(config_command(IndexRemoveConfig, remove, "index", "ids"), name="remove")
app.command(config_command(IndexExportConfig, export, "index", "output"), name="export")


def _search(*values: Any, json: bool = False, **fields: Any) -> None:
    """Search an index for every row of a vector file."""
    config = config_from(IndexSearchConfig, ["index", "queries"], values, fields)
    found = search(config)
    queries = range(len(found.neighbors.ids))
    sys.stderr.write(f"index: {len(queries):,} queries in {found.seconds:.3f} s\n")
    if config.output is not None:
        sys.stderr.write(f"wrote {config.output}\n")
    elif json:
        write_json({"metric": str(found.metric), "results": [list(found.hits(query)) for query in queries]})
    else:
        for query in queries:
            sys.stdout.writelines(_line(query, hit) for hit in found.hits(query))


def _line(query: int, hit: dict[str, Any]) -> str:
    name = "  ".join(str(hit[key]) for key in _NAMES if key in hit)
    return f"{query:>4} {hit['rank']:>3}  {hit['score']:.4f}  {hit['row']}  {name}".rstrip() + "\n"


app.command(
    shaped(_search, IndexSearchConfig, ["index", "queries"], {"output": "-o"}, last=[JSON], doc=_search.__doc__),
    name="search",
)


@app.command(name="info")
def _info(
    index: Annotated[Path, Parameter(help="The index folder.")],
    /,
    *,
    json: Annotated[bool, Parameter(help="Print JSON on stdout.", negative=())] = False,
) -> None:
    """Show what an index folder holds, after checking that its parts belong together."""
    record = info(index)
    if json:
        write_json(record)
    else:
        sys.stdout.writelines(f"{name:>14}  {_plain(value)}\n" for name, value in record.items())


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {item}" for name, item in value.items()) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)
