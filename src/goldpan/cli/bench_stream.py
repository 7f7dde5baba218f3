"""`goldpan bench stream` and `goldpan bench runbook`."""

from __future__ import annotations

from typing import Any

from goldpan.cli.show import Show
from goldpan.cli.verb import DEFAULT_SHOW, SHOW, config_command, config_from, shaped
from goldpan.stages.stream.config import RunbookConfig, StreamConfig
from goldpan.stages.stream.make import run as make_runbook
from goldpan.stages.stream.run import run
from goldpan.web.stream import write_stream_page


def _stream(*values: Any, show: Show = DEFAULT_SHOW, **fields: Any) -> int:
    config = config_from(StreamConfig, ["runbook"], values, fields)
    report = run(config, show.progress())
    report.outputs[str(write_stream_page(config.output))] = "everything on one page"
    return show.report(report)


stream = shaped(_stream, StreamConfig, ["runbook"], {"output": "-o"}, last=[SHOW], doc=run.__doc__)
runbook = config_command(RunbookConfig, make_runbook, "kind", short={"output": "-o"})
