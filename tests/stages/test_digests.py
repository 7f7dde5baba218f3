"""Millions of texts in little memory."""

import random

import pytest

from goldpan.stages.acquire.digests import DigestMap, Texts


@pytest.mark.parametrize("expected", [0, 10, 100_000])
def test_it_is_a_dictionary_of_numbers(expected: int) -> None:
    rng = random.Random(1)
    there, like = DigestMap(expected), {}
    for _ in range(50_000):
        text, bits = f"é{rng.randrange(20_000)}", rng.choice([1, 2, 3, 1 << 31])
        assert there.put(text, bits) == like.get(text, 0)
        like[text] = like.get(text, 0) | bits
    assert len(there) == len(like)
    assert all(there[text] == value for text, value in like.items())
    assert not any(there[f"none {number}"] for number in range(1000))


def test_texts_come_back_by_number() -> None:
    texts = Texts()
    words = ["", "a", "é\n", "x" * 1000]
    assert [texts.append(word) for word in words] == [0, 1, 2, 3]
    assert [texts[number] for number in range(4)] == words
