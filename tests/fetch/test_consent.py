"""Opt-outs in headers: for all, for us, for others; every directive honored by default."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldpan.fetch.consent import WORDS, refused

LONG_AGO = "Sat, 25 Jun 2022 15:00:00 GMT"
LATER = "Tue, 25 Jun 2999 15:00:00 GMT"


@pytest.mark.parametrize("word", [word for word in WORDS if word not in ("unavailable_after", "tdm-reservation")])
@pytest.mark.parametrize(
    "header", ["{}", "all, {}", "NOFOLLOW,{}", "{} , nofollow", "goldpan: {}", "GoldPan:nofollow,{}", "*: {}",
               "img2dataset: {}", "otherbot: nofollow, goldpan: {}", "otherbot: {}\n{}", "max-snippet: 3, {}"],
)  # fmt: skip
def test_refused(word: str, header: str) -> None:
    assert refused({"x-robots-tag": header.format(word, word)}).endswith(word)
    assert refused({"x-robots-tag": header.format(word.upper(), word.upper())}).endswith(word)
    assert refused({"x-robots-tag": header.format(word, word)}, words=()) is None


@pytest.mark.parametrize(
    "header", ["", "all", "nofollow", "otherbot: noai", "otherbot: nofollow, noai", "goldpan: all, otherbot: none",
               "max-image-preview: none", "max-image-preview:none, nosnippet", "noaix", "no ai", ",,::,", "goldpan:",
               f"unavailable_after: {LATER}", "unavailable_after: noai", "otherbot: unavailable_after: 2001-01-01"],
)  # fmt: skip
def test_allowed(header: str) -> None:
    assert refused({"x-robots-tag": header}) is None


@pytest.mark.parametrize(
    "date",
    [LONG_AGO, "25 Jun 2010 15:00:00 PST", "Friday, 25-Jun-10 15:00:00 GMT", "2010-06-25", "2010-06-25T15:00:00Z"],
)
def test_out_of_date(date: str) -> None:
    assert refused({"x-robots-tag": f"unavailable_after: {date}"}) == f"X-Robots-Tag: unavailable_after: {date}"
    assert refused({"x-robots-tag": f"unavailable_after: {date}, nofollow"})
    assert refused({"x-robots-tag": f"unavailable_after: {LATER}, noai"}) == "X-Robots-Tag: noai"


def test_another_name_and_other_words() -> None:
    assert refused({"x-robots-tag": "pan: noai"}, agent="Pan") == "X-Robots-Tag: pan: noai"
    assert refused({"x-robots-tag": "goldpan: noai"}, agent="pan") is None
    assert refused({"x-robots-tag": "noarchive"}) is None
    assert refused({"x-robots-tag": "noarchive"}, words={"noarchive"}) == "X-Robots-Tag: noarchive"


def test_reserved_for_mining() -> None:
    policy = {"tdm-reservation": " 1", "tdm-policy": "https://example.com/policy.json"}
    assert refused(policy) == "TDM-Reservation: 1, policy https://example.com/policy.json"
    assert refused({"tdm-reservation": "1"}) == "TDM-Reservation: 1"
    assert refused({"tdm-reservation": "0\n1"}) == "TDM-Reservation: 1"
    assert refused({"tdm-reservation": "0"}) is None
    assert refused({"tdm-policy": "https://example.com/policy.json"}) is None
    assert refused(policy, words={"noai"}) is None


@given(st.text("abnoi:, \n_mon0123456789-+ü", max_size=60) | st.text(max_size=60))
def test_nothing_breaks_it(text: str) -> None:
    assert refused({"x-robots-tag": f"otherbot: {text.replace(':', '')}".replace("\n", " ")}) is None
    assert refused({"x-robots-tag": f"{text}\nnoai", "tdm-reservation": text})
    assert refused({"x-robots-tag": f"unavailable_after: {text}\nnoml"})
