"""Errors cross process borders whole."""

import pickle

import pytest

from goldpan.core.errors import FormatError, GoldpanError, ImageError, InputError, MissingExtra, Reason, UnknownName


@pytest.mark.parametrize(
    "error",
    [
        InputError("no"),
        UnknownName("metric", "cosin", ["cosine"]),
        MissingExtra("torch", "torch"),
        FormatError("a.fvecs", "cut", row=3),
        ImageError(Reason.TRUNCATED, "ends early"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_travel_between_processes(error: GoldpanError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
