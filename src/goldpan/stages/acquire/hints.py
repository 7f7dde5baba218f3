"""Which flags let through what fetching refused."""

from __future__ import annotations

from collections.abc import Container, Iterator

from goldpan.core.errors import Reason
from goldpan.fetch.options import TransferOptions


def flags_that_help(options: TransferOptions, failures: Container[str], *, retries: bool = True) -> Iterator[str]:
    """Yield a sentence for the next steps of a report for each reason that a flag can take away.

    Args:
        options: of the run.
        failures: the reasons that it ended with.
        retries: whether failures are tried again only where ``--retry`` asks for it.
    """
    allowed = " ".join(f"--ports {port}" for port in options.ports)
    known = {
        Reason.PORT_NOT_ALLOWED: (f"{allowed} --ports PORT", "asks another port too"),
        Reason.PRIVATE_ADDRESS: ("--allow-private", "asks servers in your own network"),
    }
    for reason, (flags, what) in known.items():
        if reason in failures and not (reason is Reason.PRIVATE_ADDRESS and options.allow_private):
            retry = f"--retry {reason} " if retries else ""
            yield f"the same command with {retry}{flags} {what}"
