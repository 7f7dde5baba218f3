"""Configuration: one pydantic model a stage, declared once for Python, TOML recipes and command-line flags."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    """Base of every stage's configuration: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    def digest(self) -> str:
        """Return a short hash of the fields that decide the result, leaving out those made with `runtime_field`."""
        fields = type(self).model_fields
        runtime = {name for name, info in fields.items() if (info.json_schema_extra or {}) == RUNTIME}
        payload = self.model_dump(mode="json", exclude=runtime)
        return hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()[:16]


RUNTIME: dict[str, Any] = {"runtime": True}


def runtime_field(default: Any, description: str, **limits: Any) -> Any:
    """Declare a field that changes how work is done (workers, device), never what comes out of it."""
    return Field(default, description=description, json_schema_extra=RUNTIME, **limits)
