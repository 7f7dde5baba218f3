"""A local mirror in place of the web: where it keeps what a URL names."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote

from goldpan.core.errors import InputError, Reason, UnknownName
from goldpan.fetch.errors import FetchError
from goldpan.fetch.urls import Url, parse_url
from goldpan.stages.acquire.links import Link

NAMES = ("url", "host", "path", "query", "url_sha256", "sha256", "md5", "id")
_NAME = re.compile(r"\{([^{}]*)\}")


class Mirror:
    """Makes the addresses of a mirror from a template with names in braces.

    ``{url}`` is the URL, percent-encoded whole; ``{host}``, ``{path}`` (without its first slash) and ``{query}`` are
    parts of it; ``{url_sha256}`` is the SHA-256 of its text; ``{sha256}``, ``{md5}`` and ``{id}`` are what the list
    says of the row.

    Attributes:
        base: the mirror's own scheme, host and port.

    Raises:
        InputError: the template is no http(s) URL with a host of its own.
        UnknownName: a name in braces is none of these.
    """

    def __init__(self, template: str) -> None:
        for name in _NAME.findall(template):
            if name not in NAMES:
                raise UnknownName("name in --mirror", name, NAMES)
        try:
            self.base: Url = parse_url(_NAME.sub("x", template))
        except FetchError as error:
            raise InputError(f"--mirror {template!r} is no URL of a mirror: {error.detail}") from error
        if not template.startswith(self.base.origin):
            raise InputError(f"--mirror {template!r} must begin with {self.base.origin}/; names come after it.")
        self._template = template

    def address(self, link: Link) -> str:
        """Return where the mirror keeps what a row names.

        Raises:
            FetchError: the URL of the row is none, or its list does not say what the template needs.
        """
        url = parse_url(link.url)
        path, _, query = url.target.lstrip("/").partition("?")
        values = {
            "url": quote(link.url, safe=""),
            "host": url.host,
            "path": path,
            "query": query,
            "url_sha256": hashlib.sha256(link.url.encode()).hexdigest(),
            "sha256": quote(link.sha256, safe=""),
            "md5": quote(link.md5, safe=""),
            "id": quote(link.id, safe=""),
        }
        needed = set(_NAME.findall(self._template))
        missing = [name for name in ("sha256", "md5", "id") if name in needed and not values[name]]
        if missing:
            raise FetchError(Reason.BAD_ROW, f"The mirror needs {missing[0]}, which the list does not say.")
        return _NAME.sub(lambda found: values[found[1]], self._template)
