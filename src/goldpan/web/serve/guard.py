"""The door of the server: which hosts may be named, who may ask, from where; and what every answer says to browsers.

Against pages of other sites that run in the same browser (forged requests, names that are bound anew to this machine),
and against whoever else is on this machine or network.
"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from goldpan.web.serve.errors import problem
from goldpan.web.serve.keys import Keys

CONTENT_POLICY = (
    "default-src 'none'; img-src 'self' data: blob:; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SAFE_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
OPEN_PATHS = ("/health",)
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class SafeHeaders:
    """Adds to every answer what browsers are to be told; an answer's own word stands."""

    def __init__(self, app: ASGIApp, *, public: bool) -> None:
        self._app = app
        self._headers = SAFE_HEADERS | ({"Cross-Origin-Resource-Policy": "cross-origin"} if public else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, add)


class Guard:
    """Lets in who has a key and comes from here.

    Args:
        app: behind the door.
        keys: the secrets; None where anyone may ask.
        hosts: names that requests may give for this machine, besides its own; of no account where anyone may ask
            and none is given.
        port: of the server, which the cookie is named after.
        addresses: requests may name any IP address; what a page binds anew is a name.
    """

    def __init__(
        self, app: ASGIApp, keys: Keys | None, hosts: list[str], port: int, *, addresses: bool = False
    ) -> None:
        self._app, self._keys = app, keys
        self._cookie, self._addresses = f"goldpan-{port}", addresses
        self._hosts = {host.lower() for host in (*_THIS_MACHINE, *hosts)} if keys is not None or hosts else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = self._refused(HTTPConnection(scope))
        await (refused or self._app)(scope, receive, send)

    def _refused(self, asked: HTTPConnection) -> Response | None:
        """Return the answer to a request that is not let in."""
        if not self._is_named(_host(asked.headers)):
            return problem(
                403, "wrong_host", "This server does not go by the name in the Host header; add --allow-host."
            )
        if (
            self._keys is None
            or asked.url.path in OPEN_PATHS
            or self._keys.is_token(asked.headers.get("authorization", ""))
        ):
            return None
        if "token" in asked.query_params and asked.scope["method"] == "GET":
            return self._session(asked, self._keys)
        if not self._keys.is_session(self._given_cookie(asked.headers)):
            return problem(
                403,
                "no_token",
                "Open the address that the server printed, or send its token: Authorization: Bearer ...",
            )
        if asked.scope["method"] not in _SAFE_METHODS and not _from_here(asked.headers):
            return problem(403, "other_site", "Pages of other sites may not do this.")
        return None

    def _is_named(self, host: str) -> bool:
        if self._hosts is None or host in self._hosts:
            return True
        try:
            return self._addresses and bool(ip_address(host))
        except ValueError:
            return False

    def _session(self, asked: HTTPConnection, keys: Keys) -> Response:
        """Exchange the token of an address for a cookie, and lead to the address without it."""
        cookie = keys.open_session(asked.query_params["token"])
        if cookie is None and not keys.is_session(self._given_cookie(asked.headers)):
            return problem(
                403, "no_token", "This address was used already; ask POST /api/v1/sessions for another, or start anew."
            )
        rest = urlencode([pair for pair in parse_qsl(asked.url.query) if pair[0] != "token"])
        # The path of this server alone: "//elsewhere" would lead to another.
        path = "/" + asked.url.path.lstrip("/\\")
        answer = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
        if cookie is not None:
            answer.set_cookie(self._cookie, cookie, httponly=True, samesite="strict", path="/")
        return answer

    def _given_cookie(self, headers: Headers) -> str:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return ""
        return found.value if found is not None else ""


def _host(headers: Headers) -> str:
    """Return the name that the Host header gives this machine, without the port."""
    try:
        return urlsplit(f"//{headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def _from_here(headers: Headers) -> bool:
    """Whether a request comes from a page of this server, as browsers say it, or from no page at all."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")
