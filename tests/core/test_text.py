"""Text from strangers, made fit to be shown."""

from hypothesis import given
from hypothesis import strategies as st

from goldpan.core.text import printable


def test_what_is_written_out() -> None:
    assert printable("café 猫 'x'\\n") == "café 猫 'x'\\n"
    assert printable("a\nb\x1b[31m\x85\u202e\ud800") == "a\\nb\\x1b[31m\\x85\\u202e\\ud800"


@given(st.text(st.characters()))
def test_it_can_be_shown_and_encoded(text: str) -> None:
    assert printable(text).isprintable()
    printable(text).encode()
