"""Write docs/reference.md: every flag of every command, from the configurations themselves."""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from goldpan.cli.main import VERBS
from goldpan.cli.show import Show

PAGE = Path(__file__).parent / "reference.md"


def reference() -> str:
    """Return the page."""
    parts = [
        "# Reference",
        "",
        "Made from the code by `python docs/make_reference.py`. `goldpan VERB --help` shows the same.",
    ]
    for name, command in commands():
        parts += ["", f"## goldpan {name}", "", *_table(command)]
    return "\n".join(parts) + "\n"


def commands() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every command with its name."""
    for verb in VERBS:
        module = importlib.import_module(f"goldpan.cli.{verb}")
        app = getattr(module, "app", None)
        if app is None:
            yield verb, getattr(module, verb)
            continue
        if app.default_command is not None:
            yield verb, app.default_command
        for name in sorted(app):
            if not name.startswith("-"):
                yield f"{verb} {name}", app[name].default_command


def _table(command: Callable[..., Any]) -> list[str]:
    lines = [
        (inspect.getdoc(command) or "").split("\n\n")[0].replace("\n", " "),
        "",
        "| | default | |",
        "|---|---|---|",
    ]
    docs = _documented(command)
    for param in inspect.signature(command).parameters.values():
        annotation = _hint(command, param)
        if annotation is Show:
            lines += [
                _row(f"--{item.name.replace('_', '-')}", item.default, _SHOWN[item.name]) for item in fields(Show)
            ]
            continue
        about, plain = _about(annotation)
        positional = param.kind is inspect.Parameter.POSITIONAL_ONLY
        name = param.name.upper() if positional else f"--{param.name.replace('_', '-')}"
        if plain is not None and typing.get_origin(plain) is Literal:
            about += f" One of {', '.join(map(str, typing.get_args(plain)))}."
        lines.append(_row(name, param.default, about or docs.get(param.name, "")))
    return lines


_SHOWN = {
    "json": "Print the report as JSON on stdout.",
    "quiet": "Show no progress.",
    "max_failures": "Exit with 3 when more items than this fail: a number, or a share such as 1%.",
}


def _hint(command: Callable[..., Any], param: inspect.Parameter) -> Any:
    if isinstance(param.annotation, str):
        return typing.get_type_hints(command, include_extras=True)[param.name]
    return param.annotation


def _about(annotation: Any) -> tuple[str, Any]:
    if typing.get_origin(annotation) is Annotated:
        plain, *extras = typing.get_args(annotation)
        helps = [extra.help for extra in extras if isinstance(extra, Parameter) and extra.help]
        return (helps[0] if helps else ""), plain
    return "", annotation


def _documented(command: Callable[..., Any]) -> dict[str, str]:
    """Return what a NumPy-style docstring says of each parameter."""
    found: dict[str, str] = {}
    name = ""
    for line in (inspect.getdoc(command) or "").partition("----------")[2].splitlines():
        if line and not line.startswith(" "):
            name = line.rstrip(":")
        elif line.strip():
            found[name] = f"{found.get(name, '')} {line.strip()}".strip()
    return found


def _row(name: str, default: Any, about: str) -> str:
    shown = "" if default in (inspect.Parameter.empty, None, "", [], False) else f"`{default}`"
    return f"| `{name}` | {shown} | {about.replace('|', chr(92) + '|')} |"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
