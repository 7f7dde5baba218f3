"""Lists of classes to look for: names, templates of captions, and queries for some of them.

Read are unmet-promise's retrieval templates, Python files with `classes`, `templates` and `class_map`, which are never
run; JSON and TOML with the same names; CSV with a column `class` and perhaps `query`; text, a name a
line.
"""

from __future__ import annotations

import csv
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from goldpan.core.config import read_toml
from goldpan.core.errors import FormatError, InputError
from goldpan.formats.json_text import read_json
from goldpan.formats.python_values import read_assigned

PLAIN_TEMPLATE = "a photo of a {}."
_WHAT = "a list of classes"
_NAMES = ("classes", "templates", "templates_subset", "class_map")


class ClassList(NamedTuple):
    """Classes.

    Attributes:
        names: distinct, in order.
        templates: captions of an image of a class, ``{}`` standing for its name; the usual one where none is given.
        class_map: name -> what to look for instead of the name.
        templates_subset: a few of the templates, where the list chooses some.
        repeated: names that stand there more than once; they are one class.
    """

    names: list[str]
    templates: list[str]
    class_map: dict[str, str]
    templates_subset: list[str]
    repeated: list[str]

    def captions(self, name: str) -> list[str]:
        """Return the captions of a class, one a template."""
        return [template.replace("{}", name) for template in self.templates]

    def with_few_templates(self) -> ClassList:
        """Return the same classes with `templates_subset` for templates.

        Raises:
            InputError: there is none.
        """
        if not self.templates_subset:
            raise InputError("The list of classes has no templates_subset; leave --subset out, or add one.")
        return self._replace(templates=self.templates_subset)


def read_classes(path: Path) -> ClassList:
    """Read a list of classes.

    Raises:
        InputError: it cannot be read.
        FormatError: it is no list of classes.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}; name {_WHAT}: .json, .toml, .csv, .txt, or a template in .py.")
    reader = {".json": _json, ".toml": _toml, ".csv": _csv, ".txt": _lines, ".py": _python}.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path} is no {_WHAT[2:]} by its name; it ends in .json, .toml, .csv, .txt or .py.")
    try:
        return _checked(path, reader(path))
    except (UnicodeError, csv.Error) as error:
        raise FormatError(path, f"it is no text that can be read: {error}") from error


def classes_of(names: list[str]) -> ClassList:
    """Return the classes of plain names, which share the usual template.

    Raises:
        InputError: one is empty.
    """
    if not all(map(_is_told, names)):
        raise InputError("A class has an empty name; leave it out.")
    return _checked(Path(), {"classes": names})


def _json(path: Path) -> Any:
    found = read_json(path, _WHAT)
    return {"classes": found} if isinstance(found, list) else found


def _toml(path: Path) -> Any:
    return read_toml(path, _WHAT)


def _csv(path: Path) -> Any:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if rows and rows[0].get("class") is None:
        raise FormatError(path, f"it has no column `class`; it has {', '.join(map(str, rows[0]))}.")
    class_map = {row["class"]: row["query"] for row in rows if row.get("query")}
    return {"classes": [row["class"] for row in rows], "class_map": class_map}


def _lines(path: Path) -> Any:
    return {"classes": [line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip()]}


def _python(path: Path) -> Any:
    return read_assigned(path, _NAMES)


def _checked(path: Path, found: Any) -> ClassList:
    if not isinstance(found, dict) or not isinstance(found.get("classes"), list | tuple):
        raise FormatError(path, "it has no list `classes`.")
    names: list[Any] = list(found["classes"])
    class_map = found.get("class_map") or {}
    if not all(map(_is_told, names)) or not names:
        raise FormatError(path, "`classes` must be names, none of them empty.")
    if not isinstance(class_map, dict) or not all(_is_told(each) for pair in class_map.items() for each in pair):
        raise FormatError(path, "`class_map` must give a query for each name it holds.")
    templates, few = (_templates(path, found, name) for name in ("templates", "templates_subset"))
    "".join(chain(names, class_map.values(), templates, few)).encode()  # half of a pair, which JSON can spell, is none
    repeated = [name for name, count in Counter(names).items() if count > 1]
    return ClassList(list(dict.fromkeys(names)), templates or [PLAIN_TEMPLATE], class_map, few, repeated)


def _is_told(text: Any) -> bool:
    return isinstance(text, str) and bool(text.strip())


def _templates(path: Path, found: dict[str, Any], name: str) -> list[str]:
    given = found.get(name) or []
    templates = [given] if isinstance(given, str) else given
    if not isinstance(templates, list | tuple) or not all(isinstance(each, str) and "{}" in each for each in templates):
        raise FormatError(path, f"`{name}` must be texts with {{}} in place of the class.")
    return list(templates)
