"""`goldpan project`."""

from __future__ import annotations

from goldpan.cli.verb import config_command
from goldpan.stages.project.config import ProjectConfig
from goldpan.stages.project.run import run

project = config_command(ProjectConfig, run, "base", short={"output": "-o", "spec": "--with"})
