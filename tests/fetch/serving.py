"""Servers of a few answers for the tests of fetching, and the settings to fetch from them."""

from __future__ import annotations

from typing import Any

from goldpan.fetch.client import FetchOptions
from tests.hostile import Answer, Case, HostileServer, no_robots


def serve(robots: Answer = no_robots, **answers: Answer) -> HostileServer:
    """Return a server with a host for each answer; `server.url(name, path)` is where it is."""
    return HostileServer([Case(name, answer, None, None, "/", robots) for name, answer in answers.items()])


def options(server: HostileServer, **others: Any) -> FetchOptions:
    """Return settings with which the server can be fetched from; one attempt unless said otherwise."""
    usual = {"allow_private": True, "ports": [server.port], "retries": 0, "robots": "ignore", "timeout": 10}
    return FetchOptions.model_validate(usual | others)
