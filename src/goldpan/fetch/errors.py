"""Why a URL was not fetched."""

from __future__ import annotations

from goldpan.core.errors import ItemError, Reason


class FetchError(ItemError):
    """A URL that cannot be fetched, or should not be."""


_OF_STATUS = {
    401: Reason.FORBIDDEN,
    403: Reason.FORBIDDEN,
    404: Reason.NOT_FOUND,
    410: Reason.NOT_FOUND,
    429: Reason.RATE_LIMITED,
    451: Reason.FORBIDDEN,
}


def reason_of(status: int) -> Reason:
    """Return the reason that an HTTP status other than 2xx stands for."""
    return _OF_STATUS.get(status, Reason.SERVER_ERROR if status >= 500 else Reason.HTTP_ERROR)
