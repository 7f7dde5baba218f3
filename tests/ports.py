"""Ports for servers that want to be told theirs."""

import random
import socket

_BELOW_CLIENTS = range(20_000, 32_768)  # Linux gives the ports above to clients, at any moment


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens at, and that no client is given."""
    while True:
        port = random.choice(_BELOW_CLIENTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
