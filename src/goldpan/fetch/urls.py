r"""One reading of a URL: what is checked is the very text that is fetched.

Parsers that disagree over one text are how a list of URLs gets past a check, so nothing is handed on as it came: the
text is taken apart by one strict pattern and written anew, in ASCII, in the one form that every parser reads alike. A
host is letters, digits, `-`, `_` and dots, or an address in its usual spelling; a path has no `..` left.

Sources: RFC 3986; the WHATWG URL standard for what browsers make of lists' usual mistakes (spaces, non-ASCII letters,
`\` for `/`, `0x7f.1` for `127.0.0.1`); UTS #46 for international names.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote, urljoin

from goldpan.core.errors import Reason
from goldpan.fetch.errors import FetchError

LONGEST_URL = 8192
"""Characters of a URL as it is sent: what the common servers take."""
DEFAULT_PORTS = {"http": 80, "https": 443}

_PARTS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*):(?://(?P<authority>[^/?#\\]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?)?",
    re.IGNORECASE,
)
_HOSTS = 4096  # remembered: a list names each of its hosts many times
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_HOST_PORT = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{0,5}))?")
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
# What stands as it is, besides letters and digits: RFC 3986's delimiters and "%", so that what is encoded stays so.
_PATH_SAFE = "%/:@!$&'()*+,;=~[]"
_QUERY_SAFE = _PATH_SAFE + "?"


@dataclass(frozen=True, slots=True)
class Url:
    """A URL that may be fetched, as far as its text tells.

    Attributes:
        scheme: `http` or `https`.
        host: name in lower-case ASCII, or an address; IPv6 without brackets.
        port: the one to connect to, said or usual.
        target: path and query, as sent.
        text: all of it, ASCII, without fragment: what is fetched.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> str:
        """Scheme, host, and the port if it is not the usual one: what one robots.txt speaks for."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}")

    @property
    def text(self) -> str:
        """The whole URL."""
        return self.origin + self.target

    @property
    def address(self) -> IPv4Address | IPv6Address | None:
        """The host where it is an address, None where it is a name."""
        return _address(self.host)


def parse_url(text: str) -> Url:
    """Return what a URL says, rewritten so that it can be read one way only.

    Raises:
        FetchError: SCHEME_NOT_ALLOWED for any but http and https; BAD_URL for what is none, or carries a user name, or
            control characters.
    """
    text = text.strip(" \t\r\n")
    if _CONTROL.search(text):
        raise _bad(text, "holds control characters")
    if len(text) > LONGEST_URL:
        raise _bad(text, f"is {len(text):,} characters long; allowed are {LONGEST_URL:,}")
    match = _PARTS.match(text)
    if match is None:
        raise _bad(text, "does not start with http:// or https://")
    scheme = match["scheme"].lower()
    if scheme not in DEFAULT_PORTS:
        detail = f"{_shown(text)} is of scheme {scheme[:32]!r}; allowed are http and https."
        raise FetchError(Reason.SCHEME_NOT_ALLOWED, detail)
    if not match["authority"]:
        raise _bad(text, "names no host")
    if "@" in match["authority"]:
        raise FetchError(Reason.BAD_URL, f"The URL carries a user name before its host {_shown(text)}; take it out.")
    host, port = _host_and_port(text, match["authority"])
    try:
        target = quote(_without_dots(match["path"].replace("\\", "/")), safe=_PATH_SAFE)
        if match["query"] is not None:
            target += "?" + quote(match["query"], safe=_QUERY_SAFE)
    except UnicodeEncodeError:
        raise _bad(text, "holds half of a character") from None
    url = Url(scheme, host, DEFAULT_PORTS[scheme] if port is None else port, target)
    if len(url.text) > LONGEST_URL:
        raise _bad(text, f"is {len(url.text):,} characters long when encoded; allowed are {LONGEST_URL:,}")
    return url


def join(url: Url, location: str) -> Url:
    """Return where a redirect leads.

    Args:
        url: what was fetched.
        location: the header of that name, whole or relative.

    Raises:
        FetchError: BAD_REDIRECT for what `parse_url` refuses, for nothing, and for a step down from https to http.
    """
    location = location.strip(" \t\r\n")
    if not location or _CONTROL.search(location):
        raise FetchError(Reason.BAD_REDIRECT, f"{_shown(url.text)} redirects to {_shown(location)}, which is no URL.")
    try:
        target = parse_url(urljoin(url.text, location.replace("\\", "/")))
    except (FetchError, ValueError) as error:
        said = error.detail if isinstance(error, FetchError) else f"{_shown(location)} is no URL."
        raise FetchError(Reason.BAD_REDIRECT, f"{_shown(url.text)} redirects; {said}") from error
    if url.scheme == "https" and target.scheme == "http":
        detail = f"{_shown(url.text)} redirects to {_shown(target.text)}: from https to http."
        raise FetchError(Reason.BAD_REDIRECT, detail)
    return target


def _host_and_port(text: str, authority: str) -> tuple[str, int | None]:
    match = _HOST_PORT.fullmatch(authority)
    if match is None:
        raise _bad(text, f"has no host and port in {authority[:80]!r}")
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 65536:
        raise _bad(text, f"has port {port}; ports are 1 to 65535")
    host = _ipv6(match["host"]) if match["host"].startswith("[") else _name(match["host"])
    if host is None:
        raise _bad(text, f"has no valid host in {authority[:80]!r}")
    return host, port


def _ipv6(host: str) -> str | None:
    with suppress(ValueError):
        address = IPv6Address(host[1:-1])
        return None if address.scope_id is not None else str(address)
    return None


@lru_cache(_HOSTS)
def _name(host: str) -> str | None:
    """Return a name in lower-case ASCII, or IPv4 with dots, None for what is neither."""
    if not host.isascii():
        import idna

        try:
            host = idna.encode(host, uts46=True, std3_rules=True).decode()
        except (idna.IDNAError, UnicodeError):
            return None
    host = host.lower().removesuffix(".")
    if not _NAME.fullmatch(host):
        return None
    return _ipv4(host) if _NUMERIC.fullmatch(host.rpartition(".")[2]) else host


def _ipv4(host: str) -> str | None:
    """Return the usual spelling of an address in decimal, octal or hexadecimal of one to four parts."""
    parts = host.split(".")
    if not all(_NUMERIC.fullmatch(part) for part in parts):
        return None
    try:
        *first, last = (_number(part) for part in parts)
    except ValueError:  # an octal 8 or 9
        return None
    if len(first) > 3 or max(first, default=0) > 255 or last >= 256 ** (4 - len(first)):
        return None
    return str(IPv4Address(int.from_bytes(bytes(first).ljust(4, b"\0")) + last))


@lru_cache(_HOSTS)
def _address(host: str) -> IPv4Address | IPv6Address | None:
    with suppress(ValueError):
        return IPv6Address(host) if ":" in host else IPv4Address(host)
    return None


def _number(part: str) -> int:
    if part.startswith("0x"):
        return int(part[2:] or "0", 16)
    return int(part, 8 if part.startswith("0") else 10)


def _without_dots(path: str) -> str:
    """Return a path with its `.` and `..` worked out, as every client does before it sends (RFC 3986, 5.2.4)."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        plain = segment.lower().replace("%2e", ".")
        if plain == "..":
            del kept[-1:]
        elif plain != ".":
            kept.append(segment)
    if segments and segments[-1].lower().replace("%2e", ".") in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _bad(text: str, problem: str) -> FetchError:
    return FetchError(Reason.BAD_URL, f"{_shown(text)} {problem}.")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 200 else text[:200] + "…")
