"""Commands made from stages: a configuration's fields are the flags, declared once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from pydantic.fields import FieldInfo

from goldpan.cli.show import Output
from goldpan.core.config import Config
from goldpan.core.progress import Progress
from goldpan.core.records import Report
from goldpan.stages.stage import Stage, make_config

Work = Callable[[Any, Progress], Report]
DEFAULT = Output()


def stage_command(stage: Stage[Any], *positional: str, short: dict[str, str] | None = None) -> Callable[..., int]:
    """Return the command of a stage: ``WORKSPACE``, then the fields named `positional`, the rest as flags.

    Args:
        stage: the verb.
        positional: fields that are given without a flag, in order.
        short: field -> one-letter flag, such as ``{"batch_size": "-b"}``.
    """
    workspace = inspect.Parameter(
        "workspace",
        inspect.Parameter.POSITIONAL_ONLY,
        annotation=Annotated[Path, Parameter(help="The workspace.")],
    )

    def command(workspace: Path, /, *values: Any, output: Output = DEFAULT, **fields: Any) -> int:
        config = make_config(stage.config, dict(zip(positional, values, strict=True)) | fields)
        return output.show(stage(workspace, config, progress=output.progress()))

    return _shaped(command, [workspace], stage.config, positional, short or {}, stage.run.__doc__)


def config_command(
    model: type[Config], work: Work, *positional: str, short: dict[str, str] | None = None
) -> Callable[..., int]:
    """Return the command of a verb that needs no workspace: `work` gets the configuration and a progress."""

    def command(*values: Any, output: Output = DEFAULT, **fields: Any) -> int:
        config = make_config(model, dict(zip(positional, values, strict=True)) | fields)
        return output.show(work(config, output.progress()))

    return _shaped(command, [], model, positional, short or {}, work.__doc__)


def _shaped(
    command: Callable[..., int],
    first: list[inspect.Parameter],
    model: type[Config],
    positional: tuple[str, ...],
    short: dict[str, str],
    doc: str | None,
) -> Callable[..., int]:
    """Give a generic function the signature that cyclopts reads."""
    fields = model.model_fields
    params = first + [_parameter(name, fields[name], None, inspect.Parameter.POSITIONAL_ONLY) for name in positional]
    params += [
        _parameter(name, field, short.get(name), inspect.Parameter.KEYWORD_ONLY)
        for name, field in fields.items()
        if name not in positional
    ]
    output = inspect.Parameter("output", inspect.Parameter.KEYWORD_ONLY, default=DEFAULT, annotation=Output)
    command.__signature__ = inspect.Signature([*params, output])  # type: ignore[attr-defined]
    command.__annotations__ = {param.name: param.annotation for param in [*params, output]}
    # Help shows the first paragraph; the errors a caller in Python handles are of no use there.
    command.__doc__ = (doc or "").split("\n\n", maxsplit=1)[0]
    return command


def _parameter(name: str, field: FieldInfo, flag: str | None, kind: Any) -> inspect.Parameter:
    default = inspect.Parameter.empty if field.is_required() else field.get_default(call_default_factory=True)
    about = Parameter(help=field.description, alias=flag, negative_iterable=())
    return inspect.Parameter(name, kind, default=default, annotation=Annotated[field.annotation, about])
