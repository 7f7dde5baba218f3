"""What can be set about fetching; the fields are flags wherever something fetches."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from goldpan import __version__
from goldpan.core.config import Config, runtime_field
from goldpan.fetch.consent import WORDS


class TransferOptions(Config):
    """How one transfer is made, of a page or of a large file."""

    connect_timeout: float = runtime_field(
        10.0, "Seconds to look a host up, and seconds to connect to it, TLS included.", gt=0
    )
    min_rate: int = runtime_field(
        1024, "Give up a transfer that brings fewer bytes a second than this over 10 seconds; 0: never.", ge=0
    )
    retries: int = runtime_field(2, "Attempts after the first, where the failure may pass.", ge=0, le=20)
    max_redirects: int = Field(5, description="Redirects followed, each checked like the first URL.", ge=0, le=20)
    allow_private: bool = Field(False, description="Fetch from addresses that are not public, such as a lab's mirror.")
    ports: list[int] = Field([80, 443], description="Ports that URLs may name.", min_length=1)
    user_agent: str = Field(
        f"goldpan/{__version__}", description="Who is said to fetch.", pattern=r"^[A-Za-z_-][ -~]*$"
    )
    contact: str | None = Field(
        None, description="Address or page where a site's owner reaches you; sent with user_agent.", pattern=r"^[ -~]+$"
    )
    http2: bool = runtime_field(True, "Speak HTTP/2 to https servers that can.")
    name_servers: list[str] = runtime_field([], "Name servers to ask, such as 9.9.9.9; those of the system by default.")
    proxy: str | None = runtime_field(None, "Proxy, such as http://proxy:3128; that of the environment is not used.")
    ca_file: Path | None = runtime_field(None, "PEM file of the authorities to trust in place of the usual ones.")

    @field_validator("ports")
    @classmethod
    def _within_bounds(cls, ports: list[int]) -> list[int]:
        if not all(0 < port < 65_536 for port in ports):
            raise ValueError("ports are 1 to 65535")
        return ports

    @property
    def agent(self) -> str:
        """The User-Agent header."""
        return f"{self.user_agent} (+{self.contact})" if self.contact else self.user_agent

    @property
    def robot(self) -> str:
        """The name that robots.txt and X-Robots-Tag call us by: the first word of `user_agent`."""
        return re.split(r"[^A-Za-z_-]", self.user_agent, maxsplit=1)[0]


class FetchOptions(TransferOptions):
    """How many transfers at once, how long each may take, and how a host is to be treated."""

    connections: int = runtime_field(512, "Transfers at once, over all hosts.", ge=1, le=20_000)
    per_host: int = runtime_field(2, "Transfers at once to one host.", ge=1, le=100)
    timeout: float = runtime_field(
        60.0, "Seconds an attempt may take, from connecting to the last byte, redirects included.", gt=0
    )
    max_bytes: int = Field(32 << 20, description="Refuse bodies larger than this, decoded.", ge=1)
    robots: Literal["obey", "ignore"] = Field("obey", description="Whether each site's robots.txt is obeyed.")
    opt_outs: list[str] = Field(
        list(WORDS),
        description="Words of X-Robots-Tag, and tdm-reservation, by which an answer refuses its use; they are obeyed.",
    )
    look_ahead: int = runtime_field(
        65_536, "URLs taken in ahead of the transfers, so that a slow host holds no other one up.", ge=1
    )
    cool_down: float = runtime_field(30.0, "Seconds that a failing host is left alone before it is tried again.", gt=0)
