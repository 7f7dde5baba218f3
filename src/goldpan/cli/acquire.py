"""`goldpan acquire`: one command a source."""

from __future__ import annotations

from cyclopts import App

from goldpan.cli.verb import config_command, stage_command
from goldpan.stages.acquire import folder, openimages, table, urls, webdataset
from goldpan.stages.acquire.bulk.config import FilesConfig, LaionConfig, SisapConfig
from goldpan.stages.acquire.bulk.files import run_files
from goldpan.stages.acquire.bulk.laion import run_laion
from goldpan.stages.acquire.bulk.sisap import run_sisap
from goldpan.stages.acquire.flickr import run as flickr

app = App(name="acquire", help="Bring images into a workspace; the same command again takes only what is new.")
app.command(stage_command(folder.STAGE, "folder"), name="folder")
app.command(stage_command(urls.STAGE, "lists"), name="urls")
app.command(stage_command(flickr.STAGE), name="flickr")
app.command(stage_command(table.STAGE, "table"), name=["table", "parquet", "csv"])
app.command(stage_command(webdataset.STAGE, "shards"), name="webdataset")
app.command(stage_command(openimages.STAGE), name="openimages")
app.command(config_command(FilesConfig, run_files, "urls", short={"output": "-o"}), name="files")
app.command(config_command(LaionConfig, run_laion, short={"output": "-o"}), name="laion")
app.command(config_command(SisapConfig, run_sisap, "year", short={"output": "-o"}), name="sisap")
