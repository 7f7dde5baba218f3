"""Why an exchange failed: libcurl's numbers and what they mean here."""

from __future__ import annotations

import pycurl

from goldpan.core.errors import Reason
from goldpan.fetch.errors import reason_of

Problem = tuple[Reason, str]
"""A reason, and one sentence for a person."""
REDIRECTS = (301, 302, 303, 307, 308)

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
    return _REASONS.get(code, Reason.BAD_RESPONSE), f"{message or pycurl.easy_strerror(code)}."


def problem_with(status: int | None, problem: Problem | None, *, partial: bool) -> Problem | None:
    """Return why an answer is not what was asked for, None where it is, or where it is a redirect.

    Args:
        status: of the answer, None where none came.
        problem: of the exchange; beside a status other than 2xx it does not count.
        partial: whether a part was asked for.
    """
    if status is None or 200 <= status < 300:
        if status == 206 and not partial and not problem:
            return Reason.BAD_RESPONSE, "The server sent a part of what was asked for whole."
        return problem
    return reason_of(status), f"The server answered {status}."
