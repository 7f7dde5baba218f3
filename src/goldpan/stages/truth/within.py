"""Range truth: every row of the base within a radius of each query."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from goldpan import __version__
from goldpan.core.errors import InputError
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Report
from goldpan.formats.range_truth import write_range_truth
from goldpan.formats.vectors import FORMATS, format_name, open_vectors, parse_address
from goldpan.search.within import RangeResult, exact_range
from goldpan.stages.truth.config import Exact, metric_of
from goldpan.stages.truth.parts import Parts, in_parts, key_of
from goldpan.stages.truth.sidecar import ACCUMULATION, TIE_RULE, fingerprint, speed, write_sidecar

PART_QUERIES = 4096
_LAYOUTS = ("bin", "ibin", "folder")


class RangeConfig(Exact):
    """Which vectors, how near is near, and where the answers go."""

    base: str = Field(description="Vectors to search.")
    queries: str = Field(description="Vectors to search for.")
    radius: float = Field(
        description="The largest distance that is near, or for ip and cosine the smallest similarity; squared for "
        "sqeuclidean."
    )
    output: Path = Field(description="Where to: big-ann range truth, such as range.bin.")


def run_range(config: RangeConfig, progress: Progress | None = None) -> Report:
    """Find every row of the base within a radius of each query, exactly, and write them as big-ann range truth.

    Raises:
        InputError: a file is missing, the output cannot be written, or the metric does not fit.
        ArrayError: base and queries do not go together, or hold NaN or infinite values.
        FormatError: a file is not what its format says.
    """
    started = time.perf_counter()
    base, queries = open_vectors(config.base), open_vectors(config.queries)
    metric = metric_of(config.metric, base.metric, config.base)
    if config.radius < 0 and not metric.is_similarity:
        raise InputError(f"--radius is a distance under {metric}, 0 or more, not {config.radius}.")
    _check_output(config)
    settings = ["range", config.deciding(but={"output"})]
    key = key_of(settings, (config.base, config.queries))
    parts = Parts(config.output, key, _arrays, lambda arrays: RangeResult(**arrays))

    def search(only: range) -> RangeResult:
        return exact_range(
            base,
            queries.read(only.start, only.stop),
            config.radius,
            metric,
            workers=config.workers,
            memory_bytes=config.memory_mb << 20,
            progress=progress or Silent(),
        )

    lists, resumed = in_parts(queries.n, PART_QUERIES, parts, search)
    found = _joined(lists)
    seconds = time.perf_counter() - started
    write_range_truth(config.output, found.limits, found.ids, found.scores, metric=metric)
    counts = found.counts
    record = {
        "metric": str(metric),
        "radius": config.radius,
        "queries": queries.n,
        "scores": ACCUMULATION,
        "order": f"nearest first, {TIE_RULE}; the border counts",
        "results": len(found.ids),
        "results_a_query": {"min": int(counts.min()), "median": float(np.median(counts)), "max": int(counts.max())},
        "queries_without": int((counts == 0).sum()),
        "base": fingerprint(parse_address(config.base)) | {"rows": base.n, "dim": base.dim},
        "queries_file": fingerprint(parse_address(config.queries)),
        "goldpan": __version__,
        **speed(queries.n - resumed, base.n, seconds),
    }
    sidecar = write_sidecar(config.output, record)
    parts.remove()
    return Report(
        "truth range",
        rows_in=queries.n,
        rows_out=queries.n,
        already_done=resumed,
        seconds=time.perf_counter() - started,
        outputs={str(config.output): f"{len(found.ids):,} rows near {queries.n:,} queries", str(sidecar): "record"},
        details=record,
    )


def _arrays(found: RangeResult) -> dict[str, Any]:
    return {"limits": found.limits, "ids": found.ids, "scores": found.scores}


def _joined(lists: list[RangeResult]) -> RangeResult:
    """Put ranges of queries together, in order."""
    counts = np.concatenate([part.counts for part in lists])
    limits = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return RangeResult(limits, *(np.concatenate([getattr(part, name) for part in lists]) for name in ("ids", "scores")))


def _check_output(config: RangeConfig) -> None:
    path = config.output
    name = format_name(path)
    if name in FORMATS.builtin and name not in _LAYOUTS:
        raise InputError(f"{path}: range truth has one layout, that of big-ann; name it such as {path.stem}.bin.")
    for address in (config.base, config.queries):
        if parse_address(address).path.resolve() == path.resolve():
            raise InputError(f"{path} is read as {address}; name another output, such as range.bin.")
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file, such as {path / 'range.bin'}.")
    try:
        write_range_truth(probe := path.with_name(f".probe-{os.getpid()}"), [0], np.empty(0, np.int64))
        probe.unlink()
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error
