"""Make a runbook: plan the stream, write it, and write the order of the rows beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import FormatError, InputError
from goldpan.core.progress import Progress
from goldpan.core.records import Metric, Report, parse_metric
from goldpan.formats.atomic import replace_file
from goldpan.formats.runbook import Delete, Insert, Replace, Runbook, Search, Step, read_runbook, write_runbook
from goldpan.formats.vectors import open_vectors, parse_address
from goldpan.search.runbooks.groups import cluster_rows, plan_class_drift, plan_clustered, plan_replace
from goldpan.search.runbooks.plan import Operation, Plan
from goldpan.search.runbooks.rounds import plan_expiration, plan_iid, plan_sliding
from goldpan.stages.stage import make_config
from goldpan.stages.stream.config import RunbookConfig
from goldpan.stages.stream.data import ORDER_SUFFIX

_OWN = ("initial", "share", "consolidate_every", "seed")
_SETTINGS: dict[str, tuple[str, ...]] = {
    "iid": ("rounds", *_OWN),
    "sliding": ("batches",),
    "expiration": ("batches", "lifetimes", "ratios", "seed"),
    "clustered": ("rounds", "clusters", "seed", "base", "metric"),
    "replace": ("clusters", "source", "seed", "base", "metric"),
    "class-drift": (*_OWN, "labels"),
}
_COUNTED: dict[str, Callable[..., Plan]] = {"iid": plan_iid, "sliding": plan_sliding, "expiration": plan_expiration}
_CLUSTERS = {"clustered": 64, "replace": 32}
_STEPS: dict[str, Callable[..., Step]] = {kind.operation: kind for kind in (Insert, Delete, Replace, Search)}


def run(config: RunbookConfig, progress: Progress) -> Report:
    """Make a runbook of a published protocol, or of ours for classes that follow each other.

    A runbook speaks of ranges of rows; where the protocol draws rows at random or by group, the order that makes each
    operation one range goes beside it as .order.npy, which `goldpan bench stream` takes.

    Raises:
        InputError: a setting does not belong to the kind, or is out of range; base or labels are missing.
    """
    started = time.perf_counter()
    _check_output(config.output)
    progress.start("runbook", 1)
    plan = _plan(config, _given(config))
    steps = tuple(_step(operation) for operation in plan.operations)
    order_file = config.output.with_suffix(ORDER_SUFFIX)
    if plan.order is not None:
        with replace_file(order_file) as temporary, temporary.open("wb") as file:
            np.save(file, plan.order, allow_pickle=False)
    write_runbook(config.output, Runbook(config.name, plan.max_pts, steps))
    made = read_runbook(config.output, config.name)
    progress.advance()
    progress.finish()
    counts = {name: sum(step.operation == name for step in steps) for name in _STEPS}
    listed = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    outputs = {str(config.output): f"{listed}; up to {made.max_pts:,} points live"}
    if plan.order is not None:
        outputs[str(order_file)] = "row i of the stream is this row of the base"
    return Report(
        "bench runbook",
        rows_in=made.rows,
        rows_out=made.rows,
        seconds=time.perf_counter() - started,
        outputs=outputs,
        details={"kind": config.kind, "max_pts": made.max_pts, "steps": len(steps), **counts},
        next_steps=[
            f"goldpan bench stream {config.output} --dataset BASE --queries QUERIES --engine hnswlib -o results"
        ],
    )


def bench_runbook(**fields: Any) -> Report:
    """Make a runbook; the fields are those of `RunbookConfig`.

    Example:
        ``goldpan.bench_runbook(kind="iid", n=10_000, output="iid.yaml")``
    """
    from goldpan.core.progress import Silent

    return run(make_config(RunbookConfig, fields), Silent())


def _check_output(output: Path) -> None:
    if output.suffix not in (".yaml", ".yml"):
        raise InputError(f"{output} is no runbook; name a .yaml file.")
    old = output.with_suffix(ORDER_SUFFIX)
    if output.exists() or old.exists():
        raise InputError(f"{output if output.exists() else old} exists already; name another file, or remove it first.")


def _given(config: RunbookConfig) -> dict[str, Any]:
    """Return the settings that were given, having looked that the kind has them."""
    given = config.model_dump(exclude={"kind", "output", "n", "name"}, exclude_none=True)
    known = _SETTINGS[config.kind]
    for name in given:
        if name not in known:
            flags = ", ".join(f"--{setting.replace('_', '-')}" for setting in known)
            raise InputError(f"A runbook of kind {config.kind} has no --{name.replace('_', '-')}; it has -n, {flags}.")
    return given


def _plan(config: RunbookConfig, given: dict[str, Any]) -> Plan:
    if config.kind in _COUNTED:
        if config.n is None:
            raise InputError(f"A runbook of kind {config.kind} needs the number of rows: -n 10000.")
        return _COUNTED[config.kind](config.n, **given)
    if config.kind == "class-drift":
        labels = read_labels(given.pop("labels", None))
        _check_count(config, len(labels), "labels")
        return plan_class_drift(labels, **given)
    base, metric = _base(given.pop("base", None), given.pop("metric", None))
    _check_count(config, len(base) if isinstance(base, np.ndarray) else base.n, "base")
    clusters = given.pop("clusters", _CLUSTERS[config.kind])
    groups = cluster_rows(base, clusters, packed=metric is Metric.HAMMING, seed=given.get("seed", 0))
    return plan_clustered(groups, **given) if config.kind == "clustered" else plan_replace(groups, **given)


def _base(address: str | None, metric: str | None) -> tuple[Any, Metric | None]:
    from goldpan.search.synthetic import RANDOM_XS, open_dataset

    if address is None:
        raise InputError("This kind of runbook follows clusters of the vectors: name them with --base FILE.")
    if address == RANDOM_XS:
        return open_dataset(RANDOM_XS).base, None
    reader = open_vectors(address)
    return reader, parse_metric(metric) if metric else reader.metric


def read_labels(address: str | None) -> NDArray[Any]:
    """Read one label a row from .txt (a line each), .npy or .parquet (column ``label``, or the one after a colon).

    Raises:
        InputError: there is no such file, or no such column.
        FormatError: it holds no labels.
    """
    if address is None:
        raise InputError(
            "A class-drift runbook follows classes: name them with --labels FILE (.txt, .npy or .parquet)."
        )
    where = parse_address(address)
    if not where.path.is_file():
        raise InputError(f"There is no file {where.path}.")
    try:
        if where.path.suffix == ".npy":
            labels = np.asarray(np.load(where.path, allow_pickle=False))
        elif where.path.suffix == ".parquet":
            labels = _column(where.path, where.key or "label")
        else:
            labels = np.array(where.path.read_text("utf-8").splitlines())
    except (ValueError, OSError) as error:  # of Arrow too
        raise FormatError(where.path, f"its labels cannot be read ({str(error).splitlines()[0]}).") from None
    if labels.ndim != 1 or not len(labels):
        raise FormatError(where.path, f"labels are one column with a row a label, not of shape {labels.shape}.")
    return labels


def _column(path: Path, name: str) -> NDArray[Any]:
    import pyarrow.parquet as pq

    names = pq.read_schema(path).names
    if name not in names:
        raise InputError(f"{path} has no column {name!r}; it has: {', '.join(names)}.")
    column = pq.read_table(path, columns=[name])[name]
    if column.null_count:
        raise InputError(f"{path}: {column.null_count} of {len(column)} rows have no {name}; every row needs a class.")
    return np.array([str(value) for value in column.to_pylist()])


def _check_count(config: RunbookConfig, rows: int, what: str) -> None:
    if config.n is not None and config.n != rows:
        raise InputError(f"-n is {config.n}, but there are {rows} rows of {what}; leave -n out.")


def _step(operation: Operation) -> Step:
    name, *values = operation
    return _STEPS[name](*values)
