"""What every stage is: a name, a configuration, the tables it reads and writes, and one function."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pydantic import ValidationError

from goldpan.compute.config import executor_of
from goldpan.compute.executor import Executor
from goldpan.core.config import Config
from goldpan.core.errors import GoldpanError, InputError
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Report
from goldpan.store.workspace import Workspace

ConfigT = TypeVar("ConfigT", bound=Config)


@dataclass(frozen=True)
class Stage(Generic[ConfigT]):
    """A verb. Call it with a workspace and its configuration, or the fields of one.

    `uses` names the very tables that a configuration reads, where `reads` names more. `made` tells whether what a
    configuration makes is still there; a stage that has it does no work where the last run with this configuration
    saw the same tables. The others find what is new row by row.

    Example:
        ``report = goldpan.embed(ws, encoder="phash:8")``
    """

    name: str
    config: type[ConfigT]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    run: Callable[[Workspace, ConfigT, Executor, Progress], Report]
    made: Callable[[ConfigT], bool] | None = None
    uses: Callable[[Workspace, ConfigT], tuple[str, ...]] | None = None

    def __call__(
        self,
        ws: Workspace | str | Path,
        config: ConfigT | None = None,
        *,
        executor: Executor | Literal["local", "ray"] | None = None,
        progress: Progress | None = None,
        **fields: Any,
    ) -> Report:
        """Run the stage and record the run.

        Args:
            ws: the workspace, or the path of one.
            config: the stage's configuration; or give its fields by name.
            executor: who does the work, or the name of one where the configuration has that field; the processors of
                this machine where None.
            progress: told how the work moves on.
            **fields: the configuration's fields, where `config` is None.

        Raises:
            InputError: a field is unknown or out of range, or the input cannot be used.
            StageError: the stage could not go on; what it committed stays.
        """
        ws = ws if isinstance(ws, Workspace) else Workspace(ws)
        named = {"executor": executor} if isinstance(executor, str) else {}
        config = config or make_config(self.config, fields | named)
        inputs = ws.versions(self.uses(ws, config) if self.uses is not None else self.reads)
        if self.made is not None and self.made(config) and ws.runs.has_done(self.name, config, inputs):
            return Report(
                self.name, details={"nothing_to_do": "the same configuration on the same tables was run before"}
            )
        started = time.perf_counter()
        run_id = ws.runs.start(self.name, config, inputs)
        try:
            worker = executor_of(config) if executor is None or isinstance(executor, str) else executor
            report = self.run(ws, config, worker, progress or Silent())
        except BaseException as error:
            ws.runs.failed(run_id, self.name, error, time.perf_counter() - started)
            raise
        report.seconds = time.perf_counter() - started
        ws.runs.done(run_id, report, ws.versions(self.writes))
        return report


_SHOWN = 120


def make_config(model: type[ConfigT], fields: dict[str, Any]) -> ConfigT:
    """Build a configuration from named fields; what pydantic rejects becomes one sentence.

    Raises:
        InputError: a field is unknown, missing or out of range.
    """
    try:
        return model(**fields)
    except ValidationError as error:
        raise InputError(explain(error)) from error


def explain(error: ValidationError) -> str:
    """Say what pydantic found wrong: which field, which value, what is allowed."""
    problems = []
    found = error.errors()
    for item in found:
        depth = len(item["loc"])
        if item["type"] == "too_short" and any(one["loc"][:depth] == item["loc"] != one["loc"] for one in found):
            continue  # a list lacks the items that are wrong, which are said themselves
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, GoldpanError):
            problems.append(str(cause))
            continue
        told = item["msg"].removeprefix("Value error, ")
        name = ".".join(str(part) for part in item["loc"])
        given = "" if item["type"] == "missing" else f" (given: {_short(item['input'])})"
        problems.append(f"{name}: {told}{given}" if name else told)  # of no one field: the sentence names them
    return "; ".join(problems) + ("" if problems and problems[-1].endswith(".") else ".")


def _short(value: Any) -> str:
    """Return a value as part of a sentence: one line, and an array by its shape."""
    if getattr(value, "shape", ()):
        return f"{type(value).__name__} of shape {value.shape}"
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
