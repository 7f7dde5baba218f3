"""Range truth of big-ann and DiskANN: all rows of the base within a radius of each query, a list of any length.

int32 queries, int32 total, int32 length of each list, then int32 ids and float32 distances of all lists one after
another, little-endian; DiskANN leaves the distances out. As `total` is 32 bits wide, a file with more than 2**31 - 1
results cannot say so: such lists are refused, on the way in and out. L2 distances are squared.
Source: big-ann-benchmarks ``benchmark/dataset_io.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goldpan.core.errors import ArrayError, FormatError, InputError
from goldpan.core.records import Floats, Ids, Metric, parse_metric
from goldpan.formats.atomic import replace_file
from goldpan.formats.casts import as_float64, cast_rows
from goldpan.formats.mapped import FileMap
from goldpan.formats.truth_layouts import BIGANN_TRUTH

_HEADER_BYTES = 8
MAX_RESULTS = 2**31 - 1


class RangeTruth(NamedTuple):
    """The rows near each query.

    Attributes:
        limits: ``(n_queries + 1,)`` int64; the list of query q is ``limits[q]:limits[q + 1]`` of the others.
        ids: ``(total,)`` int64 rows of the base, from 0.
        distances: ``(total,)`` float64, or None where the file has none; see `read_range_truth`.
    """

    limits: Ids
    ids: Ids
    distances: Floats | None

    def of(self, query: int) -> tuple[Ids, Floats | None]:
        """Return ids and distances of one query."""
        place = slice(int(self.limits[query]), int(self.limits[query + 1]))
        return self.ids[place], None if self.distances is None else self.distances[place]


def read_range_truth(path: str | Path, metric: str | Metric | None = None) -> RangeTruth:
    """Read range truth whole.

    Args:
        path: the file.
        metric: turn stored distances into values of this metric; without it, they come as stored.

    Raises:
        InputError: no such file.
        FormatError: size, header and lengths do not agree, or an id is below 0.
    """
    where = Path(path)
    if not where.is_file():
        raise InputError(f"There is no file {where}.")
    file = FileMap(where)
    counts, total = _counts(where, file)
    start = _HEADER_BYTES + counts.nbytes
    ids = file.array(np.dtype("<i4"), (total,), start).astype(np.int64)
    if total and ids.min() < 0:
        place = int(np.argmax(ids < 0))
        raise FormatError(where, f"result {place} has id {ids[place]}; ids count from 0.", offset=start + 4 * place)
    limits = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
    if file.size == start + 4 * total:
        return RangeTruth(limits, ids, None)
    values = as_float64(file.array(np.dtype("<f4"), (total,), start + 4 * total))
    known = None if metric is None else parse_metric(metric)
    return RangeTruth(limits, ids, values if known is None else BIGANN_TRUTH.from_stored(known, values))


def _counts(path: Path, file: FileMap) -> tuple[NDArray[np.int32], int]:
    """Return the lengths of the lists and their sum, checked against the header and the size of the file."""
    if file.size < _HEADER_BYTES:
        raise FormatError(path, f"{file.size} bytes are too few for the header of {_HEADER_BYTES}.", offset=0)
    queries, total = (int(number) for number in file.array(np.dtype("<i4"), (2,), 0))
    expected = _HEADER_BYTES + 4 * queries + 8 * total
    if queries < 0 or _HEADER_BYTES + 4 * queries > file.size:
        raise FormatError(path, f"the header says {queries} queries; the file has {file.size} bytes.", offset=0)
    counts: NDArray[np.int32] = file.array(np.dtype("<i4"), (queries,), _HEADER_BYTES)
    if queries and counts.min() < 0:
        raise FormatError(path, f"the list has {counts.min()} results.", row=int(np.argmax(counts < 0)))
    summed = int(counts.sum(dtype=np.int64))
    if summed > MAX_RESULTS:
        raise FormatError(path, f"its lists have {summed} results, which the 32-bit header cannot say; split the file.")
    if summed != total or file.size not in (expected, expected - 4 * total):
        problem = f"the header says {queries} queries with {total} results, {expected} bytes in all; its lists have "
        raise FormatError(path, problem + f"{summed} results and the file {file.size} bytes.", offset=0)
    return counts, total


def write_range_truth(
    path: str | Path,
    limits: ArrayLike,
    ids: ArrayLike,
    distances: ArrayLike | None = None,
    *,
    metric: str | Metric | None = None,
) -> None:
    """Write range truth.

    Args:
        path: the file, replaced as a whole.
        limits: where the lists start and end, as `RangeTruth.limits`.
        ids: rows of the base, from 0.
        distances: one an id; None for a file without.
        metric: what `distances` are values of; L2 is stored squared. Without it, as they are.

    Raises:
        ArrayError: shapes that do not agree, an id that int32 does not have, or more than 2**31 - 1 results.
    """
    ends, rows = np.asarray(limits), np.asarray(ids)
    values = None if distances is None else np.asarray(distances, np.float64)
    _check_lists(ends, rows, values)
    if values is not None and metric is not None:
        values = BIGANN_TRUTH.to_stored(parse_metric(metric), values)
    with replace_file(path) as temporary, temporary.open("wb") as file:
        file.write(np.array([len(ends) - 1, len(rows)], "<i4").tobytes())
        file.write(np.diff(ends).astype("<i4").tobytes())
        file.write(cast_rows(rows.astype(np.int64)[:, None], np.dtype("<i4"), 0).tobytes())
        if values is not None:
            file.write(cast_rows(values[:, None], np.dtype("<f4"), 0).tobytes())


def _check_lists(limits: NDArray[Any], ids: NDArray[Any], distances: NDArray[Any] | None) -> None:
    if limits.ndim != 1 or limits.dtype.kind not in "iu" or not len(limits) or limits[0] != 0 or limits[-1] != len(ids):
        raise ArrayError(f"Limits must be whole numbers from 0 to the {len(ids)} results, in one axis.")
    if np.any(np.diff(limits.astype(np.int64)) < 0):
        raise ArrayError("Limits must not go down.")
    if ids.ndim != 1 or ids.dtype.kind not in "iu" or (distances is not None and ids.shape != distances.shape):
        raise ArrayError("Ids must be whole numbers in one axis, and distances, where there are any, one for one.")
    if len(ids) > MAX_RESULTS:
        raise ArrayError(
            f"{len(ids)} results do not fit the format's 32-bit count of {MAX_RESULTS}; split the queries."
        )
    if len(ids) and ids.min() < 0:
        raise ArrayError(f"Result {int(np.argmin(ids))} has id {ids.min()}; ids count from 0.")
