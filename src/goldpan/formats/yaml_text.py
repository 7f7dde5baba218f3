"""YAML, read without trust: plain values only, and no key twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from goldpan.core.errors import FormatError


def load_yaml(path: Path) -> Any:
    """Return what a file holds: mappings, lists, texts, numbers, dates; never objects of another kind.

    Raises:
        FormatError: it is no YAML file, or a mapping has a key twice.
    """
    import yaml

    try:
        return yaml.load(path.read_text("utf-8"), _loader())  # noqa: S506 - a loader of plain values, see _loader
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise FormatError(path, f"not a YAML file ({' '.join(str(error).split())}).") from None


def _loader() -> type:
    """Return YAML's safe loader, made to refuse a key that comes twice: it would silently drop a step."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            names = [key.value for key, _ in node.value if isinstance(key.value, str)]
            if len(set(names)) < len(names):
                twice = next(name for place, name in enumerate(names) if name in names[:place])
                raise yaml.constructor.ConstructorError(None, None, f"key {twice!r} comes twice", node.start_mark)
            return dict(super().construct_mapping(node, deep))

    return Loader
