"""`goldpan embed`."""

from __future__ import annotations

from goldpan.cli.verb import stage_command
from goldpan.stages.embed.run import STAGE

embed = stage_command(STAGE, short={"batch_size": "-b", "encoder": "-e"})
