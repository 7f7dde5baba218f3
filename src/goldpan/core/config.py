"""Configuration: one pydantic model a stage, declared once for Python, TOML recipes and command-line flags."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from goldpan.core.errors import FormatError, InputError
from goldpan.core.place import is_url, place


class Config(BaseModel):
    """Base of every stage's configuration: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    @model_validator(mode="after")
    def _files_of_this_machine(self) -> Self:
        """Refuse an address in a bucket for a field that is not declared a `Place`."""
        for name, info in type(self).model_fields.items():
            value = getattr(self, name)
            for path in value if isinstance(value, list | tuple) else (value,):
                takes_any = any(getattr(mark, "func", None) is place for mark in info.metadata)
                if isinstance(path, Path) and is_url(str(path)) and not takes_any:
                    raise InputError(f"{name}: {place(path)} is in a bucket, and a path on disk is needed.")
        return self

    def digest(self) -> str:
        """Return a short hash of the fields that decide the result."""
        return hashlib.sha256(json.dumps(self.deciding(), sort_keys=True).encode()).hexdigest()[:16]

    def deciding(self, *, but: Collection[str] = ()) -> dict[str, Any]:
        """Return the fields that decide the result as JSON values: all but those made with `runtime_field`.

        Args:
            but: more to leave out, such as where the result is written to.
        """
        fields = type(self).model_fields
        runtime = {name for name, info in fields.items() if (info.json_schema_extra or {}) == RUNTIME}
        return self.model_dump(mode="json", exclude=runtime | set(but))


RUNTIME: dict[str, Any] = {"runtime": True}


def runtime_field(default: Any, description: str, **limits: Any) -> Any:
    """Declare a field that changes how work is done (workers, device), never what comes out of it."""
    return Field(default, description=description, json_schema_extra=RUNTIME, **limits)


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Args:
        path: the file.
        what: the word for messages, such as "a recipe".

    Raises:
        InputError: it cannot be read.
        FormatError: it is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; name the TOML file of {what}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(path, f"not TOML: {error}") from error
