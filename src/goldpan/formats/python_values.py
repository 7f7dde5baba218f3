"""What a Python file assigns at its top, worked out from its text: nothing of it is ever run.

Understood are literals and what people make lists and dictionaries of texts with: names assigned before, f-strings,
``+``, comprehensions, loops, ``[...]``, plain conditions, the methods of texts in `_METHODS` and the functions in
`_FUNCTIONS`. Whatever else there is makes the names it touches unknown. Steps and letters are counted, so that no file
takes long or much memory.
"""

from __future__ import annotations

import ast
import string
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from goldpan.core.errors import FormatError

_MOST = 1_000_000  # steps and letters
_METHODS = frozenset({
    "capitalize", "casefold", "endswith", "format", "get", "items", "join", "keys", "lower", "lstrip", "removeprefix",
    "removesuffix", "replace", "rsplit", "rstrip", "split", "startswith", "strip", "title", "upper", "values",
})  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "dict": dict, "enumerate": enumerate, "len": len, "list": list, "sorted": sorted, "tuple": tuple, "zip": zip,
}  # fmt: skip
_COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: lambda left, right: left == right,
    ast.NotEq: lambda left, right: left != right,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
_NAMING = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def read_assigned(path: Path, wanted: Collection[str]) -> dict[str, Any]:
    """Return those of the wanted names that a file assigns, with their values.

    Raises:
        FormatError: it is no Python, or a wanted name has a value that would take running it.
    """
    try:
        tree = ast.parse(path.read_text("utf-8-sig"))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FormatError(path, f"no Python: {error}") from error
    reader = _Reader()
    for statement in tree.body:
        reader.do(statement)
    for name in wanted:
        if name in reader.unknown:
            raise FormatError(
                path,
                f"`{name}` is computed in line {reader.unknown[name]} in a way that is not followed, and nothing is "
                "run; write it as a literal, or as JSON.",
            )
    return {name: reader.names[name] for name in wanted if name in reader.names}


class _NotFollowedError(Exception):
    """An expression is none of those that are understood."""


class _Reader(ast.NodeVisitor):
    """Follows statements, and tells what expressions are worth; of anything else it says so by raising.

    Attributes:
        names: that are assigned, with their values.
        unknown: names whose values cannot be told, with the line that made them so.
    """

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}
        self.unknown: dict[str, int] = {}
        self._spent = 0

    def do(self, statement: ast.stmt) -> None:
        """Follow a statement of the file."""
        try:
            self.visit(statement)
        except (_NotFollowedError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError):
            self._forget(statement)

    def visit(self, node: ast.AST) -> Any:
        """Follow a statement, or return the value of an expression."""
        self._spend(1)
        return super().visit(node)

    def generic_visit(self, node: ast.AST) -> Any:
        """Refuse what has no method here."""
        raise _NotFollowedError

    def visit_Assign(self, node: ast.Assign) -> None:
        value = self.visit(node.value)
        for target in node.targets:
            self._bind(target, value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._bind(node.target, self.visit(node.value))

    def visit_For(self, node: ast.For) -> None:
        if node.orelse:
            raise _NotFollowedError
        for item in list(self._whole(node.iter)):
            self._bind(node.target, item)
            for statement in node.body:
                self.visit(statement)

    def visit_Expr(self, node: ast.Expr) -> None:
        match node.value:
            case ast.Constant() | ast.Call(func=ast.Name(id="print")):
                return
        raise _NotFollowedError

    def visit_If(self, node: ast.If) -> None:
        match node.test:
            case ast.Compare(left=ast.Name(id="__name__")):
                return
        raise _NotFollowedError

    def visit_Pass(self, node: ast.Pass) -> None:
        pass

    def visit_Assert(self, node: ast.Assert) -> None:
        pass

    def visit_Constant(self, node: ast.Constant) -> Any:
        return node.value

    def visit_Name(self, node: ast.Name) -> Any:
        return self.names[node.id]

    def visit_List(self, node: ast.List) -> list[Any]:
        return [self.visit(item) for item in node.elts]

    def visit_Tuple(self, node: ast.Tuple) -> tuple[Any, ...]:
        return tuple(self.visit(item) for item in node.elts)

    def visit_Dict(self, node: ast.Dict) -> dict[Any, Any]:
        if None in node.keys:  # **other
            raise _NotFollowedError
        keys = [self.visit(key) for key in node.keys if key is not None]
        return dict(zip(keys, map(self.visit, node.values), strict=True))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> str:
        return self._joined("", [str(_plain(self.visit(part))) for part in node.values])

    def visit_FormattedValue(self, node: ast.FormattedValue) -> Any:
        if node.conversion != -1 or node.format_spec is not None:
            raise _NotFollowedError
        return self.visit(node.value)

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        left, right = self.visit(node.left), self.visit(node.right)
        if not (isinstance(node.op, ast.Add) and type(left) is type(right) and isinstance(left, str | list | tuple)):
            raise _NotFollowedError
        self._spend(len(left) + len(right))
        return left + right

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        return self.visit(node.body if self.visit(node.test) else node.orelse)

    def visit_Compare(self, node: ast.Compare) -> bool:
        if len(node.ops) != 1:
            raise _NotFollowedError
        left, right = _plain(self.visit(node.left)), self._whole(node.comparators[0])
        return _COMPARED[type(node.ops[0])](left, right)

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        return self.visit(node.value)[_plain(self.visit(node.slice))]

    def visit_ListComp(self, node: ast.ListComp | ast.GeneratorExp) -> list[Any]:
        return [self.visit(node.elt) for _ in self._turns(node.generators)]

    visit_GeneratorExp = visit_ListComp

    def visit_DictComp(self, node: ast.DictComp) -> dict[Any, Any]:
        return {self.visit(node.key): self.visit(node.value) for _ in self._turns(node.generators)}

    def visit_Call(self, node: ast.Call) -> Any:
        if node.keywords:
            raise _NotFollowedError
        arguments = [self._whole(argument) for argument in node.args]
        match node.func:
            case ast.Name(id=name) if name not in self.names and name not in self.unknown:
                found = _FUNCTIONS[name](*arguments)
                return list(found) if isinstance(found, enumerate | zip) else found
            case ast.Attribute(value=value, attr=method) if method in _METHODS:
                return self._method(self._whole(value), method, arguments)
        raise _NotFollowedError

    def _forget(self, statement: ast.stmt) -> None:
        """Make all names unknown that a statement gives or may change, under their other names too."""
        if isinstance(statement, _NAMING):
            given = {getattr(each, "asname", None) or each.name for each in getattr(statement, "names", [statement])}
        else:
            named = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
            given = {node.id for node in named if not isinstance(node.ctx, ast.Load) or node.id in self.names}
        touched = {id(self.names[name]) for name in given if name in self.names}
        for name in given | {name for name, value in self.names.items() if id(value) in touched}:
            self.names.pop(name, None)
            self.unknown[name] = statement.lineno

    def _bind(self, target: ast.expr, value: Any) -> None:
        match target:
            case ast.Name(id=name):
                self.names[name] = value
                self.unknown.pop(name, None)
            case ast.Subscript(value=ast.Name(id=name), slice=key) if isinstance(self.names.get(name), dict):
                self.names[name][self.visit(key)] = value
            case ast.Tuple(elts=targets):
                for part, item in zip(targets, value, strict=True):
                    self._bind(part, item)
            case _:
                raise _NotFollowedError

    def _spend(self, amount: int) -> None:
        self._spent += amount
        if self._spent > _MOST:
            raise _NotFollowedError

    def _whole(self, node: ast.expr) -> Any:
        """Return a value that is gone through."""
        found = self.visit(node)
        self._spend(len(found) if hasattr(found, "__len__") else 1)
        return found

    def _turns(self, loops: Sequence[ast.comprehension]) -> Iterator[None]:
        """Yield once for each turn of a comprehension, whose names are its own."""
        outside, self.names = self.names, dict(self.names)
        try:
            yield from self._loops(loops)
        finally:
            self.names = outside

    def _loops(self, loops: Sequence[ast.comprehension]) -> Iterator[None]:
        if not loops:
            yield
            return
        for item in list(self._whole(loops[0].iter)):
            self._bind(loops[0].target, item)
            if all(self.visit(test) for test in loops[0].ifs):
                yield from self._loops(loops[1:])

    def _joined(self, between: str, parts: Iterable[str]) -> str:
        parts = list(parts)
        self._spend(sum(map(len, parts)) + len(between) * len(parts))
        return between.join(parts)

    def _method(self, value: Any, method: str, arguments: list[Any]) -> Any:
        if isinstance(value, dict) and method in ("get", "items", "keys", "values"):
            return getattr(value, method)(*arguments)
        if not isinstance(value, str):
            raise _NotFollowedError
        if method == "join":
            return self._joined(value, *arguments)
        if method == "format":
            return self._formatted(value, arguments)
        if method == "replace":
            self._spend(value.count(arguments[0]) * len(arguments[1]))
        return getattr(value, method)(*arguments)

    def _formatted(self, template: str, arguments: list[Any]) -> str:
        """Fill in a template; its braces may hold numbers, and nothing else."""
        texts, number = [], 0
        for literal, field, spec, conversion in string.Formatter().parse(template):
            texts.append(literal)
            if field is not None:
                if spec or conversion or (field and not field.isdecimal()):
                    raise _NotFollowedError
                texts.append(str(_plain(arguments[int(field or number)])))
                number += 1
        return self._joined("", texts)


def _plain(value: Any) -> str | int | float:
    if not isinstance(value, str | int | float):
        raise _NotFollowedError
    return value
