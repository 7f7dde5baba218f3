"""Play a runbook against engines: truth first, then each engine in a process of its own, then the scores."""

from __future__ import annotations

import contextlib
import hashlib
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from goldpan import __version__
from goldpan.core.errors import InputError, Reason, UnknownName
from goldpan.core.locks import hold
from goldpan.core.machine import processors
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Report
from goldpan.formats.runbook import Runbook, read_runbook
from goldpan.stages.stage import make_config
from goldpan.stages.stream.config import StreamConfig
from goldpan.stages.stream.data import Data, load_data
from goldpan.stages.stream.engine_run import (
    NOT_PLAYED,
    play_engine,
    read_answers,
    read_done,
    read_recorded,
    run_key,
    score_engine,
    slug,
    write_bigann,
)
from goldpan.stages.stream.gold import Drift, Gold, compute_gold, drifts, given_gold
from goldpan.stages.stream.picture import draw_stream
from goldpan.stages.stream.play import check_engine
from goldpan.stages.stream.record import read_record, write_record
from goldpan.stages.stream.score import audit_recalls

RECORD = "stream.json"
PICTURE = "stream.svg"
_LOCK = ".lock"


def run(config: StreamConfig, progress: Progress | None = None) -> Report:
    """Play a runbook of inserts, deletes, replaces and searches against index engines, and score every search.

    The truth of every search is exact. An engine plays in a process of its own; one that fails, dies or exceeds a limit
    is a row of the results with the searches it finished. Engines that are done are not played again.

    Raises:
        InputError: the dataset, an engine or a setting cannot be used, or the output holds another stream.
        FormatError: the runbook makes no sense, or a given truth belongs to another.
    """
    started = time.perf_counter()
    progress = progress or Silent()
    data = load_data(config)
    runbook = _read(config, data)
    stream = hashlib.sha256(repr((runbook.steps, data.digest())).encode()).hexdigest()[:16]
    record = _start(config, runbook, data, stream)
    known = _known(config.output / RECORD, record)
    rebuilt = {engine: check_engine(config, engine, runbook, data) for engine in config.engine}
    with _alone(config.output):
        gold = _gold(config, runbook, data, stream, progress)
        played = _Played(config, runbook, data, gold, drifts(runbook, data), stream)
        asked = [*config.engine, *map(str, config.answers)]
        for engine in asked:
            if engine in rebuilt:
                known[engine] = played(engine, rebuilt[engine], known.get(engine), progress)
            else:
                known[engine] = played.score(Path(engine))
            record["engines"] = list(known.values())
            write_record(config.output / RECORD, record)
        draw_stream(config.output / PICTURE, record)
    seconds = time.perf_counter() - started
    return _report(config, [known[engine] for engine in asked], played.done_before, seconds)


class _Played:
    """Plays engines, or takes what is there of them, and scores the answers.

    Attributes:
        done_before: how many had been played.
    """

    def __init__(
        self, config: StreamConfig, runbook: Runbook, data: Data, gold: Gold, drift: dict[int, Drift], stream: str
    ) -> None:
        self._config, self._runbook, self._data = config, runbook, data
        self._gold, self._drift, self._stream = gold, drift, stream
        self.done_before = 0

    def __call__(self, engine: str, rebuilt: bool, before: dict[str, Any] | None, progress: Progress) -> dict[str, Any]:
        """Play an engine unless that was done; `before` is what an earlier run made of the same answers."""
        config, runbook = self._config, self._runbook
        folder, key = config.output / "engines" / slug(engine), run_key(config, engine, rebuilt, self._stream)
        there = read_done(folder, key)
        result = there or play_engine(folder, config, engine, runbook, key, progress)
        answers = read_answers(folder, result["rows"])
        write_bigann(config, result, answers, runbook, self._data.metric)
        scored = score_engine(result, answers, runbook, self._gold, self._drift, config.k) | {"rebuilt": rebuilt}
        if there:
            self.done_before += 1
            scored["faults"] += audit_recalls(_recalls(before), _recalls(scored))
        return scored

    def score(self, path: Path) -> dict[str, Any]:
        """Score answers that were recorded elsewhere."""
        result, answers = read_recorded(path, self._runbook, len(self._data.queries), self._config.k)
        return score_engine(result, answers, self._runbook, self._gold, self._drift, self._config.k) | {
            "rebuilt": False
        }


def _recalls(entry: dict[str, Any] | None) -> dict[int, float]:
    return {row["step"]: row["recall"] for row in entry["rows"] if row.get("recall") is not None} if entry else {}


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder of results, which is made where it is missing.

    Raises:
        InputError: another run is at work in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    busy = InputError(f"Another run is at work in {folder}; wait for it, or name another output.")
    with hold(folder / _LOCK, busy):
        yield


def bench_stream(**fields: Any) -> Report:
    """Play a runbook; the fields are those of `StreamConfig`.

    Example:
        ``goldpan.bench_stream(runbook="runbook.yaml", dataset="random-xs", engine=["hnswlib"], output="results")``
    """
    return run(make_config(StreamConfig, fields))


def _read(config: StreamConfig, data: Data) -> Runbook:
    """Read the runbook of the entry asked for, else of the dataset's name, else the only one."""
    if config.entry is not None:
        return read_runbook(config.runbook, config.entry, n=data.base.n)
    try:
        return read_runbook(config.runbook, data.name, n=data.base.n)
    except UnknownName:
        return read_runbook(config.runbook, n=data.base.n)


def _start(config: StreamConfig, runbook: Runbook, data: Data, stream: str) -> dict[str, Any]:
    """Return the record of a stream without engines."""
    if len({slug(engine) for engine in config.engine}) < len(config.engine):
        raise InputError("Two engines would have the same folder of results; play them into two outputs.")
    if not runbook.search_steps:
        raise InputError(f"{config.runbook} never searches; there is nothing to score.")
    if config.output.exists() and not config.output.is_dir():
        raise InputError(f"{config.output} is a file; name a folder.")
    ours = any((config.output / name).exists() for name in (_LOCK, RECORD))
    if not ours and config.output.is_dir() and any(config.output.iterdir()):
        raise InputError(f"{config.output} holds other things than streams; name another output folder.")
    return {
        "goldpan": __version__,
        "stream": stream,
        "runbook": {
            "file": config.runbook.name,
            "dataset": runbook.dataset,
            "steps": len(runbook.steps),
            "searches": len(runbook.search_steps),
            "max_pts": runbook.max_pts,
        },
        "dataset": {
            "name": data.name,
            "rows": data.base.n,
            "dim": data.base.dim,
            "queries": len(data.queries),
            "metric": str(data.metric),
            "order": data.order.name if data.order else None,
        },
        "settings": config.model_dump(mode="json", exclude=NOT_PLAYED),
        "machine": {
            "cores": processors(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "engines": [],
    }


def _gold(config: StreamConfig, runbook: Runbook, data: Data, stream: str, progress: Progress) -> Gold:
    if config.truth is not None:
        return given_gold(config.truth, runbook, data, config.k)
    key = f"{stream}-{config.truth_k}"
    return compute_gold(config.output / "truth", runbook, data, config.truth_k, key, progress, config.threads)


def _known(path: Path, record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the engines of an earlier run of the same stream with the same settings, which stay in the results.

    Raises:
        InputError: the folder holds another stream, or other settings.
    """
    old = read_record(path)
    if old is None:
        return {}
    if old.get("stream") != record["stream"]:
        raise InputError(f"{path.parent} holds the results of another stream; name another output folder.")
    for name, value in record["settings"].items():
        if old["settings"].get(name) != value:
            before = old["settings"].get(name)
            raise InputError(f"{path.parent} was made with {name} {before}, not {value}; name another output folder.")
    return {entry["engine"]: entry for entry in old["engines"]}


def _report(config: StreamConfig, engines: list[dict[str, Any]], done: int, seconds: float) -> Report:
    failed = sum(entry["status"] != "done" for entry in engines)
    return Report(
        "bench stream",
        rows_in=len(engines),
        rows_out=len(engines) - failed,
        already_done=done,
        failures={Reason.ENGINE_FAILED.value: failed} if failed else {},
        seconds=seconds,
        outputs={entry["engine"]: _line(entry) for entry in engines}
        | {str(config.output / RECORD): "every step of every engine", str(config.output / PICTURE): "the curves"},
        details={"engines": [{name: entry[name] for name in entry if name != "key"} for entry in engines]},
    )


def _line(entry: dict[str, Any]) -> str:
    """Say how an engine did."""
    summary = entry["summary"]
    if entry["status"] != "done":
        return f"{entry['status']} after {summary['searches']} searches: {entry['error']}"
    parts = [f"score {summary['score']:.4f} (last {summary['recall_last']:.4f})"]
    parts += [f"{summary['qps']:,.0f} queries/s"] if summary["qps"] else []
    parts += [f"p99 {summary['p99_ms']:.2f} ms"] if summary["p99_ms"] else []
    parts += [
        f"{summary[f'{name}s_per_second']:,.0f} {name}s/s"
        for name in ("insert", "delete", "replace")
        if summary[f"{name}s_per_second"]
    ]
    parts += [f"{summary['rebuild_seconds']:.1f} s rebuilding"] if entry["rebuilt"] else []
    parts += [f"FAULTS ({len(entry['faults'])}), the first: {entry['faults'][0]}"] if entry["faults"] else []
    return ", ".join(parts)
