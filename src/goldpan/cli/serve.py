"""`goldpan serve`."""

from __future__ import annotations

from typing import Any

from goldpan.cli.verb import config_from, shaped
from goldpan.web.serve.config import ServeConfig


def _serve(*values: Any, **fields: Any) -> None:
    """Search over HTTP: clip-retrieval's API, an API of our own, and a page; until interrupted."""
    config = config_from(ServeConfig, ["pools"], values, fields)
    from goldpan.web.serve.run import serve as run

    run(config)


serve = shaped(_serve, ServeConfig, ["pools"], {"encoder": "-e"}, doc=_serve.__doc__)
