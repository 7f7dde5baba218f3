"""WordNet 3.0's nouns, from its own `data.noun`: what a wnid of ImageNet stands for.

Source: wndb(5WN). A wnid is "n" and the byte at which the line of its synset starts, in eight digits. The line holds
that byte, a file number, the part of speech, the number of words in hexadecimal, each word with a sense number, the
number of pointers, each pointer as symbol, byte, part of speech and source/target; after " | " comes the gloss.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from goldpan.core.errors import FormatError, InputError

_WNID = re.compile(r"n(\d{8})")
_HYPERNYM = "@"


class Synset(NamedTuple):
    """A meaning: its words (blanks between the parts of a compound), its gloss, and the wnids one level up."""

    words: list[str]
    gloss: str
    hypernyms: list[str]


class Nouns:
    """The nouns of WordNet 3.0.

    Args:
        path: the file `data.noun`.

    Raises:
        InputError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._data = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}; name WordNet 3.0's data.noun.") from error

    def synset(self, wnid: str) -> Synset:
        """Return the synset of a wnid.

        Raises:
            FormatError: none starts there; the file is of another version of WordNet, or the wnid is none.
        """
        match = _WNID.fullmatch(wnid)
        start = int(match[1]) if match else 0
        line = self._data[start : self._data.find(b"\n", start)].decode("utf-8", "replace")
        if match is None or not line.startswith(f"{match[1]} "):
            raise FormatError(self.path, f"no noun {wnid} starts at its byte; WordNet 3.0's data.noun is needed.")
        head, _, gloss = line.partition(" | ")
        fields = head.split()
        end = 4 + 2 * int(fields[3], 16)
        words = [word.replace("_", " ") for word in fields[4:end:2]]
        pointers = zip(fields[end + 1 :: 4], fields[end + 2 :: 4], strict=False)
        return Synset(words, gloss.strip(), [f"n{place}" for symbol, place in pointers if symbol == _HYPERNYM])
