"""Results of big-ann's streaming track: the tags an index answered at every step of a runbook that searches.

Datasets `neighbors_step<N>` (int32), N the number of the step from 1; attributes num_searches, `step_<i>` = N for the
i-th search from 0, name, algo, dataset, distance, count, type, run_count, build_time, index_size, search_times.
Source: harsha-simhadri/big-ann-benchmarks ``benchmark/results.py`` and ``benchmark/streaming``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from goldpan.core.errors import ArrayError, FormatError
from goldpan.core.records import Ids
from goldpan.formats import result_file as parts
from goldpan.formats.atomic import replace_file
from goldpan.formats.hdf5_file import reading_hdf5
from goldpan.formats.results_ann import setting_name

_NAME_END = 149  # upstream keeps the end of longer names, for the sake of file systems


@dataclass(frozen=True)
class StreamingResult:
    """The answers of one index over a stream.

    Attributes:
        algo: the library.
        name: the index and its setting.
        dataset: what was searched.
        distance: big-ann's name of the metric: euclidean, ip ...
        steps: tags answered, ``(n_queries, k)`` int64, -1 where fewer were found, by the number of the step.
        build_time: seconds to set up; None if not measured.
        index_size: KiB; None if not measured.
        run_count: runs of which the best was kept.
        search_times: seconds of each search; upstream writes none.
        extra: further attributes.
    """

    algo: str
    name: str
    dataset: str
    distance: str
    steps: dict[int, Ids]
    build_time: float | None = None
    index_size: float | None = None
    run_count: int = 1
    search_times: tuple[float, ...] = ()
    extra: dict[str, parts.Plain] = field(default_factory=dict)


_OWN = ("algo", "name", "dataset", "distance", "build_time", "index_size", "run_count")


def streaming_result_path(
    root: str | Path, runbook: str | Path, dataset: str, count: int, algo: str, arguments: Any
) -> Path:
    """Return where big-ann keeps a result: ``root/neurips23/streaming/runbook/dataset/count/algo/arguments.hdf5``."""
    name = setting_name(arguments)
    folder = Path(root) / "neurips23" / "streaming" / Path(runbook).name / dataset / str(count) / algo
    return folder / f"{name if len(name) <= _NAME_END + 1 else name[-_NAME_END:]}.hdf5"


def write_streaming_result(path: str | Path, result: StreamingResult) -> None:
    """Write a result; the file is there whole or not at all.

    Raises:
        ArrayError: no search, a step below 1, or answers of different shapes.
    """
    import h5py

    tables = {step: parts.stored_ids(ids) for step, ids in sorted(result.steps.items())}
    shapes = {table.shape for table in tables.values()}
    if len(shapes) != 1 or min(tables) < 1:
        raise ArrayError(f"Steps {list(tables)} with answers of shapes {sorted(shapes)}: one shape, steps from 1 on.")
    if result.search_times and len(result.search_times) != len(tables):
        raise ArrayError(f"There are {len(tables)} searches and {len(result.search_times)} times.")
    attributes: dict[str, Any] = {**result.extra, **{name: getattr(result, name) for name in _OWN}}
    attributes |= {"type": "knn", "count": next(iter(shapes))[1], "num_searches": len(tables)}
    attributes["search_times"] = np.array(result.search_times, np.float64)
    attributes |= {f"step_{place}": step for place, step in enumerate(tables)}
    with replace_file(path) as temporary, h5py.File(temporary, "w") as file:
        parts.fill(file, attributes, {f"neighbors_step{step}": table for step, table in tables.items()})


def read_streaming_result(path: str | Path) -> StreamingResult:
    """Read a result.

    Raises:
        FormatError: the answers to a search are missing, or those of two have different numbers of queries.
    """
    where = Path(path)
    with reading_hdf5(where) as file:
        searches = parts.number(where, file, "num_searches")
        steps: dict[int, Ids] = {}
        place = 0
        while place < searches:
            step = int(parts.number(where, file, f"step_{place}"))
            if step in steps or step < 1:
                raise FormatError(where, f"search {place} is step {step}; steps count from 1, each once.")
            steps[step] = parts.read_ids(where, file, f"neighbors_step{step}")
            place += 1
        if len({len(ids) for ids in steps.values()}) > 1:
            raise FormatError(where, "its searches answer different numbers of queries.")
        times = np.asarray(file.attrs.get("search_times", [])).reshape(-1)
        if times.dtype.kind not in "fiu":
            raise FormatError(where, "the attribute search_times must be numbers.")
        known = {
            *_OWN,
            "type",
            "count",
            "num_searches",
            "search_times",
            *(f"step_{place}" for place in range(len(steps))),
        }
        return StreamingResult(
            algo=parts.optional_text(file, "algo") or "",
            name=parts.text(where, file, "name"),
            dataset=parts.optional_text(file, "dataset") or "",
            distance=parts.optional_text(file, "distance") or "",
            steps=steps,
            build_time=parts.optional_number(where, file, "build_time"),
            index_size=parts.optional_number(where, file, "index_size"),
            run_count=int(parts.optional_number(where, file, "run_count") or 1),
            search_times=tuple(times.astype(np.float64).tolist()),
            extra=parts.other_attributes(file, known),
        )
