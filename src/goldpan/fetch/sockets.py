"""Room for sockets: a process may have so many files open, often fewer than there are transfers at once."""

from __future__ import annotations

import resource

from goldpan.core.errors import InputError

_OTHERS = 128
"""Files that the rest of the process has open, those to name servers among them."""


def make_room(connections: int) -> int:
    """Raise the limit of open files as far as is needed and allowed.

    Args:
        connections: transfers at once.

    Returns:
        How many connections may be open, those kept for later among them.

    Raises:
        InputError: the system does not allow so many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _OTHERS + 2 * connections:
        limit = _OTHERS + 2 * connections
        soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    room = 2 * connections if soft == resource.RLIM_INFINITY else soft - _OTHERS
    if room < connections:
        raise InputError(
            f"{connections:,} connections need {connections + _OTHERS:,} open files; this system allows a process "
            f"{hard:,}. Type --connections {max(1, room)}, or raise the limit (ulimit -Hn)."
        )
    return min(room, 2 * connections)
