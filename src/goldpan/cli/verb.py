"""Commands made from configurations: the fields are the flags, declared once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from pydantic.fields import FieldInfo

from goldpan.cli.show import Show
from goldpan.core.config import Config
from goldpan.core.progress import Progress
from goldpan.core.records import Report
from goldpan.stages.stage import Stage, make_config

DEFAULT_SHOW = Show()
Work = Callable[[Any, Progress], Report]


def option(name: str, annotation: Any, help: str, default: Any) -> inspect.Parameter:
    """Declare a flag of the command line alone, such as ``--json``."""
    about = Parameter(help=help, negative=())
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=Annotated[annotation, about])


WORKSPACE = inspect.Parameter(
    "workspace", inspect.Parameter.POSITIONAL_ONLY, annotation=Annotated[Path, Parameter(help="The workspace.")]
)
SHOW = inspect.Parameter("show", inspect.Parameter.KEYWORD_ONLY, default=DEFAULT_SHOW, annotation=Show)
JSON = option("json", bool, "Print JSON on stdout.", False)


def stage_command(stage: Stage[Any], *positional: str, short: dict[str, str] | None = None) -> Callable[..., int]:
    """Return the command of a stage: ``WORKSPACE``, then the fields named `positional`, the rest as flags.

    Args:
        stage: the verb.
        positional: fields that are given without a flag, in order.
        short: field -> another flag for it, such as ``{"batch_size": "-b"}``.
    """

    def command(workspace: Path, /, *values: Any, show: Show = DEFAULT_SHOW, **fields: Any) -> int:
        config = config_from(stage.config, positional, values, fields)
        return show.report(stage(workspace, config, progress=show.progress()))

    return shaped(command, stage.config, positional, short, first=[WORKSPACE], last=[SHOW], doc=stage.run.__doc__)


def config_command(
    model: type[Config], work: Work, *positional: str, short: dict[str, str] | None = None
) -> Callable[..., int]:
    """Return the command of a verb that needs no workspace: `work` gets the configuration and a progress."""

    def command(*values: Any, show: Show = DEFAULT_SHOW, **fields: Any) -> int:
        return show.report(work(config_from(model, positional, values, fields), show.progress()))

    return shaped(command, model, positional, short, last=[SHOW], doc=work.__doc__)


def config_from(model: type[Config], positional: Sequence[str], values: Sequence[Any], fields: dict[str, Any]) -> Any:
    """Build the configuration from what the command line gave."""
    return make_config(model, dict(zip(positional, values, strict=False)) | fields)


def shaped(
    command: Callable[..., Any],
    model: type[Config],
    positional: Sequence[str] = (),
    short: dict[str, str] | None = None,
    *,
    first: Sequence[inspect.Parameter] = (),
    last: Sequence[inspect.Parameter] = (),
    doc: str | None = None,
) -> Callable[..., Any]:
    """Give a generic function the signature that cyclopts reads: `first`, the model's fields, `last`."""
    fields = model.model_fields
    flags = [name for name in _own_first(model) if name not in positional]
    params = [
        *first,
        *(_parameter(name, fields[name], None, inspect.Parameter.POSITIONAL_ONLY) for name in positional),
        *(_parameter(name, fields[name], (short or {}).get(name), inspect.Parameter.KEYWORD_ONLY) for name in flags),
        *last,
    ]
    command.__signature__ = inspect.Signature(params)  # type: ignore[attr-defined]
    command.__annotations__ = {param.name: param.annotation for param in params}
    # Help shows the first paragraph; the errors a caller in Python handles are of no use there.
    command.__doc__ = (doc or command.__doc__ or "").split("\n\n", maxsplit=1)[0]
    return command


def _own_first(model: type[Config]) -> list[str]:
    """Return the names of the fields: first those the model adds, then those of what it is built on."""
    declared = (name for kind in model.__mro__ for name in inspect.get_annotations(kind))
    return [name for name in dict.fromkeys(declared) if name in model.model_fields]


def _parameter(name: str, field: FieldInfo, flag: str | None, kind: Any) -> inspect.Parameter:
    default = inspect.Parameter.empty if field.is_required() else field.get_default(call_default_factory=True)
    flag = flag or (f"-{name}" if len(name) == 1 else None)
    about = Parameter(help=field.description, alias=flag, negative_iterable=())
    return inspect.Parameter(name, kind, default=default, annotation=Annotated[field.annotation, about])
