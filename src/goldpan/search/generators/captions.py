"""Captions like real ones, as many as are wanted: the words of real captions, walked through in another order.

A Markov chain of order 1 in both directions. A caption has the length of a real one and its topic at the same place;
from there on each word is one that follows (or precedes) the word before it somewhere among the real captions. So the
length of captions, the frequency of words, and which words stand side by side stay those of the real ones; what a
caption says as a whole is made up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from goldpan.core.errors import InputError
from goldpan.search.captions.tokens import tokenize

NO_TOPIC = -1
_LEAST = 5  # captions in which a topic stands
Numbers = NDArray[np.int64]


class Captions(NamedTuple):
    """Captions that were drawn.

    Attributes:
        texts: ``(n,)`` strings.
        topics: ``(n,)`` numbers of topics, `NO_TOPIC` where there is none.
    """

    texts: pa.Array
    topics: Numbers


class CaptionModel:
    """What real captions are like.

    The topic of a caption is the rarest of its words that stand in 5 of the captions or more.

    Args:
        captions: real ones; those without a word are passed over.

    Attributes:
        topics: the words that are one, folded.

    Raises:
        InputError: no caption has a word.
    """

    def __init__(self, captions: Sequence[str]) -> None:
        words = [found for caption in captions if (found := caption.split())]
        if not words:
            raise InputError("There are no captions to learn from; name a file whose captions have words.")
        numbers = {word: number for number, word in enumerate(dict.fromkeys(word for each in words for word in each))}
        self._spelled = pa.array(list(numbers), pa.string())
        self._words = np.array([numbers[word] for each in words for word in each])
        self._ends = np.cumsum([len(each) for each in words])
        self._lengths = np.diff(self._ends, prepend=0)
        self._border = {1: np.zeros(len(self._words), bool), -1: np.zeros(len(self._words), bool)}
        self._border[1][self._ends - 1] = self._border[-1][self._ends - self._lengths] = True
        self._uses = np.bincount(self._words)
        self._first_use = np.cumsum(self._uses) - self._uses
        self._places = np.argsort(self._words, kind="stable")  # of each word, one word after the other
        self.topics, self._topic, self._topic_at = _topics(words)

    def draw(self, rng: np.random.Generator, n: int) -> Captions:
        """Draw captions; equal for an equal `rng`."""
        like = rng.integers(0, len(self._ends), n)
        lengths, before = self._lengths[like], self._topic_at[like]
        ends = np.cumsum(lengths)
        topic_at = ends - lengths + before
        places = self._ends[like] - lengths + before
        drawn = np.empty(ends[-1] if n else 0, np.int64)
        drawn[topic_at] = self._words[places]
        self._walk(rng, drawn, topic_at, places, lengths - before - 1, 1)
        self._walk(rng, drawn, topic_at, places, before, -1)
        rows = pa.ListArray.from_arrays(pa.array(np.append(0, ends), pa.int32()), self._spelled.take(pa.array(drawn)))
        return Captions(pc.binary_join(rows, " "), self._topic[like])

    def _walk(
        self, rng: np.random.Generator, drawn: Numbers, at: Numbers, places: Numbers, steps: Numbers, way: int
    ) -> None:
        """Write words beside those at `at`, so many steps to the right (`way` 1) or to the left (-1)."""
        longest_first = np.argsort(-steps, kind="stable")
        at, places, steps = at[longest_first], places[longest_first], -steps[longest_first]
        for step in range(1, 1 - steps.min(initial=0)):
            active = np.searchsorted(steps, -step, side="right")
            places = self._beside(rng, places[:active], way)
            drawn[at[:active] + way * step] = self._words[places]

    def _beside(self, rng: np.random.Generator, places: Numbers, way: int) -> Numbers:
        """Return where a word stands beside another use of the words at `places`; anywhere, where a caption ends."""
        words = self._words[places]
        chance, anywhere = rng.random(len(words)), rng.integers(0, len(self._words), len(words))
        uses = self._places[self._first_use[words] + (chance * self._uses[words]).astype(np.int64)]
        beside: Numbers = np.where(self._border[way][uses], anywhere, uses + way)
        return beside


def _topics(captions: Sequence[Sequence[str]]) -> tuple[list[str], Numbers, Numbers]:
    """Return the topics, the topic of each caption, and which of its words that is; the first word where none is."""
    folded = [[" ".join(tokenize(word)) for word in words] for words in captions]
    standing = Counter(word for words in folded for word in set(words))
    common = {word for word, count in standing.items() if count >= _LEAST and word}
    rarest = [min(common.intersection(words), key=lambda word: (standing[word], word), default="") for words in folded]
    topics = sorted(set(rarest) - {""})
    number = {topic: at for at, topic in enumerate(topics)} | {"": NO_TOPIC}
    at = [words.index(topic) if topic else 0 for words, topic in zip(folded, rarest, strict=True)]
    return topics, np.array([number[topic] for topic in rarest]), np.array(at)
