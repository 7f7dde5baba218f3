"""Who may ask: a token for scripts, and for browsers an address that is good once and leaves a cookie."""

from __future__ import annotations

import secrets
from hmac import compare_digest

_BYTES = 32
_MOST = 100


class Keys:
    """The secrets of one run of the server."""

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(_BYTES)
        self._tickets: list[str] = []
        self._sessions: list[str] = []

    def ticket(self) -> str:
        """Return a word that opens one session; of those not used, the last hundred are good."""
        self._tickets = [*self._tickets[1 - _MOST :], secrets.token_urlsafe(_BYTES)]
        return self._tickets[-1]

    def open_session(self, ticket: str) -> str | None:
        """Return the cookie of a new session for a ticket, which is good no more; None where it is none."""
        used = [known for known in self._tickets if _same(known, ticket)]
        if not used:
            return None
        self._tickets.remove(used[0])
        self._sessions = [*self._sessions[1 - _MOST :], secrets.token_urlsafe(_BYTES)]
        return self._sessions[-1]

    def is_token(self, authorization: str) -> bool:
        """Whether an ``Authorization`` header holds the token."""
        return _same(authorization, f"Bearer {self.token}")

    def is_session(self, cookie: str) -> bool:
        """Whether a cookie is that of a session."""
        return any([_same(known, cookie) for known in self._sessions])


def _same(known: str, given: str) -> bool:
    return compare_digest(known.encode(), given.encode("utf-8", "surrogateescape"))
