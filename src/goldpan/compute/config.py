"""Where work is done, as fields of a configuration and so as flags."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from goldpan.compute.executor import Executor, LocalExecutor
from goldpan.core.config import Config, runtime_field
from goldpan.core.errors import InputError


class Spread(Config):
    """Base of configurations whose work can be spread over a cluster."""

    executor: Literal["local", "ray"] = runtime_field("local", "Who does the work: this machine, or a Ray cluster.")
    address: str | None = runtime_field(
        None,
        "Of the Ray cluster, such as head:6379; by default that of RAY_ADDRESS, or one started on this machine.",
    )

    @model_validator(mode="after")
    def _address_of_a_cluster(self) -> Self:
        if self.address is not None and self.executor != "ray":
            raise InputError(f"--address {self.address} is that of a Ray cluster; add --executor ray.")
        return self


def executor_of(config: Config) -> Executor:
    """Return the executor that a configuration asks for; that of this machine where it cannot ask.

    Raises:
        MissingExtra: Ray is asked for and not installed.
    """
    workers = getattr(config, "workers", None)
    if isinstance(config, Spread) and config.executor == "ray":
        from goldpan.compute.ray import RayExecutor

        return RayExecutor(workers, config.address)
    return LocalExecutor(workers)
