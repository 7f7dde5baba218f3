"""The tasks of SISAP 2025 and 2026: HDF5 files with a base and, beside it, questions and answers.

`train` is the base; groups `itest`, `otest` (queries like and unlike the base) and `test` hold `queries`, `knns` and
perhaps `dists`. `allknn` answers each row of the base, itself among them; of GOOAQ these answers are a file of their
own, ``allknn-benchmark-dev-gooaq.h5``. A folder of 2026 has a `config.json`: filename, data, queries, gt_I (a path or
a list of its parts), sparse. Ids count from 1. `dists` are similarities in descending order, or 1 - similarity;
which, the numbers tell.
Source: sisap-challenges, ``sisap26-python-baseline``, ``sisap2026-julia-example`` and ``sisap26-leaderboard``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from goldpan.core.errors import FormatError, InputError
from goldpan.core.records import Metric
from goldpan.formats.benchmark_parts import checked, choose
from goldpan.formats.benchmark_record import Benchmark
from goldpan.formats.hdf5 import Hdf5Reader
from goldpan.formats.hdf5_file import dataset_names, reading_hdf5
from goldpan.formats.protocol import Address, VectorReader
from goldpan.formats.truth import Truth, read_truth

CONFIG = "config.json"
_ALLKNN = "allknn"


class SisapTask(NamedTuple):
    """Where a task's parts lie; without queries the base asks itself."""

    base: Address
    queries: Address | None
    truth: Address


def file_tasks(path: Path, names: Iterable[str]) -> dict[str, SisapTask]:
    """Return the tasks of a file by the group of their answers.

    Args:
        path: the file.
        names: its datasets.
    """
    there = set(names)
    if "train" not in there:
        return {}
    base = Address(path, "train")
    found: dict[str, SisapTask] = {}
    for group in sorted({name.rpartition("/")[0] for name in there if name.endswith("/knns")}):
        if group == _ALLKNN:
            found[group] = SisapTask(base, None, Address(path, group))
        elif f"{group}/queries" in there:
            found[group] = SisapTask(base, Address(path, f"{group}/queries"), Address(path, group))
    beside = path.with_name(f"{_ALLKNN}-{path.name}")
    if beside.is_file():
        found[_ALLKNN] = SisapTask(base, None, Address(beside))
    return found


def folder_tasks(folder: Path) -> dict[str, SisapTask]:
    """Return the task that a folder's `config.json` names, or those of files with answers beside them.

    Raises:
        FormatError: a `config.json` that names no file of the folder or no answers.
        InputError: its rows are sparse.
    """
    if (folder / CONFIG).is_file():
        return _configured(folder / CONFIG)
    found: dict[str, SisapTask] = {}
    for answers in sorted(folder.glob(f"{_ALLKNN}-*.h5")):
        path = answers.with_name(answers.name.removeprefix(f"{_ALLKNN}-"))
        if path.is_file():
            with reading_hdf5(path) as file:
                tasks = file_tasks(path, dataset_names(file))
            found |= {f"{path.stem}/{group}": task for group, task in tasks.items()}
    return found


def _configured(path: Path) -> dict[str, SisapTask]:
    try:
        config = json.loads(path.read_text("utf-8"))
        name, data, answers = config["filename"], config["data"], config["gt_I"]
        queries, sparse = config.get("queries"), config.get("sparse")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}  # another tool's
    keys = ["/".join(map(str, key)) if isinstance(key, list) else key for key in (data, answers, queries)]
    if not all(isinstance(text, str) for text in (name, *keys[:2])) or not isinstance(keys[2], str | None):
        raise FormatError(path, "filename, data, gt_I and queries must be texts, or lists of texts.")
    file = path.parent / name
    if Path(name).name != name or not file.is_file():
        raise FormatError(path, f"there is no file {name!r} beside it.")
    if sparse:
        raise InputError(f"{file} holds sparse rows: open them with open_sparse, their answers with read_truth.")
    asked = None if keys[2] is None else Address(file, keys[2])
    return {
        str(config.get("dataset_name", file.stem)): SisapTask(Address(file, keys[0]), asked, Address(file, keys[1]))
    }


def read_task(
    path: Path, tasks: dict[str, SisapTask], part: str | None = None, metric: Metric | None = None
) -> Benchmark[VectorReader]:
    """Open a task.

    Args:
        path: the file or folder, for messages.
        tasks: what was found there.
        part: which, where there are several.
        metric: that of the vectors; where None the inner product, which these years compare by.

    Raises:
        UnknownName: no such task.
        InputError: several could be meant.
        FormatError: a damaged file, or answers to another number of queries.
    """
    task = choose(path, part, tasks)
    known = metric or Metric.IP
    base = Hdf5Reader(task.base)
    queries = base if task.queries is None else Hdf5Reader(task.queries)
    return checked(task.truth.path, Benchmark(base, queries, read_truth(task.truth, known), known))


def without_self(truth: Truth) -> Truth:
    """Return the answers of a base to itself without each row's own number, one answer shorter.

    Where a row is not among its own answers (its copies came before it) the last answer goes.
    """
    n, k = truth.ids.shape
    own = truth.ids == np.arange(n)[:, None]
    drop = np.where(own.any(axis=1), own.argmax(axis=1), k - 1)
    keep = np.arange(k) != drop[:, None]
    distances = None if truth.distances is None else truth.distances[keep].reshape(n, k - 1)
    return Truth(truth.ids[keep].reshape(n, k - 1), distances)
