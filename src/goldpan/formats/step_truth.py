"""The exact answers of a stream: a folder with one big-ann truth for each step of a runbook that searches.

big-ann-benchmarks keeps ``data/<dataset>/<rows>/<runbook file>/step<N>.gt100``, N counting all steps from 1; the ids in
it are tags. DiskANN, which computes them, takes the live tags as a file of its own: uint32 n, uint32 1, uint32 tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from goldpan.core.errors import ArrayError, FormatError, InputError
from goldpan.core.records import Ids, Metric
from goldpan.formats import bigann
from goldpan.formats.atomic import replace_file
from goldpan.formats.mapped import FileMap
from goldpan.formats.runbook import Runbook
from goldpan.formats.truth import Truth, read_truth, write_truth

_NAME = re.compile(r"step(\d+)\.(gt\d*|bin|ibin)")


def step_folder(root: str | Path, dataset: str, rows: int, runbook: str | Path) -> Path:
    """Return where big-ann-benchmarks looks for the truth of a runbook over `rows` rows of a dataset."""
    return Path(root) / dataset / str(rows) / Path(runbook).name


def step_truths(folder: str | Path) -> dict[int, Path]:
    """Return the truth files of a folder by the number of their step, in order.

    Raises:
        InputError: there is no such folder, or it has two files for one step.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"There is no folder {root}.")
    found: dict[int, Path] = {}
    for path in sorted(root.iterdir()):
        name = _NAME.fullmatch(path.name)
        if name and found.setdefault(int(name[1]), path) != path:
            raise InputError(f"{root} has {found[int(name[1])].name} and {path.name} for one step; remove one.")
    return dict(sorted(found.items()))


def read_step_truth(folder: str | Path, step: int, metric: str | Metric | None = None) -> Truth:
    """Read the truth of one step; its ids are tags. See `goldpan.formats.truth.read_truth`.

    Raises:
        InputError: the folder has none for this step.
        FormatError: the file is damaged.
    """
    files = step_truths(folder)
    if step not in files:
        raise InputError(f"{folder} has no truth for step {step}; it has steps {_listed(files)}.")
    return read_truth(files[step], metric)


def write_step_truth(
    folder: str | Path,
    step: int,
    tags: ArrayLike,
    distances: ArrayLike | None = None,
    *,
    metric: str | Metric | None = None,
) -> Path:
    """Write the truth of one step as ``step<N>.gt<k>``, in place of any other of this step; return its path.

    Args:
        folder: where to; made if missing.
        step: number of the step, from 1.
        tags: ``(n_queries, k)`` tags of the nearest live points, best first, -1 where there are fewer.
        distances: ``(n_queries, k)``.
        metric: what `distances` are values of; L2 is stored squared. Without it, as they are.

    Raises:
        ArrayError: shapes differ, or a tag does not fit.
    """
    rows = np.asarray(tags)
    if step < 1 or rows.ndim != 2:
        raise ArrayError(
            f"Steps count from 1 and tags have 2 axes (queries, k), not step {step} of shape {rows.shape}."
        )
    path = Path(folder) / f"step{step}.gt{rows.shape[1]}"
    write_truth(path, rows, distances, metric=metric)
    for other in path.parent.iterdir():
        name = _NAME.fullmatch(other.name)
        if name and int(name[1]) == step and other != path:
            other.unlink()
    return path


def check_steps(folder: str | Path, runbook: Runbook) -> dict[int, Path]:
    """Return `step_truths`, having checked that there is one for every search of a runbook and no other.

    Raises:
        FormatError: a search has no truth, or a step that does not search has one.
    """
    files = step_truths(folder)
    missing = sorted(set(runbook.search_steps) - set(files))
    strange = sorted(set(files) - set(runbook.search_steps))
    if missing:
        raise FormatError(Path(folder), f"no truth for the searches at steps {_listed(missing)}.")
    if strange:
        raise FormatError(Path(folder), f"truth for steps {_listed(strange)}, which do not search: another runbook's.")
    return files


def read_tags(path: str | Path) -> Ids:
    """Read a DiskANN tags file, ``(n,)`` int64.

    Raises:
        InputError: no such file.
        FormatError: its size is not what its header says, or it is no column of tags.
    """
    where = Path(path)
    if not where.is_file():
        raise InputError(f"There is no file {where}.")
    file = FileMap(where)
    n, width = bigann.read_header(where, file)
    if width != 1 or file.size != bigann.HEADER_BYTES + 4 * n:
        problem = f"the header says {n} rows of {width} tags; tags are one a row, and the file has {file.size} bytes."
        raise FormatError(where, problem, offset=0)
    return file.array(np.dtype("<u4"), (n,), bigann.HEADER_BYTES).astype(np.int64)


def write_tags(path: str | Path, tags: ArrayLike) -> None:
    """Write ``(n,)`` whole numbers below 2**32 as a DiskANN tags file.

    Raises:
        ArrayError: other numbers.
    """
    numbers = np.asarray(tags)
    whole = numbers.ndim == 1 and numbers.dtype.kind in "iu"
    if not whole or (numbers.size and not 0 <= numbers.min() <= numbers.max() <= bigann.MAX_COUNT):
        raise ArrayError(f"Tags must be whole numbers from 0 to {bigann.MAX_COUNT} in one axis.")
    with replace_file(path) as temporary:
        temporary.write_bytes(bigann.header(len(numbers), 1) + numbers.astype("<u4").tobytes())


def _listed(steps: Iterable[int]) -> str:
    numbers = [str(step) for step in steps]
    return ", ".join([*numbers[:10], *(["..."] if len(numbers) > 10 else [])]) or "none"
