"""Text from strangers, made fit to be shown and stored."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Return text with what cannot be shown written out, such as ``\x1b``.

    That is line ends, other control characters (a terminal obeys them), marks that turn the direction of writing, and
    lone surrogates, which cannot even be encoded.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
