"""The answers of one setting, in files that other people's evaluations read, and what became of every query."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from goldpan.core.errors import FormatError
from goldpan.core.records import Floats
from goldpan.formats.ann_benchmarks import DISTANCES
from goldpan.formats.atomic import replace_file
from goldpan.formats.results import AnnResult, SisapResult, ann_result_path, write_ann_result, write_sisap_result
from goldpan.stages.experiment.lane import Lane, file_name
from goldpan.stages.experiment.measure import Scored
from goldpan.stages.experiment.store import Key

_SISAP_YEAR = 2026


def write_answers(lane: Lane, key: Key, scored: Scored) -> str:
    """Write the answers of a series when it is measured first; return the file, within the results.

    Beside ``NAME.hdf5`` in the layout of ann-benchmarks' results lies ``NAME.parquet``: recall, recall with ties and
    seconds of every query. With a SISAP task the answers of batches go to ``sisap/`` too.
    """
    arguments = {"setting": key.setting, "threads": key.threads}
    single = key.mode == "single"
    names = file_name(key.dataset), key.k, file_name(key.engine)
    path = ann_result_path(lane.folder / "answers", *names, arguments, batch=not single)
    if not path.is_file():
        times = scored.timed.each if single else np.full(len(scored.strict), scored.row["seconds"] / len(scored.strict))
        _write_queries(path.with_suffix(".parquet"), scored, times)
        if lane.experiment.sisap_task is not None and not single:
            _write_sisap(lane, key, scored, path.with_suffix(".h5").relative_to(lane.folder / "answers"))
        _write_ann(path, lane, key, scored, times)
    return str(path.relative_to(lane.folder))


def read_recalls(folder: Path, answers: str) -> Floats:
    """Return the recall of every query, ``(n_queries,)``, of answers that `write_answers` wrote.

    Raises:
        FormatError: the file is gone or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = (folder / answers).with_suffix(".parquet")
    try:
        table = pq.read_table(path, columns=["recall"])
    except (OSError, pa.ArrowException) as error:
        raise FormatError(path, f"the recalls of single queries cannot be read ({error}).") from None
    return np.asarray(table["recall"].to_numpy(), np.float64)


def _write_queries(path: Path, scored: Scored, times: Floats) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"recall": scored.strict, "recall_ties": scored.ties, "seconds": times}
    with replace_file(path) as temporary:
        pq.write_table(pa.table(columns), temporary)


def _write_ann(path: Path, lane: Lane, key: Key, scored: Scored, times: Floats) -> None:
    build = lane.build_record()
    size = build.get("memory_bytes")
    found = scored.timed.neighbors
    result = AnnResult(
        algo=key.engine,
        name=f"{key.engine} {key.setting}",
        dataset=key.dataset,
        distance=DISTANCES[lane.data.metric],
        ids=found.ids,
        distances=found.scores,
        times=times,
        build_time=build.get("seconds"),
        best_search_time=float(times.mean()),
        index_size=None if size is None else size / 1024,
        candidates=float((found.ids >= 0).sum(axis=1).mean()),
        batch_mode=key.mode == "batch",
        metrics={name: scored.row[name] for name in ("recall", "recall_ties", "qps")},
        extra={"threads": key.threads, "spec": lane.engine.spec},
    )
    write_ann_result(path, result, metric=lane.data.metric)


def _write_sisap(lane: Lane, key: Key, scored: Scored, name: Path) -> None:
    build: dict[str, Any] = lane.build_record()
    result = SisapResult(
        algo=key.engine,
        ids=scored.timed.neighbors.ids,
        distances=scored.timed.neighbors.scores,
        buildtime=build.get("seconds", 0.0),
        querytime=scored.row["seconds"],
        params=f"{lane.engine.spec} {key.setting} threads={key.threads}",
        dataset=key.dataset,
        task=lane.experiment.sisap_task,
    )
    write_sisap_result(lane.folder / "sisap" / name, result, year=_SISAP_YEAR, metric=lane.data.metric)
