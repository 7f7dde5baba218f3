"""How an engine is named: ``kind[:name][@option=value,...]``.

flat    hnswlib@M=16,ef_construction=200    faiss:IVF256,Flat@nprobe=8    usearch@dtype=bf16
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from goldpan.core.errors import InputError

Option = int | float | str


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """A spec, taken apart.

    Attributes:
        kind: which engine.
        name: which index of that engine, such as a factory string of faiss; "" where there is one.
        options: construction options, and defaults of search parameters.
    """

    kind: str
    name: str
    options: dict[str, Option]

    def __str__(self) -> str:
        options = ",".join(f"{key}={value}" for key, value in self.options.items())
        return self.kind + (f":{self.name}" if self.name else "") + (f"@{options}" if options else "")


def parse_spec(text: str) -> EngineSpec:
    """Take a spec apart.

    Raises:
        InputError: it has no kind, or an option is not ``name=value``.
    """
    head, _, tail = text.strip().partition("@")
    kind, _, name = head.partition(":")
    if not kind:
        raise InputError(f"{text!r} is no engine; name one, such as flat, hnswlib@M=16 or faiss:IVF256,Flat.")
    options: dict[str, Option] = {}
    for part in filter(None, tail.split(",")):
        key, equals, value = part.partition("=")
        if not (equals and key.strip() and value.strip()):
            raise InputError(f"{text!r}: option {part!r} must be name=value, such as ef_construction=200.")
        if key.strip() in options:
            raise InputError(f"{text!r} names {key.strip()} twice; leave one out.")
        options[key.strip()] = _value(value.strip())
    return EngineSpec(kind, name, options)


def read_options(spec: EngineSpec, defaults: Mapping[str, Option], *, named: bool = True) -> dict[str, Option]:
    """Return the defaults with the spec's options in their place.

    Args:
        spec: what was asked for.
        defaults: every option with its default, whose type it keeps; a whole number is 1 or more, or 0 or more
            where the default is 0.
        named: the engine has several indexes, and a name chooses one.

    Raises:
        InputError: an option is unknown or out of range, or the engine has but one index, which was named.
    """
    if spec.name and not named:
        raise InputError(f"{spec}: {spec.kind} has one index, and no name after the colon; leave out ':{spec.name}'.")
    for name, value in spec.options.items():
        if name not in defaults:
            raise InputError(f"{spec}: no option {name!r}; known: {', '.join(defaults) or 'none'}.")
        default = defaults[name]
        if isinstance(default, str):
            continue
        least = min(1, default)
        if isinstance(value, str) or (isinstance(default, int) and not isinstance(value, int)) or not value >= least:
            what = "a whole number" if isinstance(default, int) else "a number"
            raise InputError(f"{spec}: {name} must be {what}, {least} or more, not {value}.")
    return {name: spec.options.get(name, default) for name, default in defaults.items()}


def _value(text: str) -> Option:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
