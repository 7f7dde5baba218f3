"""Lists of classes to look for: names, templates of captions, and queries for some of them.

Read are unmet-promise's retrieval templates, Python files with `classes`, `templates` and `class_map`, which are parsed
and never run; JSON and TOML with the same three names; CSV with a column `class` and perhaps `query`; text, a name a
line.
"""

from __future__ import annotations

import ast
import csv
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from goldpan.core.config import read_toml
from goldpan.core.errors import FormatError, InputError
from goldpan.formats.json_text import read_json

PLAIN_TEMPLATE = "a photo of a {}."
_WHAT = "a list of classes"


class ClassList(NamedTuple):
    """Classes.

    Attributes:
        names: distinct, in order.
        templates: captions of an image of a class, ``{}`` standing for its name; the usual one where none is given.
        class_map: name -> what to look for instead of the name.
        repeated: names that stand there more than once; they are one class.
    """

    names: list[str]
    templates: list[str]
    class_map: dict[str, str]
    repeated: list[str]

    def captions(self, name: str) -> list[str]:
        """Return the captions of a class, one a template."""
        return [template.replace("{}", name) for template in self.templates]


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
    return _checked(path, reader(path))


def classes_of(names: list[str], templates: list[str] | None = None) -> ClassList:
    """Return the classes of plain names."""
    return _checked(Path("classes"), {"classes": names, "templates": templates or []})


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
    """Read what is assigned at the top of the file; only literals, since nothing is run."""
    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (SyntaxError, ValueError) as error:
        raise FormatError(path, f"no Python: {error}") from error
    found: dict[str, Any] = {}
    for statement in tree.body:
        for target in getattr(statement, "targets", []):
            if isinstance(target, ast.Name) and target.id in ("classes", "templates", "class_map"):
                found[target.id] = _literal(statement, target.id, found, path)
    return found


def _literal(statement: Any, name: str, known: dict[str, Any], path: Path) -> Any:
    try:
        return ast.literal_eval(statement.value)
    except (ValueError, TypeError, MemoryError, RecursionError) as error:
        if name == "class_map" and "classes" in known and _is_over_classes(statement.value):
            return {each: every_word(each) for each in known["classes"]}
        raise FormatError(
            path,
            f"`{name}` in line {statement.lineno} is computed, and templates are not run; write it as a literal, or "
            "give the classes as JSON.",
        ) from error


def _is_over_classes(value: ast.expr) -> bool:
    """Tell the one computed map of unmet-promise, that of StanfordCars: a dictionary made over all classes."""
    return isinstance(value, ast.DictComp) and any(
        isinstance(node, ast.Name) and node.id == "classes" for node in ast.walk(value.generators[0].iter)
    )


def every_word(name: str) -> str:
    """Return the query for all words of a name, each in quotes, hyphens taken as blanks: the map of StanfordCars."""
    return " AND ".join(f'"{word}"' for word in name.replace("-", " ").split())


def _checked(path: Path, found: Any) -> ClassList:
    if not isinstance(found, dict) or not isinstance(found.get("classes"), list):
        raise FormatError(path, "it has no list `classes`.")
    names: list[Any] = found["classes"]
    templates, class_map = found.get("templates") or [], found.get("class_map") or {}
    templates = [templates] if isinstance(templates, str) else templates
    if not all(isinstance(name, str) and name.strip() for name in names) or not names:
        raise FormatError(path, "`classes` must be names, none of them empty.")
    if not isinstance(templates, list) or not all(isinstance(each, str) and "{}" in each for each in templates):
        raise FormatError(path, "`templates` must be texts with {} in place of the class.")
    if not isinstance(class_map, dict) or not all(isinstance(query, str) for query in class_map.values()):
        raise FormatError(path, "`class_map` must give a query for each name it holds.")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    return ClassList(list(dict.fromkeys(names)), list(templates) or [PLAIN_TEMPLATE], class_map, repeated)
