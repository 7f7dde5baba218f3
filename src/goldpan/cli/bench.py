"""`goldpan bench`."""

from __future__ import annotations

from cyclopts import App

from goldpan.cli.verb import stage_command
from goldpan.stages.bench.run import STAGE

app = App(name="bench", help="Make vector-search benchmarks.")
app.command(stage_command(STAGE, short={"encoder": "-e", "output": "-o"}), name="make")
