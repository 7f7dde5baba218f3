"""Why an exchange failed: libcurl's numbers and what they mean here."""

from __future__ import annotations

from collections.abc import Set

import pycurl

from goldpan.core.errors import Reason
from goldpan.fetch.errors import reason_of

Problem = tuple[Reason, str]
"""A reason, and one sentence for a person."""
REDIRECTS = (301, 302, 303, 307, 308)
_CONDITIONS = frozenset({"if-none-match", "if-modified-since"})

_TLS = (
    pycurl.E_SSL_CONNECT_ERROR, pycurl.E_SSL_CERTPROBLEM, pycurl.E_SSL_CIPHER, pycurl.E_PEER_FAILED_VERIFICATION,
    pycurl.E_SSL_CACERT_BADFILE, pycurl.E_SSL_ISSUER_ERROR, pycurl.E_SSL_INVALIDCERTSTATUS, pycurl.E_USE_SSL_FAILED,
)  # fmt: skip
_HTTP2_STREAM = 92  # has no name in pycurl: the server reset the stream
_REASONS = {
    pycurl.E_COULDNT_RESOLVE_PROXY: Reason.CONNECT_FAILED,
    pycurl.E_COULDNT_RESOLVE_HOST: Reason.DNS_FAILED,
    pycurl.E_COULDNT_CONNECT: Reason.CONNECT_FAILED,
    pycurl.E_OPERATION_TIMEDOUT: Reason.TIMED_OUT,
    pycurl.E_PARTIAL_FILE: Reason.CUT_OFF,
    pycurl.E_GOT_NOTHING: Reason.CUT_OFF,
    pycurl.E_SEND_ERROR: Reason.CUT_OFF,
    pycurl.E_RECV_ERROR: Reason.CUT_OFF,
    _HTTP2_STREAM: Reason.CUT_OFF,
    **dict.fromkeys(_TLS, Reason.TLS_FAILED),
}


def problem_of(code: int, message: str) -> Problem:
    """Return what an error of libcurl stands for; what is no trouble of the network is a BAD_RESPONSE."""
    if code == pycurl.E_RECV_ERROR and ("chunk" in message or "headers" in message):  # it says so of bad ones as well
        return Reason.BAD_RESPONSE, f"{message}."
    return _REASONS.get(code, Reason.BAD_RESPONSE), f"{(message or f'Error {code} of libcurl').rstrip('.')}."


def problem_with(status: int | None, problem: Problem | None, asked: Set[str]) -> Problem | None:
    """Return why an answer is not what was asked for, None where it is.

    Args:
        status: of the answer, None where none came.
        problem: of the exchange; where the status is one already, that counts.
        asked: names of the request's own headers, in lower case; a part, or no body because nothing changed, is an
            answer only to those who asked for it.
    """
    if status is None or 200 <= status < 300:
        unasked = status == 206 and "range" not in asked and not problem
        return (Reason.BAD_RESPONSE, "The server sent a part of what was asked for whole.") if unasked else problem
    if status == 304 and not asked.isdisjoint(_CONDITIONS):
        return problem
    if status in REDIRECTS:
        return Reason.BAD_REDIRECT, f"The server answered {status} without saying where to go."
    return reason_of(status), f"The server answered {status}."
