"""The table between people's ids and an engine's running numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldpan.core.errors import ArrayError, InputError
from goldpan.search.engines.labels import Labels
from goldpan.search.engines.spec import parse_spec, read_options


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 12), max_size=6)), max_size=12), st.booleans())
def test_agrees_with_a_dictionary(steps: list[tuple[bool, set[int]]], close: bool) -> None:
    labels, truth = Labels(), {}
    for gives, chosen in steps:
        ids = np.array(sorted(chosen), np.int64)
        fits = not (chosen & set(truth)) if gives else chosen <= set(truth)
        if not fits:
            with pytest.raises(InputError):
                (labels.give if gives else labels.take)(ids)
        elif gives:
            numbers = labels.give(ids)
            assert not set(numbers.tolist()) & set(truth.values())
            truth.update(zip(ids.tolist(), numbers.tolist(), strict=True))
        else:
            assert labels.take(ids).tolist() == [truth.pop(i) for i in ids.tolist()]
            if close:
                labels.close_gaps()
                truth = {i: place for place, (i, _) in enumerate(sorted(truth.items(), key=lambda pair: pair[1]))}
        assert labels.n == len(truth)
        numbers = np.array([*truth.values(), -1], np.int64)
        assert labels.named(numbers).tolist() == [*truth, -1]
    again = Labels()
    again.restore(labels.dump().copy())
    assert again.n == labels.n
    np.testing.assert_array_equal(np.sort(again.take(np.array(list(truth), np.int64))), sorted(truth.values()))


@pytest.mark.parametrize("ids", [[-1], [0.5], [[1, 2]]])
def test_what_is_no_id(ids: list[object]) -> None:
    with pytest.raises(ArrayError, match="ids must be"):
        Labels().give(np.array(ids))


def test_options_keep_the_type_of_their_default() -> None:
    defaults = {"M": 16, "replace": 0, "dtype": "f32"}
    assert read_options(parse_spec("x@M=8,dtype=bf16"), defaults) == {"M": 8, "replace": 0, "dtype": "bf16"}
    for wrong in ("x@M=0", "x@M=1.5", "x@M=many", "x@replace=-1", "x@depth=3"):
        with pytest.raises(InputError):
            read_options(parse_spec(wrong), defaults)
