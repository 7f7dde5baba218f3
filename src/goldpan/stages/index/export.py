"""An index folder of ours as clip-retrieval has them: a faiss file, and metadata whose rows are its vectors."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from goldpan.core.errors import InputError
from goldpan.core.progress import Progress
from goldpan.core.records import Ids, Report
from goldpan.formats.atomic import replace_folder
from goldpan.formats.clip_indices import addressed
from goldpan.formats.index_folder import ROW
from goldpan.formats.sums import SUMS, write_sums
from goldpan.search.engines.adapter import LABELS_FILE
from goldpan.search.engines.faiss import FILE
from goldpan.stages.index.config import IndexExportConfig
from goldpan.stages.index.folder import IndexFolder

if TYPE_CHECKING:
    import pyarrow as pa


def export(config: IndexExportConfig, progress: Progress | None = None) -> Report:
    """Write an index folder of ours in the layout that clip-retrieval serves, where it is one of faiss.

    Raises:
        InputError: the index is not one of faiss, of floats, or the output is there.
        FormatError: its ids or metadata are not those it was written with.
    """
    import faiss
    import pyarrow as pa
    import pyarrow.parquet as pq

    started = time.perf_counter()
    folder = IndexFolder(config.index)
    if not folder.record["engine"].startswith("faiss:") or folder.record["metric"] == "hamming":
        engine = folder.record["engine"]
        raise InputError(f"{config.index} is {engine}; clip-retrieval serves indexes of faiss, of floats.")
    if config.output.exists():
        raise InputError(f"{config.output} is there already; name a folder that is not.")
    ids: Ids = np.load(config.index / LABELS_FILE)
    index = faiss.read_index(str(config.index / FILE))
    for name, value in folder.record["parameters"].items():
        faiss.ParameterSpace().set_index_parameter(index, name, value)
    told = list(folder.metadata()) or [pa.table({ROW: np.sort(ids[ids >= 0])})]
    with replace_folder(config.output) as temporary:
        faiss.write_index(index, str(temporary / f"{config.modality}.index"))
        (temporary / "metadata").mkdir()
        pq.write_table(_in_order(pa.concat_tables(told), ids), temporary / "metadata" / "metadata_0.parquet")
        write_sums(temporary)
    return Report(
        "index",
        rows_in=len(ids),
        rows_out=len(ids),
        seconds=time.perf_counter() - started,
        outputs={str(config.output): f"{config.modality}.index, metadata/, {SUMS}"},
        next_steps=[f"goldpan serve {config.output}"],
    )


def _in_order(told: pa.Table, ids: Ids) -> pa.Table:
    """Return metadata in the order of the index's own numbers; those that were given up have none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    placed = told.take(pc.index_in(pa.array(ids, mask=ids < 0), told[ROW].combine_chunks()))
    columns = {name: placed[name] for name in placed.column_names if name != ROW} or {ROW: placed[ROW]}
    if "uri" in columns:
        where = [addressed(uri) for uri in columns.pop("uri").to_pylist()]
        columns |= {name: pa.array([one[name] for one in where], pa.string()) for name in ("image_path", "url")}
    # clip-retrieval asks the disk for every image_path, also for one that is none.
    if "image_path" in columns:
        columns["image_path"] = pc.fill_null(columns["image_path"], "")
    return pa.table(columns)
