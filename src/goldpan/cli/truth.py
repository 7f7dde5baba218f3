"""`goldpan truth`."""

from __future__ import annotations

from goldpan.cli.verb import config_command
from goldpan.stages.truth.config import TruthConfig
from goldpan.stages.truth.run import run

truth = config_command(TruthConfig, run, "base", "queries", short={"output": "-o"})
