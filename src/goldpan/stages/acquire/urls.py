"""Lists of URLs: fetched in a thread, decoded in processes of their own, committed here."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from goldpan.compute.executor import Executor
from goldpan.compute.ray import RayExecutor
from goldpan.core.errors import InputError, Reason
from goldpan.core.machine import few_collections
from goldpan.core.progress import Progress
from goldpan.core.records import Report
from goldpan.fetch.retry import is_transient
from goldpan.formats.metadata import count_rows
from goldpan.stages.acquire.barn import Barn
from goldpan.stages.acquire.config import TRANSIENT, UrlsConfig, WebConfig
from goldpan.stages.acquire.door import Door
from goldpan.stages.acquire.earlier import Earlier, tell_what_stays
from goldpan.stages.acquire.fleet import Fleet
from goldpan.stages.acquire.gathering import Gatherer
from goldpan.stages.acquire.hints import flags_that_help
from goldpan.stages.acquire.intake import absolute
from goldpan.stages.acquire.links import Link, check_columns, read_links
from goldpan.stages.acquire.outputs import open_output
from goldpan.stages.acquire.pipeline import Gathering, Pipeline
from goldpan.stages.acquire.register import Register
from goldpan.stages.acquire.repeats import misled_repeats, settled_repeats
from goldpan.stages.acquire.tracking import tracked
from goldpan.stages.stage import Stage
from goldpan.store.workspace import Workspace


def run(ws: Workspace, config: UrlsConfig, executor: Executor, progress: Progress) -> Report:
    """Fetch what lists of URLs name; each row becomes an image or a failure, and the same again fetches nothing.

    Raises:
        InputError: a list cannot be read, or no column of it is that of the URLs.
    """
    lists = _sources(ws, config.lists)
    for path in lists.values():
        check_columns(path, config)
    links = (link for source, path in lists.items() for link in read_links(path, source, config))
    report = bring_in(ws, config, list(lists), links, executor, progress, count_rows(lists.values()))
    if report.rows_in == 0:
        raise InputError(f"No URLs in {', '.join(map(str, config.lists))}; name lists that hold some.")
    if any(is_transient(Reason(reason)) for reason in report.failures):
        report.next_steps.insert(0, _retry_command(ws, config))
    tell_what_stays(report, ws, STAGE.name, config, lambda run: lists.keys() & _sources(ws, map(Path, run["lists"])))
    return report


def bring_in(
    ws: Workspace,
    config: WebConfig,
    sources: Sequence[str],
    links: Iterable[Link],
    executor: Executor,
    progress: Progress,
    total: int | None = None,
) -> Report:
    """Fetch what links name; each becomes an image or a failure.

    Args:
        ws: the workspace.
        config: how to fetch, and what becomes of images.
        sources: the names of all sources that links may have.
        links: what to fetch; drawn in a thread.
        executor: says how many processes decode, or which cluster is to fetch.
        progress: told of each link that is settled.
        total: how many links there are, where that is known.
    """
    with ExitStack() as held:
        held.enter_context(few_collections())
        progress = held.enter_context(tracked(progress, config))
        for source in sources:
            held.enter_context(ws.writing(source))
        door = Door(ws, sources, config.reasons_to_retry)
        output = held.enter_context(open_output(ws, config, sources, door, progress))
        barn = Barn(ws, door, output.commit, output.seconds)
        earlier = None if output.fetches_repeats else Earlier(ws, config)
        register = Register(door, config.id_prefix, ws.scratch, earlier)
        held.enter_context(closing(register))
        folder = held.enter_context(ws.staging(sources[0])) if executor.is_remote and config.output is None else None
        gathering = partial(_gathering, ws, config, executor, folder)
        pipeline = Pipeline(config, links, register, output, progress)
        progress.start("acquire urls", total)
        try:
            pipeline.run(gathering(), barn.add)
            barn.flush()
            output.check()
            if Reason.WRONG_HASH in barn.failed or Reason.WRONG_HASH in door.failed_before:
                pipeline.refetch(gathering(), misled_repeats(ws, register.repeats()), barn.add)
            for harvest in settled_repeats(ws, register.repeats()):
                barn.add(harvest)
                progress.advance(0, len(harvest.failures))
        finally:  # what is known when a run breaks off is kept
            barn.flush()
            progress.finish()
    ws.images.compact()
    report = barn.report()
    report.outputs |= output.made()
    report.next_steps += flags_that_help(config, report.failures)
    return report


def _gathering(ws: Workspace, config: WebConfig, executor: Executor, folder: Path | None) -> Gathering:
    """Return who fetches and unpacks."""
    if isinstance(executor, RayExecutor):
        return Fleet(ws, config, executor, folder)
    return Gatherer(config, executor.workers)


def _sources(ws: Workspace, paths: Iterable[Path]) -> dict[str, Path]:
    """Return lists by their names."""
    return {f"urls:{absolute(path)}": path for path in (_find(ws, path) for path in paths)}


def _find(ws: Workspace, path: Path) -> Path:
    """Return a list as it is given, or the table of that name."""
    table = ws.path / f"{path}.lance"
    return table if table.is_dir() and not path.exists() else path


def _retry_command(ws: Workspace, config: UrlsConfig) -> str:
    """Return the command that tries again what may pass."""
    given = config.model_dump(mode="json", exclude_unset=True, exclude={"retry", "retry_failures"})
    kept = given.pop("keep_bytes")
    if UrlsConfig(**given).keep_bytes != kept:
        given["keep_bytes"] = kept
    del given["lists"]
    words = ["goldpan", "acquire", "urls", str(ws.path), *map(str, config.lists), "--retry", TRANSIENT]
    for name, value in given.items():
        for item in value if isinstance(value, list) else [value]:
            flag = f"--{'no-' if item is False else ''}{name.replace('_', '-')}"
            words += [flag] if isinstance(item, bool) else [flag, str(item)]
    return shlex.join(words)


STAGE = Stage("acquire urls", UrlsConfig, reads=(), writes=("images", "blobs", "failures"), run=run)
