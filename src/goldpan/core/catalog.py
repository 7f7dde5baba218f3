"""Names to things: built-ins from explicit tables, strangers from entry points, both imported on use."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from goldpan.core.errors import InputError, UnknownName


class Catalog:
    """A table of names, each with the ``module:attribute`` that makes it.

    Args:
        kind: the word for messages, such as "encoder".
        builtin: name -> "module:attribute".
        group: the entry-point group in which other packages may add names.
    """

    def __init__(self, kind: str, builtin: Mapping[str, str], group: str | None = None) -> None:
        self.kind = kind
        self.builtin = dict(builtin)
        self.group = group

    def entries(self) -> dict[str, str]:
        """Return every name with its target.

        Raises:
            InputError: two owners claim one name.
        """
        found = dict(self.builtin)
        for point in metadata.entry_points(group=self.group) if self.group else ():
            if found.setdefault(point.name, point.value) != point.value:
                raise InputError(
                    f"The {self.kind} name {point.name!r} is claimed by {found[point.name]} and by {point.value}; "
                    "uninstall one of them."
                )
        return found

    def find(self, name: str, hint: str = "") -> str:
        """Return the ``module:attribute`` of a name; nothing is imported.

        Raises:
            UnknownName: no entry has that name.
        """
        target = self.builtin.get(name) or self.entries().get(name)
        if target is None:
            raise UnknownName(self.kind, name, self.entries(), hint)
        return target

    def load(self, name: str, hint: str = "") -> Any:
        """Import and return what `name` stands for.

        Raises:
            UnknownName: no entry has that name.
        """
        module, _, attribute = self.find(name, hint).partition(":")
        return getattr(importlib.import_module(module), attribute)
