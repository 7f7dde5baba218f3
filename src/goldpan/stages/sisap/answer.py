"""Run an engine on a task: build once, search with every setting, one result file each."""

from __future__ import annotations

import re
import resource
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from goldpan.core.errors import InputError
from goldpan.core.machine import processors
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Metric, Neighbors
from goldpan.formats.results import SisapResult, write_sisap_result, write_sisap_sketches
from goldpan.search.engines.loading import open_index
from goldpan.search.engines.protocol import Index
from goldpan.search.exact import exact_search
from goldpan.search.projections.applying import project_all
from goldpan.search.projections.loading import open_projection
from goldpan.search.sparse import sparse_search
from goldpan.stages.sisap.config import SisapConfig
from goldpan.stages.sisap.data import Question, results_folder
from goldpan.stages.sisap.presets import Task

_QUERY_ROWS = 10_000
Setting = dict[str, float]
Search = Callable[[Setting], Neighbors]


class Built(NamedTuple):
    """A built index: how it is searched, seconds to read the rows and build, and the settings its engine suggests."""

    search: Search
    seconds: float
    ladder: dict[str, tuple[float, ...]]
    metric: Metric


def answer(config: SisapConfig, task: Task, question: Question, progress: Progress) -> tuple[int, int]:
    """Write the results that are missing; return how many were written and how many were there.

    Args:
        config: engine and settings.
        task: the task.
        question: its data.
        progress: told in settings.

    Raises:
        InputError: the engine, or a setting, does not fit; more settings than the task allows.
    """
    assert config.engine is not None  # noqa: S101  the caller looked
    given = [_parsed(text) for text in config.settings]
    known = [setting for setting in given if _path(config, task, question, setting).exists()]
    if given and len(known) == len(given):
        return 0, len(known)
    built = _build(config, task, question)
    settings = given or _from_ladder(built.ladder, task.settings)
    if task.settings is not None and len(settings) > task.settings:
        raise InputError(f"{task.year} {task.task} allows {task.settings} settings an index, not {len(settings)}.")
    missing = [setting for setting in settings if not _path(config, task, question, setting).exists()]
    progress.start("search", len(missing))
    for setting in missing:
        started = time.perf_counter()
        found = built.search(setting)
        seconds = time.perf_counter() - started
        _write(config, task, question, setting, built, found, seconds)
        progress.advance()
    progress.finish()
    return len(missing), len(settings) - len(missing)


def threads_of(config: SisapConfig, task: Task) -> int:
    """Return the threads to use: those asked for, else all that there are and that the task allows."""
    there = processors()
    return config.threads or min(there, task.cpus or there)


def _build(config: SisapConfig, task: Task, question: Question) -> Built:
    if task.year == 2023 and task.task == "B":
        return _build_sketches(config, task, question)
    if task.sparse:
        if config.engine != "flat":
            raise InputError(f"{config.engine} searches dense rows; the sparse rows of this task are for flat alone.")
        return Built(lambda _: sparse_search(question.base, question.queries, task.k), 0.0, {}, task.metric)
    started = time.perf_counter()
    spec, threads = str(config.engine), threads_of(config, task)
    index = open_index(spec, dim=question.base.dim, metric=task.metric, threads=threads, seed=config.seed)
    index.build(question.base)
    seconds = time.perf_counter() - started
    return Built(_searcher(index, task, question), seconds, dict(index.traits.ladder), task.metric)


def _searcher(index: Index, task: Task, question: Question) -> Search:
    depth = min(task.k + task.self_join, question.base.n)  # a row is among its own neighbors

    def search(setting: Setting) -> Neighbors:
        starts = range(0, question.queries.n, _QUERY_ROWS)
        reader = question.queries
        parts = [
            index.search(reader.read(start, min(reader.n, start + _QUERY_ROWS)), depth, **setting) for start in starts
        ]
        found = Neighbors(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
        return found if not task.self_join or task.self_counts else without_self(found, task.k)

    return search


def without_self(found: Neighbors, k: int) -> Neighbors:
    """Return the first k answers of each row but itself; -1 with score nan where there are fewer."""
    own = found.ids == np.arange(len(found.ids))[:, None]
    order = np.argsort(own, axis=1, kind="stable")[:, :k]
    ids, scores = np.where(own, -1, found.ids), np.where(own, np.nan, found.scores)
    return Neighbors(np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1))


def _build_sketches(config: SisapConfig, task: Task, question: Question) -> Built:
    """Learn and make sketches, write them as task B asks, search them exactly."""
    started = time.perf_counter()
    sketch = open_projection(str(config.engine), dim=question.base.dim, metric=task.metric, seed=config.seed)
    if sketch.metric is not Metric.HAMMING or sketch.dim % 8:
        raise InputError(f"{config.engine} makes no sketches of whole words; task B takes one such as thermo:1024.")
    sketch.fit(question.base, Silent())
    base, queries = (project_all(sketch, side, Silent()) for side in (question.base, question.queries))
    seconds = time.perf_counter() - started
    path = _path(config, task, question, {})
    write_sisap_sketches(path.with_name(f"{path.stem}-sketches.h5"), base, queries)
    threads = threads_of(config, task)
    return Built(
        lambda _: exact_search(base, queries, task.k, "hamming", workers=threads).neighbors, seconds, {}, Metric.HAMMING
    )


def _write(
    config: SisapConfig,
    task: Task,
    question: Question,
    setting: Setting,
    built: Built,
    found: Neighbors,
    seconds: float,
) -> None:
    result = SisapResult(
        algo=_algo(config),
        ids=found.ids,
        distances=np.where(found.ids < 0, 0, found.scores),
        buildtime=built.seconds,
        querytime=seconds,
        params=_params(setting),
        extra={"threads": threads_of(config, task), "peakmemory": _peak_bytes()},
        **_names(config, task, question),
    )
    write_sisap_result(_path(config, task, question, setting), result, year=task.year, metric=built.metric)


def _names(config: SisapConfig, task: Task, question: Question) -> dict[str, str | None]:
    if task.in_folder:
        return {"data": task.data, "size": question.size}
    return {"dataset": config.dataset or question.dataset or task.data, "task": task.name}


def _path(config: SisapConfig, task: Task, question: Question, setting: Setting) -> Path:
    name = "-".join(re.sub(r"[^A-Za-z0-9.=]+", "_", text) for text in (_algo(config), _params(setting)) if text)
    return results_folder(config, task, question) / f"{name}.h5"


def _algo(config: SisapConfig) -> str:
    return config.algo or str(config.engine)


def _params(setting: Setting) -> str:
    return ",".join(f"{name}={value:g}" for name, value in setting.items())


def _parsed(text: str) -> Setting:
    try:
        return {name.strip(): float(value) for name, value in (part.split("=") for part in text.split(","))}
    except ValueError:
        raise InputError(f"{text!r} is no setting; write name=number, such as ef=64 or nprobe=8,k_factor=2.") from None


def _from_ladder(ladder: dict[str, tuple[float, ...]], most: int | None) -> list[Setting]:
    """Return all combinations of an engine's ladder, evenly thinned to as many as are allowed."""
    every = [dict(zip(ladder, values, strict=True)) for values in product(*ladder.values())]
    if most is None or len(every) <= most:
        return every
    return [every[round(place)] for place in np.linspace(0, len(every) - 1, most)]


def _peak_bytes() -> int:
    """Return the most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
