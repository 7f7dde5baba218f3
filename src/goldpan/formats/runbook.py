"""Runbooks of big-ann-benchmarks: what a stream inserts, deletes, replaces and when it is searched, as YAML.

::

    random-xs:
      max_pts: 10000
      1: {operation: insert, start: 0, end: 7500}
      2: {operation: search}
      3: {operation: replace, tags_start: 0, tags_end: 2500, ids_start: 7500, ids_end: 10000}
      4: {operation: delete, start: 0, end: 2500}
      gt_url: https://...

Ranges are half open. A **tag** names a point while it is live, an **id** is a row of the base. An insert gives each row
its own number as tag; a replace lets tags stand for other rows; a delete goes by tag, and a search returns tags.
Upstream's generators write a step as a list of mappings with one key each, which its loader cannot read; here both are
read. Beyond upstream's checks a stream must make sense: no live tag is inserted again, no dead one deleted or replaced.
Source: harsha-simhadri/big-ann-benchmarks, ``neurips23/runbooks`` and ``benchmark/streaming/load_runbook.py``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, TypeGuard

from goldpan.core.errors import FormatError, InputError, UnknownName
from goldpan.formats.atomic import replace_file
from goldpan.formats.live_ranges import LiveRanges
from goldpan.formats.yaml_text import load_yaml


@dataclass(frozen=True, slots=True)
class Insert:
    """Rows ``start <= id < end`` of the base become live, each under its own number as tag."""

    operation: ClassVar[str] = "insert"
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Delete:
    """The points with tags ``start <= tag < end`` go."""

    operation: ClassVar[str] = "delete"
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Replace:
    """Tags ``tags_start <= tag < tags_end`` now stand for the rows from `ids_start` on, one for one."""

    operation: ClassVar[str] = "replace"
    tags_start: int
    tags_end: int
    ids_start: int
    ids_end: int


@dataclass(frozen=True, slots=True)
class Search:
    """All queries are answered, in tags, from what is live."""

    operation: ClassVar[str] = "search"


Step = Insert | Delete | Replace | Search
_STEPS: dict[str, type[Step]] = {kind.operation: kind for kind in (Insert, Delete, Replace, Search)}


@dataclass(frozen=True, slots=True)
class Runbook:
    """A stream over one dataset.

    Attributes:
        dataset: its name.
        max_pts: upper bound of the points live at a time.
        steps: what happens, in order; step number 1 of the file is ``steps[0]``.
        gt_url: where the exact answers lie, one `step<N>.gt100` for each search.
    """

    dataset: str
    max_pts: int
    steps: tuple[Step, ...]
    gt_url: str | None = None

    @property
    def rows(self) -> int:
        """Rows of the base that the stream needs: the largest end of a range of ids."""
        ends = [0]
        for step in self.steps:
            match step:
                case Insert(_, end) | Replace(_, _, _, end):
                    ends.append(end)
        return max(ends)

    @property
    def search_steps(self) -> tuple[int, ...]:
        """Numbers of the steps that search, from 1, as in the names of truth files."""
        return tuple(number for number, step in enumerate(self.steps, 1) if isinstance(step, Search))


def read_runbook(path: str | Path, dataset: str | None = None, *, n: int | None = None) -> Runbook:
    """Read and check the runbook of one dataset.

    Args:
        path: the YAML file.
        dataset: which, where the file has several.
        n: rows of the base, if known; no range may end beyond.

    Raises:
        InputError: there is no such file, or it has several datasets and none is named.
        UnknownName: it has none of that name.
        FormatError: it is no runbook, or the stream makes no sense; the step is named.
    """
    where = Path(path)
    if not where.is_file():
        raise InputError(f"There is no runbook {where}.")
    datasets = _pairs(load_yaml(where), where, "the file")
    if dataset is None and len(datasets) > 1:
        raise InputError(f"{where} holds runbooks for {', '.join(map(str, datasets))}; name one, such as --entry NAME.")
    if dataset is not None and dataset not in datasets:
        raise UnknownName("dataset of the runbook", dataset, map(str, datasets), f"({where})")
    if not datasets:
        raise FormatError(where, "it holds no runbook.")
    name = next(iter(datasets)) if dataset is None else dataset
    runbook = _parse(where, str(name), _pairs(datasets[name], where, f"dataset {name!r}"))
    check_runbook(where, runbook, n)
    return runbook


def write_runbook(path: str | Path, runbook: Runbook) -> None:
    """Write a runbook as upstream's loader reads it.

    Raises:
        FormatError: the stream makes no sense; the step is named.
    """
    import yaml

    where = Path(path)
    check_runbook(where, runbook)
    entries: dict[str | int, Any] = {"max_pts": runbook.max_pts}
    for number, step in enumerate(runbook.steps, 1):
        entries[number] = {"operation": step.operation, **asdict(step)}
    if runbook.gt_url is not None:
        entries["gt_url"] = runbook.gt_url
    with replace_file(where) as temporary:
        temporary.write_text(yaml.safe_dump({runbook.dataset: entries}, sort_keys=False, width=120), "utf-8")


def check_runbook(path: Path, runbook: Runbook, n: int | None = None) -> None:
    """Play a stream through with ranges of tags alone.

    Args:
        path: the file, for messages.
        runbook: the stream.
        n: rows of the base, if known.

    Raises:
        FormatError: no first insert, a range that is empty, negative or beyond `n`, a replace of unequal lengths, an
            insert of a live tag, a delete or replace of a dead one, or more live points than `max_pts`.
    """
    if not runbook.steps or not isinstance(runbook.steps[0], Insert):
        raise FormatError(path, "the first step must insert; there is nothing to delete, replace or search before.")
    live = LiveRanges()
    for number, step in enumerate(runbook.steps, 1):
        problem = _range_problem(step, n) or _live_problem(step, live)
        if problem is None:
            _play(step, live)
            if live.count > runbook.max_pts:
                problem = f"{live.count} points are live then, more than max_pts {runbook.max_pts}"
        if problem is not None:
            raise FormatError(path, f"step {number} ({step.operation}): {problem}.")


def _range_problem(step: Step, n: int | None) -> str | None:
    limit = "" if n is None else f" <= {n}"
    ranges = [(step.start, step.end)] if isinstance(step, Insert | Delete) else []
    if isinstance(step, Replace):
        ranges = [(step.tags_start, step.tags_end), (step.ids_start, step.ids_end)]
        lengths = [end - start for start, end in ranges]
        if lengths[0] != lengths[1]:
            return f"{lengths[0]} tags and {lengths[1]} ids; there must be as many of both"
    for start, end in ranges:
        if not 0 <= start < end or (n is not None and end > n):
            return f"the range {start} to {end} is not 0 <= start < end{limit}"
    return None


def _live_problem(step: Step, live: LiveRanges) -> str | None:
    match step:
        case Insert(start, end):
            tag, state = live.first_live(start, end), "is live already"
        case Delete(start, end) | Replace(start, end, _, _):
            tag, state = live.first_dead(start, end), "is not live"
        case _:
            return None
    return None if tag is None else f"tag {tag} {state}"


def _play(step: Step, live: LiveRanges) -> None:
    if isinstance(step, Insert):
        live.add(step.start, step.end)
    elif isinstance(step, Delete):
        live.remove(step.start, step.end)


def _pairs(value: Any, path: Path, what: str) -> dict[Any, Any]:
    """Return a mapping, or one that is written as a list of mappings with one key each."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and all(isinstance(part, dict) and len(part) == 1 for part in value):
        merged = {key: entry for part in value for key, entry in part.items()}
        if len(merged) == len(value):
            return merged
    raise FormatError(path, f"{what} is no mapping of names to values, nor a list of such with one name each.")


def _parse(path: Path, dataset: str, entries: dict[Any, Any]) -> Runbook:
    strange = [key for key in entries if not _is_whole(key) and key not in ("max_pts", "gt_url")]
    if strange:
        raise FormatError(
            path, f"dataset {dataset!r}: unknown key {_short(strange[0])}; known: max_pts, gt_url and 1, 2, ..."
        )
    max_pts, gt_url = entries.get("max_pts"), entries.get("gt_url")
    if not _is_whole(max_pts) or max_pts < 1:
        raise FormatError(
            path, f"dataset {dataset!r}: max_pts must be a whole number from 1 on, not {_short(max_pts)}."
        )
    if gt_url is not None and not isinstance(gt_url, str):
        raise FormatError(path, f"dataset {dataset!r}: gt_url must be text, not {_short(gt_url)}.")
    numbers = sorted(key for key in entries if _is_whole(key))
    for expected, number in enumerate(numbers, 1):
        if number != expected:
            raise FormatError(path, f"dataset {dataset!r}: there is a step {number} and no step {expected}.")
    steps = tuple(_step(path, number, _pairs(entries[number], path, f"step {number}")) for number in numbers)
    return Runbook(dataset, max_pts, steps, gt_url)


def _step(path: Path, number: int, entry: dict[Any, Any]) -> Step:
    values = dict(entry)
    operation = values.pop("operation", None)
    kind = _STEPS.get(operation) if isinstance(operation, str) else None
    if kind is None:
        raise FormatError(path, f"step {number}: unknown operation {_short(operation)}; known: {', '.join(_STEPS)}.")
    names = [field.name for field in fields(kind)]
    if set(values) != set(names):
        wanted, found = ", ".join(names) or "nothing", ", ".join(map(str, values)) or "nothing"
        raise FormatError(path, f"step {number} ({operation}): it needs {wanted} beside the operation; it has {found}.")
    wrong = next((name for name in names if not _is_whole(values[name])), None)
    if wrong:
        raise FormatError(
            path, f"step {number} ({operation}): {wrong} must be a whole number, not {_short(values[wrong])}."
        )
    return kind(**values)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _short(value: object) -> str:
    """Return a value for a message; of a mapping or list the kind only, as aliases can make its text endless."""
    return repr(value)[:80] if isinstance(value, str | int | float | None) else f"a {type(value).__name__}"
