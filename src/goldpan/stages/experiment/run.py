"""Run an experiment: every engine on every data set, in turns, until every row is there."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

from goldpan import __version__
from goldpan.core.errors import InputError, Reason
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Report
from goldpan.formats.atomic import replace_file
from goldpan.stages.experiment.answers import write_answers
from goldpan.stages.experiment.config import BenchRunConfig, Experiment, read_experiment
from goldpan.stages.experiment.data import Data, open_data
from goldpan.stages.experiment.lane import Lane, Task, kept_indexes
from goldpan.stages.experiment.measure import measure
from goldpan.stages.experiment.peer import PeerFailure
from goldpan.stages.experiment.quiet import load, machine, wait_until_quiet
from goldpan.stages.experiment.store import Results
from goldpan.stages.stage import make_config


def run(config: BenchRunConfig, progress: Progress | None = None) -> Report:
    """Measure index engines on data sets, in interleaved rounds; what fails is a row with its reason.

    Every row is on disk when it is measured: a run that was killed goes on after it, and another experiment with the
    same output adds its rows.

    Raises:
        InputError: the experiment is not what it should be, a data set cannot be used, or the machine is too busy.
        FormatError: a file is damaged.
    """
    experiment = read_experiment(config.experiment)
    return run_experiment(experiment, config, progress or Silent())


def bench_run(**fields: Any) -> Report:
    """Measure index engines on data sets; the fields are those of `BenchRunConfig`.

    Example:
        ``goldpan.bench_run(experiment="experiment.toml", output="results")``
    """
    return run(make_config(BenchRunConfig, fields))


def run_experiment(experiment: Experiment, config: BenchRunConfig, progress: Progress) -> Report:
    """Run an experiment that was read or made in Python; see `run`."""
    started = time.perf_counter()
    results = Results(config.output)
    report = Report("bench run", outputs={str(config.output): "results"})
    quiet = _once(lambda: wait_until_quiet(config.allow_load, config.wait_for_quiet))
    with results.writing():
        _note(experiment, results)
        for dataset in experiment.dataset:
            data = open_data(dataset, max(experiment.k), experiment.seed, results.folder / "truth", progress)
            _know(data, results)
            lanes = [Lane(engine, data, experiment, results, config.retry_failed) for engine in experiment.engine]
            try:
                _race(lanes, experiment, quiet, progress, report)
            finally:
                for lane in lanes:
                    lane.close()
            shutil.rmtree(kept_indexes(results, data), ignore_errors=True)
    report.seconds = time.perf_counter() - started
    report.next_steps = [f"goldpan bench report {config.output} -o report"]
    return report


def _race(
    lanes: list[Lane], experiment: Experiment, quiet: Callable[[], None], progress: Progress, report: Report
) -> None:
    """Measure what is missing on one data set, and count it."""
    for lane in lanes:
        lane.plan()
    asked, known = map(sum, zip(*(lane.counts() for lane in lanes), strict=True))
    if known < asked:
        quiet()
        _build([lane for lane in lanes if lane.counts()[1] < lane.counts()[0]], progress)
    progress.start(f"measure on {lanes[0].data.name}", asked - known)
    verdicts = [_measured(lane, task, progress) for lane, task in _turns(lanes, experiment.rounds)]
    progress.finish()
    good = verdicts.count(True)
    failed = len(verdicts) - good + sum(lane.died for lane in lanes)
    report.rows_in += known + good + failed
    report.rows_out += known + good
    report.already_done += known
    if failed:
        report.failures[Reason.ENGINE_FAILED] = report.failures.get(Reason.ENGINE_FAILED, 0) + failed


def _build(lanes: list[Lane], progress: Progress) -> None:
    """Build or load what will be measured."""
    progress.start(f"build on {lanes[0].data.name}", len(lanes))
    for lane in lanes:
        ready = lane.ready()
        progress.advance(int(ready), int(not ready))
    progress.finish()


def _turns(lanes: list[Lane], rounds: int) -> Iterator[tuple[Lane, Task]]:
    """Yield what is to be measured: ABAB over the engines, the first of them another one each round."""
    for number in range(rounds):
        first = number % len(lanes)
        for position in range(max(lane.width for lane in lanes)):
            for lane in [*lanes[first:], *lanes[:first]]:
                for task in lane.missing(position, number):
                    if lane.ready():
                        yield lane, task


def _measured(lane: Lane, task: Task, progress: Progress) -> bool:
    """Measure one row and write it; tell whether it is a good one."""
    key, setting = task
    peer, before = lane.peer, load()
    try:
        scored = measure(peer, lane.data, lane.experiment, key, setting, warm=lane.is_warm(key))
    except PeerFailure as failure:
        lane.lost()
        lane.finish(
            {
                **key._asdict(),
                "parameters": setting,
                "status": failure.status,
                "reason": failure.reason,
                "stderr": failure.stderr,
                "load_before": before,
                "load_after": load(),
            }
        )
        progress.advance(failed=1)
        return False
    good: bool = scored.row["status"] == "ok"
    scored.row["answers"] = write_answers(lane, key, scored) if good else None
    lane.finish(scored.row)
    progress.advance(int(good), int(not good))
    return good


def _note(experiment: Experiment, results: Results) -> None:
    """Keep the experiment and the machine beside the rows."""
    path = results.folder / "experiments" / f"{experiment.digest()}.json"
    if not path.is_file():
        about = {"goldpan": __version__, "machine": machine(), "experiment": experiment.model_dump(mode="json")}
        with replace_file(path) as temporary:
            temporary.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _know(data: Data, results: Results) -> None:
    """Write down a new data set.

    Raises:
        InputError: there are results of another one of that name.
    """
    known = results.datasets().get(data.name)
    if known is None:
        results.add("datasets", data.as_dict())
    elif known["digest"] != data.digest:
        raise InputError(
            f"{results.folder} has results of another data set called {data.name!r} (its vectors differ); "
            'give this one a name = "..." of its own, or write to another folder.'
        )


def _once(action: Callable[[], object]) -> Callable[[], None]:
    """Return a function that does something the first time it is called."""
    todo = [action]

    def call() -> None:
        if todo:
            todo.pop()()

    return call
