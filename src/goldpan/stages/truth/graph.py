"""Graph: the exact nearest neighbors of every row of a set among the others."""

from __future__ import annotations

import time
from pathlib import Path

from pydantic import Field

from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Report
from goldpan.formats.vectors import open_vectors, parse_address
from goldpan.search.duplicates import find_duplicates
from goldpan.search.exact import ExactResult
from goldpan.search.graph import knn_graph
from goldpan.stages.truth.config import Exact, metric_of
from goldpan.stages.truth.output import check_inputs_stay, check_output, write_exact
from goldpan.stages.truth.parts import exact_parts, in_parts, joined, key_of
from goldpan.stages.truth.sidecar import fingerprint, speed

PART_ROWS = 1 << 16


class GraphConfig(Exact):
    """Which set, how many neighbors, and where they go."""

    base: str = Field(description="The vectors.")
    output: Path = Field(description="Where to: .ivecs, .ibin, .npy, .parquet or file.h5[:allknn].")
    k: int = Field(15, description="Neighbors a row.", ge=1)
    with_self: bool = Field(False, description="Put every row first in its own list, as SISAP's allknn has it.")


def run_graph(config: GraphConfig, progress: Progress | None = None) -> Report:
    """Find the exact k nearest other rows of every row, prove them, and write them.

    Raises:
        InputError: a file is missing, the output cannot be written, or k or the metric does not fit.
        ArrayError: the base holds NaN or infinite values.
        FormatError: the file is not what its format says.
    """
    started = time.perf_counter()
    base = open_vectors(config.base)
    metric = metric_of(config.metric, base.metric, config.base)
    check_inputs_stay(config.output, (config.base,))
    check_output(config.output, base.n - 1)
    settings = ["graph", config.deciding(but={"output"})]
    parts = exact_parts(parse_address(config.output).path, key_of(settings, (config.base,)))

    def search(only: range) -> ExactResult:
        return knn_graph(
            base,
            config.k,
            metric,
            with_self=config.with_self,
            only=only,
            workers=config.workers,
            memory_bytes=config.memory_mb << 20,
            progress=progress or Silent(),
        )

    lists, resumed = in_parts(base.n, PART_ROWS, parts, search)
    found = joined(lists)
    seconds = time.perf_counter() - started
    made_from = {
        "with_self": config.with_self,
        "base": fingerprint(parse_address(config.base)) | {"rows": base.n, "dim": base.dim},
        "duplicates": find_duplicates(base)._asdict(),
    }
    record, outputs = write_exact(config.output, found, metric, made_from, speed(base.n - resumed, base.n, seconds))
    parts.remove()
    return Report(
        "truth graph",
        rows_in=base.n,
        rows_out=base.n,
        already_done=resumed,
        seconds=time.perf_counter() - started,
        outputs=outputs,
        details=record,
    )
