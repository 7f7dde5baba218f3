"""Results of ann-benchmarks and VIBE: what an index answered to each query, and how long it took.

Datasets `neighbors` (int32, from 0, -1 for none), `distances` (float32, infinity for none), `times` (float32 seconds a
query); attributes algo, name, dataset, distance, count, build_time, best_search_time, candidates, index_size,
run_count, batch_mode; a group `metrics` of what was measured from them. ann-benchmarks keeps one such file a search
setting, VIBE one file an index with a group a setting. big-ann's files have neither times a query nor distances.
Source: erikbern/ann-benchmarks ``results.py`` and ``runner.py``, vector-index-bench/vibe ``results.py``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from goldpan.core.errors import ArrayError, FormatError, UnknownName
from goldpan.core.records import Floats, Ids, Metric, parse_metric
from goldpan.formats import result_file as parts
from goldpan.formats.atomic import replace_file
from goldpan.formats.hdf5_file import attribute, open_hdf5, plain, reading_hdf5
from goldpan.formats.truth_layouts import ANN_BENCHMARKS_TRUTH

if TYPE_CHECKING:
    import h5py

_KNOWN = {"algo", "name", "dataset", "distance", "count", "build_time", "best_search_time", "candidates", "index_size"}
_KNOWN |= {"run_count", "batch_mode"}


@dataclass(frozen=True)
class AnnResult:
    """The answers of one index at one setting.

    Attributes:
        algo: the library.
        name: the index and its setting, as plots label it.
        dataset: what was searched.
        distance: ann-benchmarks' name of the metric: euclidean, angular, hamming, jaccard; VIBE's: cosine, ip ...
        ids: ``(n_queries, k)`` rows of the base from 0, -1 where fewer were found.
        distances: ``(n_queries, k)``, see `write_ann_result`; None where they were not kept.
        times: ``(n_queries,)`` seconds; in a batch the mean for each.
        build_time: seconds; None if not measured.
        best_search_time: mean seconds a query of the fastest run.
        index_size: KiB, as ann-benchmarks counts; None if not measured.
        candidates: mean number of answers a query.
        run_count: runs of which the best was kept.
        batch_mode: all queries were asked at once.
        metrics: what was measured from the answers, by name.
        extra: further attributes.
    """

    algo: str
    name: str
    dataset: str
    distance: str
    ids: Ids
    distances: Floats | None
    times: Floats
    build_time: float | None
    best_search_time: float
    index_size: float | None = None
    candidates: float | None = None
    run_count: int = 1
    batch_mode: bool = True
    metrics: dict[str, float] = field(default_factory=dict)
    extra: dict[str, parts.Plain] = field(default_factory=dict)


def ann_result_path(
    root: str | Path, dataset: str, count: int, algo: str, arguments: Any, *, batch: bool = False
) -> Path:
    """Return where ann-benchmarks keeps a result: ``root/dataset/count/algo[-batch]/arguments.hdf5``."""
    folder = Path(root) / dataset / str(count) / (f"{algo}-batch" if batch else algo)
    return folder / f"{setting_name(arguments)}.hdf5"


def setting_name(arguments: Any) -> str:
    """Return arguments as these tools name files and groups by them: JSON with every other sign an underscore."""
    return re.sub(r"\W+", "_", json.dumps(arguments, sort_keys=True)).strip("_")


def write_ann_result(
    path: str | Path, result: AnnResult, *, metric: str | Metric | None = None, group: str | None = None
) -> None:
    """Write a result; the file is there whole or not at all.

    Args:
        path: the file.
        result: what to write.
        metric: what ``result.distances`` are values of; similarities are stored as distances then. Without it they
            are stored as they are.
        group: name of the setting, as in VIBE; other groups of the file stay.

    Raises:
        ArrayError: shapes that do not agree.
        InputError: a time below 0.
    """
    import h5py

    parts.check_finite(build_time=result.build_time or 0, best_search_time=result.best_search_time)
    where = Path(path)
    tables = _tables(result, None if metric is None else parse_metric(metric))
    attributes: dict[str, Any] = {name: getattr(result, name) for name in sorted(_KNOWN - {"count"})}
    with replace_file(where) as temporary, h5py.File(temporary, "w") as file:
        if group is not None and where.exists():
            with open_hdf5(where) as old:
                for name in set(old) - {group}:
                    old.copy(name, file)
        target = file if group is None else file.create_group(group)
        parts.fill(target, {**result.extra, **attributes, "count": result.ids.shape[1]}, tables)
        parts.fill(target.create_group("metrics"), result.metrics, {})


def _tables(result: AnnResult, metric: Metric | None) -> dict[str, np.ndarray[Any, Any]]:
    ids = parts.stored_ids(result.ids)
    times = np.asarray(result.times, np.float32)
    if times.shape != (len(ids),):
        raise ArrayError(f"There are {len(ids)} queries and times of shape {times.shape}; one a query is needed.")
    tables: dict[str, np.ndarray[Any, Any]] = {"times": times, "neighbors": ids}
    if result.distances is not None:
        values = np.asarray(result.distances, np.float64)
        stored = values if metric is None else ANN_BENCHMARKS_TRUTH.to_stored(metric, values)
        tables["distances"] = parts.stored_distances(stored, ids)
        tables["distances"][ids == -1] = np.inf
    return tables


def ann_result_groups(path: str | Path) -> list[str]:
    """Return the names of the settings in a file of VIBE; none in one of ann-benchmarks."""
    import h5py

    with reading_hdf5(Path(path)) as file:
        return sorted(name for name, item in file.items() if isinstance(item, h5py.Group) and "neighbors" in item)


def read_ann_result(path: str | Path, *, metric: str | Metric | None = None, group: str | None = None) -> AnnResult:
    """Read a result of ann-benchmarks, big-ann or VIBE.

    Args:
        path: the file.
        metric: turn stored distances into values of this metric.
        group: the setting, in a file of VIBE.

    Raises:
        UnknownName: no such setting.
        FormatError: a table or a time is missing, or they do not fit together.
    """
    where = Path(path)
    known = None if metric is None else parse_metric(metric)
    with reading_hdf5(where) as file:
        if group is not None and group not in file:
            raise UnknownName("setting", group, ann_result_groups(where), f"({where})")
        return _read(where, file if group is None else file[group], known)


def _read(path: Path, group: h5py.Group, metric: Metric | None) -> AnnResult:
    ids = parts.read_ids(path, group, "neighbors")
    distances = parts.read_distances(path, group, "distances", ids)
    if distances is not None and metric is not None:
        distances = ANN_BENCHMARKS_TRUTH.from_stored(metric, distances)
    best = parts.number(path, group, "best_search_time")
    times = np.full(len(ids), best)
    if "times" in group:  # big-ann keeps the mean alone
        times = parts.read_table(path, group, "times", "f", 1).astype(np.float64)
    if times.shape != (len(ids),):
        raise FormatError(path, f"there are {len(ids)} queries and {len(times)} times.")
    return AnnResult(
        algo=parts.text(path, group, "algo"),
        name=parts.text(path, group, "name"),
        dataset=parts.optional_text(group, "dataset") or "",
        distance=parts.optional_text(group, "distance") or "",
        ids=ids,
        distances=distances,
        times=times,
        build_time=parts.optional_number(path, group, "build_time"),
        best_search_time=best,
        index_size=parts.optional_number(path, group, "index_size"),
        candidates=parts.optional_number(path, group, "candidates"),
        run_count=int(parts.optional_number(path, group, "run_count") or 1),
        batch_mode=bool(attribute(group, "batch_mode")),
        metrics=_metrics(group),
        extra=parts.other_attributes(group, _KNOWN),
    )


def _metrics(group: h5py.Group) -> dict[str, float]:
    """Return the numbers of the group `metrics` and of the groups in it: ``knn/mean``."""
    import h5py

    found: dict[str, float] = {}
    root = group.get("metrics")
    if not isinstance(root, h5py.Group):
        return found

    def visit(name: str, item: object) -> None:
        for key, value in item.attrs.items() if isinstance(item, h5py.Group) else ():
            number = plain(value)
            if isinstance(number, int | float) and isinstance(key, str):
                found[f"{name}/{key}" if name else key] = float(number)

    visit("", root)
    root.visititems(visit)
    return dict(sorted(found.items()))
