"""Which rows are taken: those that fit conditions such as ``WIDTH >= 256``, and are not marked NSFW."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

import pyarrow as pa
import pyarrow.compute as pc

from goldpan.core.errors import InputError
from goldpan.formats.chunks import chunk_names

_CONDITION = re.compile(
    r"""\s*(?P<column>[^=!<>]+?)\s*(?P<sign>==|=|!=|<>|<=|>=|<|>)\s*(?P<quote>["']?)(?P<value>.*?)(?P=quote)\s*""",
    re.DOTALL,
)
_NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"
_DIFFERS = ("!=", "<>")
_ORDERING = ("<", "<=", ">", ">=")
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


def _is_number(values: pa.Array) -> bool:
    return bool(pa.types.is_integer(values.type) or pa.types.is_floating(values.type))


class Condition(NamedTuple):
    """A column, by its own name or the one it has in a chunk, a comparison and a value."""

    column: str
    sign: str
    value: str

    def of(self, names: Iterable[str]) -> str | None:
        """Return which of some columns is meant."""
        called = chunk_names(names)
        if self.column in called:
            return self.column
        return next((name for name, in_chunk in called.items() if in_chunk == self.column), None)

    def holds(self, batch: pa.RecordBatch) -> pa.Array:
        """Return for which rows it holds; a value that is missing differs from every other, and compares to none.

        Numbers compare as numbers, and so does with ``<`` and the like a text that spells one; other texts then compare
        to none. With ``=`` and ``!=`` texts are the same or not, letter by letter.

        Raises:
            InputError: there is no such column, its values compare to nothing, or the value is no number.
        """
        column = self.of(batch.schema.names)
        if column is None:
            known = ", ".join(batch.schema.names)
            raise InputError(f"The rows have no column {self.column!r} for --where; they have: {known}.")
        values = batch.column(column)
        is_number = _is_number(values)
        if not is_number:
            values = self._texts(values)
        if not is_number and self.sign not in _ORDERING:
            return _SIGNS[self.sign](values, self.value).fill_null(self.sign in _DIFFERS)
        if not is_number:
            spells = pc.match_substring_regex(values, _NUMBER)
            values = pc.utf8_trim_whitespace(pc.if_else(spells, values, None))
        return _SIGNS[self.sign](values.cast(pa.float64()), self._number()).fill_null(self.sign in _DIFFERS)

    def _texts(self, values: pa.Array) -> pa.Array:
        try:
            return values.cast(pa.large_string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InputError(
                f"--where {self}: {self.column} holds {values.type}, which compares to nothing."
            ) from error

    def _number(self) -> float:
        try:
            return float(self.value)
        except ValueError as error:
            raise InputError(
                f"--where {self}: {self.value!r} is no number, and {self.column} is compared so."
            ) from error

    def __str__(self) -> str:
        """Return it as it is typed."""
        return f"{self.column} {self.sign} {self.value}"


_NOT_MARKED = Condition("NSFW", "!=", "NSFW")


class Rules(NamedTuple):
    """Conditions that all must hold.

    Attributes:
        conditions: that were asked for.
        keep_nsfw: take rows too whose column NSFW says just that; UNSURE and UNLIKELY are always taken.
    """

    conditions: tuple[Condition, ...]
    keep_nsfw: bool

    @classmethod
    def parse(cls, texts: Sequence[str], *, keep_nsfw: bool) -> Self:
        """Read conditions.

        Raises:
            InputError: one is none.
        """
        found = []
        for text in texts:
            parts = _CONDITION.fullmatch(text)
            if parts is None:
                raise InputError(f'--where {text!r} is no condition; write a column, a sign, a value: "WIDTH >= 256".')
            found.append(Condition(parts["column"], parts["sign"], parts["value"]))
        return cls(tuple(found), keep_nsfw)

    def columns(self, names: Sequence[str]) -> list[str]:
        """Return which of some columns are looked at."""
        return [column for each in self._all(names) if (column := each.of(names)) is not None]

    def fit(self, batch: pa.RecordBatch) -> pa.Array:
        """Return for which rows of a batch all conditions hold.

        Raises:
            InputError: see `Condition.holds`.
        """
        fits = pa.repeat(pa.scalar(True), batch.num_rows)
        for condition in self._all(batch.schema.names):
            if condition is _NOT_MARKED and _is_number(batch.column(condition.of(batch.schema.names))):
                continue  # a score, which is no mark
            fits = pc.and_(fits, condition.holds(batch))
        return fits

    def _all(self, names: Sequence[str]) -> tuple[Condition, ...]:
        hidden = not self.keep_nsfw and _NOT_MARKED.of(names) is not None
        return (_NOT_MARKED, *self.conditions) if hidden else self.conditions
