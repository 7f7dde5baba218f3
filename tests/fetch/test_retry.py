"""What is tried again, and after how long."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldpan.core.errors import Reason
from goldpan.fetch.errors import reason_of
from goldpan.fetch.retry import LONGEST_WAIT, delay, is_transient, parse_retry_after


def test_statuses() -> None:
    again = {status for status in range(300, 600) if is_transient(reason_of(status), status)}
    assert again == {408, 425, 429, 500, 502, 503, 504}
    assert reason_of(404) == reason_of(410) == Reason.NOT_FOUND
    assert reason_of(403) == reason_of(451) == Reason.FORBIDDEN
    assert reason_of(429) == Reason.RATE_LIMITED
    assert reason_of(418) == reason_of(304) == Reason.HTTP_ERROR
    assert reason_of(501) == Reason.SERVER_ERROR


def test_reasons() -> None:
    assert is_transient(Reason.CUT_OFF, 200)
    assert is_transient(Reason.DNS_FAILED)
    for reason in (Reason.BAD_URL, Reason.PRIVATE_ADDRESS, Reason.TLS_FAILED, Reason.ROBOTS, Reason.TOO_MANY_BYTES):
        assert not is_transient(reason)


def test_waits_double_and_spread() -> None:
    for attempt, most in ((1, 1), (2, 2), (5, 16), (9, LONGEST_WAIT), (1000, LONGEST_WAIT)):
        waits = [delay(attempt) for _ in range(500)]
        assert 0 <= min(waits) < most * 0.1
        assert most * 0.9 < max(waits) <= most


def test_what_the_server_asks() -> None:
    assert 7 <= delay(1, "7") <= 8
    assert delay(1, "1000000") == delay(1, "9" * 400) == LONGEST_WAIT
    assert delay(1, "Wed, 21 Oct 2015 07:28:00 GMT") <= 1
    assert delay(1, "soon") <= 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    {
        "0": 0,
        " 120 ": 120,
        "9" * 400: math.inf,
        "Wed, 21 Oct 2015 07:28:30 GMT": 30,
        "Wednesday, 21-Oct-15 07:28:30 GMT": 30,
        "Wed Oct 21 07:28:30 2015": 30,
        "Wed, 21 Oct 2015 09:28:30 +0200": 30,
        "Wed, 21 Oct 2015 07:00:00 GMT": 0,
        "-1": None,
        "1.5": None,
        "١٢": None,
        "": None,
        "never": None,
        "Wed, 99 Oct 2015 07:28:00 GMT": None,
    }.items(),
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, datetime(2015, 10, 21, 7, 28, tzinfo=UTC)) == seconds


@given(st.text(max_size=40) | st.text("0123456789 :,+-WedOctGMT", max_size=40))
def test_garbage(value: str) -> None:
    assert 0 <= delay(3, value) <= LONGEST_WAIT
