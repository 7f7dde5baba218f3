"""`goldpan acquire`: one command a source."""

from __future__ import annotations

from cyclopts import App

from goldpan.cli.verb import stage_command
from goldpan.stages.acquire import folder, openimages, table, webdataset

app = App(name="acquire", help="Bring images into a workspace; the same command again takes only what is new.")
app.command(stage_command(folder.STAGE, "folder"), name="folder")
app.command(stage_command(table.STAGE, "table"), name=["table", "parquet", "csv"])
app.command(stage_command(webdataset.STAGE, "shards"), name="webdataset")
app.command(stage_command(openimages.STAGE), name="openimages")
