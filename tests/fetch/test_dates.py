"""Dates as servers write them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldpan.fetch.dates import parse_date


@pytest.mark.parametrize(
    "text",
    ["Wed, 21 Oct 2015 07:28:00 GMT", "Wednesday, 21-Oct-15 07:28:00 GMT", "Wed Oct 21 07:28:00 2015",
     "21 Oct 2015 09:28:00 +0200", "2015-10-21T07:28:00Z", "2015-10-21T07:28:00", "2015-10-21 07:28"],
)  # fmt: skip
def test_forms(text: str) -> None:
    assert parse_date(text) == datetime(2015, 10, 21, 7, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "soon", "Wed, 99 Oct 2015 07:28:00 GMT", "Wed, 21 Oct " + "9" * 30 + " 07:28:00 GMT"]
)
def test_none(text: str) -> None:
    assert parse_date(text) is None


@given(st.text(max_size=40) | st.text("0123456789 :,+-WedOctGMT", max_size=60))
def test_nothing_breaks_it(text: str) -> None:
    date = parse_date(text)
    assert date is None or (date - datetime.now(UTC)).total_seconds() != 0
