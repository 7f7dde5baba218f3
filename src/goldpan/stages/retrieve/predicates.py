"""Rows that fit conditions such as ``WIDTH >= 256``: one column, one comparison, one value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from goldpan.core.errors import InputError

_CONDITION = re.compile(r"\s*(?P<column>\w+)\s*(?P<sign>==|=|!=|<>|<=|>=|<|>)\s*(?P<value>.*?)\s*")
_SIGNS = {
    "=": pc.equal,
    "==": pc.equal,
    "!=": pc.not_equal,
    "<>": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


class Condition(NamedTuple):
    """A column, a comparison and a value."""

    column: str
    sign: str
    value: str

    def holds(self, batch: pa.RecordBatch) -> pa.Array:
        """Return for which rows it holds; a value that is missing differs from every other, and compares to none.

        Raises:
            InputError: there is no such column, or its values compare to no such value.
        """
        if self.column not in batch.schema.names:
            known = ", ".join(batch.schema.names)
            raise InputError(f"The rows have no column {self.column!r} for --where; they have: {known}.")
        values: pa.Array = batch.column(self.column)
        wanted: str | float = self.value
        if self.sign in ("<", "<=", ">", ">=") or not pa.types.is_string(values.type):
            values, wanted = self._numbers(values)
        return _SIGNS[self.sign](values, wanted).fill_null(self.sign in ("!=", "<>"))

    def holds_for(self, row: dict[str, Any]) -> bool:
        """Return whether it holds for one row; see `holds`."""
        if self.column not in row:
            raise InputError(f"The rows have no column {self.column!r} for --where; they have: {', '.join(row)}.")
        value = row[self.column]
        batch = pa.RecordBatch.from_pydict(
            {self.column: pa.array([value if value is None else str(value)], pa.string())}
        )
        return bool(self.holds(batch)[0].as_py())

    def _numbers(self, values: pa.Array) -> tuple[pa.Array, float]:
        """Compare as numbers: metadata often keep them as texts."""
        try:
            if pa.types.is_string(values.type):
                values = pc.if_else(pc.equal(values, ""), None, values)
            return values.cast(pa.float64()), float(self.value)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
            raise InputError(
                f"--where {self.column} {self.sign} {self.value}: {self.column} or {self.value!r} is no number."
            ) from error


def parse_conditions(texts: Sequence[str]) -> list[Condition]:
    """Read conditions.

    Raises:
        InputError: one is none.
    """
    found = []
    for text in texts:
        parts = _CONDITION.fullmatch(text)
        if parts is None:
            raise InputError(f'--where {text!r} is no condition; write a column, a sign, a value: "WIDTH >= 256".')
        found.append(Condition(parts["column"], parts["sign"], parts["value"].strip("'\"")))
    return found


def fitting(batch: pa.RecordBatch, conditions: Sequence[Condition]) -> pa.RecordBatch:
    """Return the rows for which all conditions hold."""
    for condition in conditions:
        batch = batch.filter(condition.holds(batch))
    return batch
