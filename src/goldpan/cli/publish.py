"""`goldpan publish`."""

from __future__ import annotations

from goldpan.cli.verb import config_command
from goldpan.stages.publish.run import PublishConfig, run

publish = config_command(PublishConfig, run, "release", short={"output": "-o"})
