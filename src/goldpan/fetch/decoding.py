"""Undo Content-Encoding: within bounds, and so that an end that is missing is noticed, which libcurl does not."""

from __future__ import annotations

import zlib

_MOST = 5
_GZIP, _ZLIB, _BARE = zlib.MAX_WBITS | 16, zlib.MAX_WBITS, -zlib.MAX_WBITS


class CodingError(Exception):
    """What came is not what the header said."""


class Decoder:
    """Undoes one coding, `gzip` or `deflate`, piece by piece."""

    def __init__(self, coding: str) -> None:
        self._is_gzip = coding in ("gzip", "x-gzip")
        if not self._is_gzip and coding != "deflate":
            raise CodingError(f"it is encoded as {coding[:40]!r}, which was not asked for")
        self._stream: zlib._Decompress | None = None

    def decode(self, data: bytes, most: int) -> bytes:
        """Return what `data` stands for, but no more than some bytes over `most`, which the caller is to refuse.

        Raises:
            CodingError: it is not encoded as was said.
        """
        decoded = b""
        while data and len(decoded) <= most:
            if self._stream is None or (self._stream.eof and self._is_gzip):  # gzip may have several members
                self._stream = zlib.decompressobj(self._window(data))
            try:
                decoded += self._stream.decompress(data, most + 1)
            except zlib.error as error:
                raise CodingError(f"it cannot be decoded: {error}") from error
            data = self._stream.unused_data
            if data and not self._is_gzip:
                raise CodingError("it goes on after its end")
        return decoded

    @property
    def ended(self) -> bool:
        """Whether the end came, or nothing at all."""
        return self._stream is None or self._stream.eof

    def _window(self, data: bytes) -> int:
        # `deflate` is to have a header (RFC 9110, 8.4.1.2), which begins with an 8; many servers leave it out.
        return _GZIP if self._is_gzip else _ZLIB if data[0] & 15 == 8 else _BARE


def decoders(content_encoding: str) -> list[Decoder]:
    """Return what undoes a Content-Encoding, in the order to apply it.

    Raises:
        CodingError: there is a coding that we do not know, or there are more than five.
    """
    codings = [coding.strip().lower() for coding in content_encoding.replace("\n", ",").split(",")]
    used = [coding for coding in codings if coding not in ("", "identity")]
    if len(used) > _MOST:
        raise CodingError(f"it is encoded {len(used)} times over")
    return [Decoder(coding) for coding in reversed(used)]
