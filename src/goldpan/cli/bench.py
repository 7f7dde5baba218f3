"""`goldpan bench`."""

from __future__ import annotations

import sys
from typing import Any

from cyclopts import App

from goldpan.cli.bench_sisap import sisap
from goldpan.cli.bench_stream import runbook, stream
from goldpan.cli.show import Show, write_json
from goldpan.cli.verb import DEFAULT_SHOW, SHOW, config_command, config_from, shaped, stage_command
from goldpan.stages.bench import laion_like
from goldpan.stages.bench.run import STAGE
from goldpan.stages.experiment.config import BenchRunConfig
from goldpan.stages.experiment.run import run as run_experiment
from goldpan.stages.index.tuning import TuneConfig, tune
from goldpan.web.bench import BenchReportConfig, report

app = App(name="bench", help="Make vector-search benchmarks, run index engines on them, report what came out.")
app.command(stage_command(STAGE, short={"encoder": "-e", "output": "-o"}), name="make")


def _run(*values: Any, show: Show = DEFAULT_SHOW, **fields: Any) -> int:
    from goldpan.stages.experiment.store import Results
    from goldpan.stages.experiment.summary import Summary
    from goldpan.stages.experiment.views import failures, overview

    config = config_from(BenchRunConfig, ["experiment"], values, fields)
    report = run_experiment(config, show.progress())
    summary = Summary(Results(config.output))
    tables = [overview(summary), failures(summary)]
    if show.json:
        write_json(report.as_dict() | {"tables": {table.name: table.records() for table in tables}})
    else:
        show.write(report)
        sys.stdout.write("\n".join(table.text() for table in tables if table.rows))
    return show.code(report)


app.command(
    shaped(_run, BenchRunConfig, ["experiment"], {"output": "-o"}, last=[SHOW], doc=run_experiment.__doc__), name="run"
)
app.command(config_command(BenchReportConfig, report, "results", short={"output": "-o"}), name="report")
app.command(stream, name="stream")
app.command(runbook, name="runbook")
app.command(sisap, name="sisap")
_AS_AUTOFAISS = {
    "max_memory": "--max-index-memory-usage",
    "metric": "--metric-type",
    "max_latency_ms": "--max-index-query-time-ms",
}
_TUNE_FLAGS = {"output": "-o", "engines": "-e"} | _AS_AUTOFAISS
app.command(config_command(TuneConfig, tune, "vectors", short=_TUNE_FLAGS), name="tune")
app.command(
    config_command(laion_like.LaionLikeConfig, laion_like.run, "captions", short={"output": "-o"}), name="laion-like"
)
