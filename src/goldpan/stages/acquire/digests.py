"""What millions of rows are remembered by: a digest of each text and a number, in some 30 bytes."""

from __future__ import annotations

from array import array
from hashlib import blake2b

_SMALLEST = 1 << 10
_FULLEST = 0.7
_VALUE = (1 << 32) - 1


class DigestMap:
    """Maps texts to whole numbers below 2^32; 0 stands for none.

    Texts are told apart by 96 bits of their BLAKE2b: among a billion of them, the chance that any two are taken for one
    is 6e-12. The table is arrays without objects, with open addresses (linear probing; Knuth, TAOCP 6.4, algorithm L).

    Args:
        expected: how many texts to make room for; it grows where there are more.
    """

    def __init__(self, expected: int = 0) -> None:
        self._count = 0
        self._make_room(max(_SMALLEST, 1 << int(expected / _FULLEST).bit_length()))

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, text: str) -> int:
        high, low = _digest(text)
        return self._rests[self._slot(high, low)] & _VALUE

    def put(self, text: str, bits: int) -> int:
        """Set bits of a text's number; return the number it had."""
        high, low = _digest(text)
        slot = self._slot(high, low)
        before = self._rests[slot] & _VALUE
        self._rests[slot] = low | before | bits
        if not self._highs[slot]:
            self._highs[slot] = high
            self._count += 1
            if self._count > _FULLEST * len(self._highs):
                self._grow()
        return before

    def _slot(self, high: int, low: int) -> int:
        """Return where a digest is, or the free slot where it goes."""
        highs, mask = self._highs, self._mask
        slot = high & mask
        while found := highs[slot]:
            if found == high and self._rests[slot] & ~_VALUE == low:
                break
            slot = slot + 1 & mask
        return slot

    def _make_room(self, slots: int) -> None:
        self._mask = slots - 1
        self._highs, self._rests = array("Q", bytes(8 * slots)), array("Q", bytes(8 * slots))

    def _grow(self) -> None:
        entries = zip(self._highs, self._rests, strict=True)
        self._make_room(2 * len(self._highs))
        for high, rest in entries:
            if high:
                slot = self._slot(high, rest & ~_VALUE)
                self._highs[slot], self._rests[slot] = high, rest


class Texts:
    """Texts by number, without an object each."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("Q", [0])

    def append(self, text: str) -> int:
        """Keep a text; return its number, counted from 0."""
        self._bytes += text.encode()
        self._ends.append(len(self._bytes))
        return len(self._ends) - 2

    def __getitem__(self, number: int) -> str:
        return self._bytes[self._ends[number] : self._ends[number + 1]].decode()


def _digest(text: str) -> tuple[int, int]:
    """Return 64 bits that are not all zero, and 32 more in the upper half of a number."""
    digest = blake2b(text.encode(), digest_size=12).digest()
    return int.from_bytes(digest[:8], "little") or 1, int.from_bytes(digest[8:], "little") << 32
