"""goldpan: pan web-scale image collections for gold-standard datasets and vector-search benchmarks.

The names below are imported when they are first touched, so that ``import goldpan`` stays light.

    >>> import goldpan, tempfile
    >>> ws = goldpan.Workspace(tempfile.mkdtemp() + "/ws", create=True)
    >>> ws.images.count()
    0
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from goldpan.core.errors import GoldpanError, InputError
    from goldpan.core.records import Metric, Neighbors, Report
    from goldpan.encoders.loading import load_encoder
    from goldpan.formats.convert import convert
    from goldpan.formats.vectors import open_vectors, write_vectors
    from goldpan.imaging.opening import open_image
    from goldpan.search.engines.loading import load_index, open_index
    from goldpan.search.exact import exact_search
    from goldpan.stages.acquire.bulk.files import acquire_files
    from goldpan.stages.acquire.bulk.laion import acquire_laion
    from goldpan.stages.acquire.bulk.sisap import acquire_sisap
    from goldpan.stages.acquire.flickr.run import STAGE as acquire_flickr
    from goldpan.stages.acquire.folder import STAGE as acquire_folder
    from goldpan.stages.acquire.openimages import STAGE as acquire_openimages
    from goldpan.stages.acquire.retrieved import STAGE as retrieve_fetch
    from goldpan.stages.acquire.table import STAGE as acquire_table
    from goldpan.stages.acquire.urls import STAGE as acquire_urls
    from goldpan.stages.acquire.webdataset import STAGE as acquire_webdataset
    from goldpan.stages.bench.laion_like import bench_laion_like
    from goldpan.stages.bench.run import STAGE as bench_make
    from goldpan.stages.embed.run import STAGE as embed
    from goldpan.stages.experiment.run import bench_run
    from goldpan.stages.index.run import index_build
    from goldpan.stages.index.tuning import bench_tune
    from goldpan.stages.project.run import project
    from goldpan.stages.publish.run import publish
    from goldpan.stages.retrieve.caption_index import retrieve_index
    from goldpan.stages.retrieve.database import retrieve_db
    from goldpan.stages.retrieve.embed_captions import embed_captions
    from goldpan.stages.retrieve.filter import STAGE as retrieve_filter
    from goldpan.stages.retrieve.semantic import retrieve_semantic
    from goldpan.stages.retrieve.substring import retrieve_substring
    from goldpan.stages.search.run import search_images
    from goldpan.stages.sisap.run import bench_sisap
    from goldpan.stages.stream.make import bench_runbook
    from goldpan.stages.stream.run import bench_stream
    from goldpan.stages.truth.run import truth
    from goldpan.stages.verify.run import verify
    from goldpan.store.workspace import Workspace
    from goldpan.web.bench import bench_report

_FRONT_DOOR = {
    "GoldpanError": "core.errors:GoldpanError",
    "InputError": "core.errors:InputError",
    "Metric": "core.records:Metric",
    "Neighbors": "core.records:Neighbors",
    "Report": "core.records:Report",
    "Workspace": "store.workspace:Workspace",
    "acquire_files": "stages.acquire.bulk.files:acquire_files",
    "acquire_flickr": "stages.acquire.flickr.run:STAGE",
    "acquire_folder": "stages.acquire.folder:STAGE",
    "acquire_laion": "stages.acquire.bulk.laion:acquire_laion",
    "acquire_openimages": "stages.acquire.openimages:STAGE",
    "acquire_sisap": "stages.acquire.bulk.sisap:acquire_sisap",
    "acquire_table": "stages.acquire.table:STAGE",
    "acquire_urls": "stages.acquire.urls:STAGE",
    "acquire_webdataset": "stages.acquire.webdataset:STAGE",
    "bench_laion_like": "stages.bench.laion_like:bench_laion_like",
    "bench_make": "stages.bench.run:STAGE",
    "bench_report": "web.bench:bench_report",
    "bench_runbook": "stages.stream.make:bench_runbook",
    "bench_sisap": "stages.sisap.run:bench_sisap",
    "bench_stream": "stages.stream.run:bench_stream",
    "bench_run": "stages.experiment.run:bench_run",
    "bench_tune": "stages.index.tuning:bench_tune",
    "convert": "formats.convert:convert",
    "embed": "stages.embed.run:STAGE",
    "embed_captions": "stages.retrieve.embed_captions:embed_captions",
    "exact_search": "search.exact:exact_search",
    "index_build": "stages.index.run:index_build",
    "load_index": "search.engines.loading:load_index",
    "open_index": "search.engines.loading:open_index",
    "load_encoder": "encoders.loading:load_encoder",
    "open_image": "imaging.opening:open_image",
    "open_vectors": "formats.vectors:open_vectors",
    "project": "stages.project.run:project",
    "publish": "stages.publish.run:publish",
    "retrieve_db": "stages.retrieve.database:retrieve_db",
    "retrieve_index": "stages.retrieve.caption_index:retrieve_index",
    "retrieve_fetch": "stages.acquire.retrieved:STAGE",
    "retrieve_filter": "stages.retrieve.filter:STAGE",
    "retrieve_semantic": "stages.retrieve.semantic:retrieve_semantic",
    "retrieve_substring": "stages.retrieve.substring:retrieve_substring",
    "search_images": "stages.search.run:search_images",
    "truth": "stages.truth.run:truth",
    "verify": "stages.verify.run:verify",
    "write_vectors": "formats.vectors:write_vectors",
}

__all__ = [
    "GoldpanError",
    "InputError",
    "Metric",
    "Neighbors",
    "Report",
    "Workspace",
    "acquire_files",
    "acquire_flickr",
    "acquire_folder",
    "acquire_laion",
    "acquire_openimages",
    "acquire_sisap",
    "acquire_table",
    "acquire_urls",
    "acquire_webdataset",
    "bench_laion_like",
    "bench_make",
    "bench_report",
    "bench_run",
    "bench_runbook",
    "bench_sisap",
    "bench_stream",
    "bench_tune",
    "convert",
    "embed",
    "embed_captions",
    "exact_search",
    "index_build",
    "load_encoder",
    "load_index",
    "open_image",
    "open_index",
    "open_vectors",
    "project",
    "publish",
    "retrieve_db",
    "retrieve_fetch",
    "retrieve_filter",
    "retrieve_index",
    "retrieve_semantic",
    "retrieve_substring",
    "search_images",
    "truth",
    "verify",
    "write_vectors",
]


def __getattr__(name: str) -> Any:
    if name not in _FRONT_DOOR:
        raise AttributeError(f"module 'goldpan' has no attribute {name!r}")
    module, _, attribute = _FRONT_DOOR[name].partition(":")
    value = getattr(importlib.import_module(f"goldpan.{module}"), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*_FRONT_DOOR, "__version__"])
