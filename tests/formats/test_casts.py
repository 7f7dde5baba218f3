"""Types change without loss, or with a sentence."""

from __future__ import annotations

import numpy as np
import pytest

from goldpan.core.errors import ArrayError
from goldpan.formats.casts import cast_rows, fitting_dtype


def cast(values: list[float], source: str, target: str) -> list[float]:
    return cast_rows(np.array([values], source), np.dtype(target), 0)[0].tolist()


def test_a_float_rounds_to_the_nearest() -> None:
    assert cast([1 + 2**-12, 1 + 2**-10], "float32", "float16") == [1.0, 1 + 2**-10]
    assert cast([1e-300, float("inf"), -0.0], "float64", "float32") == [0.0, float("inf"), 0.0]
    assert np.isnan(cast([float("nan")], "float32", "float16"))


def test_whole_numbers_stay_the_same() -> None:
    assert cast([0.0, 255.0], "float32", "uint8") == [0, 255]
    assert cast([127, -128], "int64", "int8") == [127, -128]


@pytest.mark.parametrize(
    ("value", "source", "target"),
    [
        (70000.0, "float32", "float16"),
        (1e300, "float64", "float32"),
        (0.5, "float32", "uint8"),
        (256.0, "float32", "uint8"),
        (-1, "int8", "uint8"),
        (float("nan"), "float32", "int32"),
        (2.0**31, "float32", "int32"),
        (2**63, "uint64", "int64"),
        (2**32 - 1, "uint32", "int32"),
    ],
)
def test_a_value_the_type_does_not_have_is_named(value: float, source: str, target: str) -> None:
    rows = np.zeros((3, 2), source)
    rows[1, 1] = value
    with pytest.raises(ArrayError, match=f"Row 101 holds .*, which {target} does not have"):
        cast_rows(rows, np.dtype(target), 100)


def test_the_first_type_that_takes_all_values() -> None:
    assert fitting_dtype(np.dtype("float16"), ["uint8", "float32"]) == np.float32
    assert fitting_dtype(np.dtype("uint8"), ["float32", "uint8"]) == np.uint8
    assert fitting_dtype(np.dtype("float64"), ["float32", "int64"]) is None
