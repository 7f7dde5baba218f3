"""Values of metadata as values that JSON has."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

from starlette.responses import Response


class Json(Response):
    """A response of JSON; what is no number is null."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the bytes; text that is no Unicode is kept in escapes."""
        try:
            return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
        except (TypeError, ValueError):
            return json.dumps(plain(content), separators=(",", ":"), allow_nan=False).encode()


def plain(value: Any) -> Any:
    """Return a value that JSON has: bytes as text, or in base64 where they are none; dates and the like as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else str(value)
