"""Derive: the truth of part of a base from the truth of all of it, without a vector."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from goldpan import __version__
from goldpan.core.config import Config
from goldpan.core.errors import FormatError, InputError
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Metric, Report, parse_metric
from goldpan.formats.truth import check_meaning, open_truth, read_truth, write_truth
from goldpan.formats.vectors import parse_address
from goldpan.search.compare import compare_truths
from goldpan.search.derive import Derived, derive
from goldpan.stages.truth.compare import comparison_record
from goldpan.stages.truth.output import check_inputs_stay, check_output
from goldpan.stages.truth.sidecar import fingerprint, read_sidecar, write_sidecar


class DeriveConfig(Config):
    """Which truth, and which rows of its base stay."""

    source: str = Field(description="The truth of the whole base.")
    output: Path = Field(description="Where to: .ivecs, .ibin, .npy, .parquet or file.h5[:neighbors].")
    prefix: int | None = Field(None, description="Keep the first N rows of the base.", ge=1)
    keep: Path | None = Field(
        None,
        description="Keep the rows in this file: .npy of row numbers or of a bool a row, or text, a number a line.",
    )
    renumber: bool = Field(False, description="Number neighbors by their place among the rows kept.")
    k: int | None = Field(None, description="Neighbors a query; those of the source by default.", ge=1)
    metric: str | None = Field(
        None, description="What the distances are; as the JSON file beside the truth says, if unset."
    )
    compare: str | None = Field(None, description="A truth of the part, to hold the derived one against.")

    @model_validator(mode="after")
    def _one_part(self) -> DeriveConfig:
        if (self.prefix is None) == (self.keep is None):
            raise InputError("Say which rows stay, with --prefix N or --keep FILE: one of the two.")
        return self


def run_derive(config: DeriveConfig, progress: Progress | None = None) -> Report:
    """Filter the truth of a base down to that of some of its rows; lists that get short end in -1.

    Raises:
        InputError: a file is missing, the output cannot be written, or nothing is kept.
        FormatError: a file is not what its format says.
    """
    started = time.perf_counter()
    progress = progress or Silent()
    progress.start("derive")
    check_inputs_stay(config.output, (config.source, config.compare))
    check_output(config.output, 0)
    metric = _metric_of(config)
    whole = read_truth(config.source, metric)
    keep: int | NDArray[Any] = config.prefix if config.prefix is not None else read_rows(Path(config.keep or ""))
    part = derive(whole.ids, keep=keep, scores=whole.distances, k=config.k, renumber=config.renumber)
    write_truth(config.output, part.ids, part.scores, metric=metric)
    record = _record(config, part, metric)
    if config.compare is not None:
        compared = compare_truths(part.ids, read_truth(config.compare).ids, part.scores)
        record["comparison"] = comparison_record(compared) | {"with": config.compare}
    progress.finish()
    sidecar = write_sidecar(config.output, record)
    depth = record["depth"]
    known = f"{depth['min']} to {depth['max']} of {part.ids.shape[1]} neighbors known"
    return Report(
        "truth derive",
        rows_in=len(part.ids),
        rows_out=len(part.ids),
        seconds=time.perf_counter() - started,
        outputs={str(config.output): f"{len(part.ids):,} queries, {known}", str(sidecar): "how it was derived"},
        details=record,
    )


def read_rows(path: Path) -> NDArray[Any]:
    """Read numbers of rows, or a bool a row.

    Raises:
        InputError: no such file.
        FormatError: it holds something else.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an empty file; `derive` refuses to keep nothing
            rows = np.load(path, allow_pickle=False) if path.suffix == ".npy" else np.loadtxt(path, np.int64, ndmin=1)
    except (ValueError, EOFError) as error:
        raise FormatError(path, f"no row numbers ({error}).") from None
    return np.asarray(rows)


def _metric_of(config: DeriveConfig) -> Metric | None:
    """Return what the distances of the source are: as asked, else as the record beside it says.

    Raises:
        InputError: neither says, and the output would store other values of them than the source.
    """
    told = config.metric or (read_sidecar(config.source) or {}).get("metric")
    if told is not None:
        return parse_metric(told)
    check_meaning(open_truth(config.source), config.output)
    return None


def _record(config: DeriveConfig, part: Derived, metric: Metric | None) -> dict[str, Any]:
    rows = {"prefix": config.prefix} if config.keep is None else {"keep": fingerprint(parse_address(config.keep))}
    depth = part.depth if len(part.depth) else np.zeros(1, np.int64)
    return {
        "derived_from": fingerprint(parse_address(config.source)),
        **rows,
        **({"metric": str(metric)} if metric is not None else {}),
        "renumbered": config.renumber,
        "k": part.ids.shape[1],
        "queries": len(part.ids),
        "depth": {"min": int(depth.min()), "mean": round(float(depth.mean()), 3), "max": int(depth.max())},
        "short_lists": part.short,
        "goldpan": __version__,
    }
