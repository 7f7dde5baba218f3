"""`goldpan retrieve`: image-text pairs of classes, out of large pools."""

from __future__ import annotations

from cyclopts import App

from goldpan.cli.verb import config_command, stage_command
from goldpan.stages.acquire import retrieved
from goldpan.stages.retrieve import caption_index, database, embed_captions, filter, semantic, substring
from goldpan.stages.retrieve.caption_index import CaptionIndexConfig
from goldpan.stages.retrieve.config import EmbedCaptionsConfig, SemanticConfig, SubstringConfig
from goldpan.stages.retrieve.database import DatabaseConfig

app = App(name="retrieve", help="Find image-text pairs of classes in large pools; the same command again goes on.")
app.command(config_command(SubstringConfig, substring.run, short={"output": "-o"}), name="substring")
app.command(config_command(SemanticConfig, semantic.run, short={"output": "-o"}), name="semantic")
app.command(stage_command(filter.STAGE, short={"output": "-o"}), name="filter")
app.command(config_command(EmbedCaptionsConfig, embed_captions.run, short={"folder": "-o"}), name="embed")
app.command(stage_command(retrieved.STAGE, "found"), name="fetch")
app.command(config_command(CaptionIndexConfig, caption_index.run, "metadata", short={"output": "-o"}), name="index")
app.command(config_command(DatabaseConfig, database.run, "metadata", short={"output": "-o"}), name="db")
