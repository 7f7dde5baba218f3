"""A cluster that somebody else started, with a token as Ray has it now, joined by its address."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from goldpan.store.workspace import Workspace

pytest.importorskip("ray", reason="ray is not installed; type: pip install 'goldpan[ray]'")


class Cluster(NamedTuple):
    address: str
    environment: dict[str, str]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start a head node as its own program, with a home of its own, and end all its processes."""
    folder = tmp_path_factory.mktemp("r")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {"HOME": str(folder), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}
    head = [f"{Path(sys.executable).parent}/ray", "start", "--head", f"--port={port}", "--num-cpus=2", "--block"]
    small = ["--include-dashboard=false", "--disable-usage-stats", f"--object-store-memory={100 << 20}"]
    with (folder / "log").open("wb") as log:
        node = subprocess.Popen(
            [*head, *small, f"--temp-dir={folder}"], env=environment, start_new_session=True, stdout=log, stderr=log
        )
    try:
        until = time.monotonic() + 60
        while b"Ray runtime started" not in (folder / "log").read_bytes():
            assert node.poll() is None and time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.2)
        yield Cluster(f"127.0.0.1:{port}", environment)
    finally:
        node.terminate()
        node.wait(timeout=30)


def goldpan(environment: dict[str, str], *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "goldpan", *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    (tmp_path / "photos").mkdir()
    for i in range(9):
        Image.new("RGB", (20 + i, 30), (28 * i, 0, 9)).save(tmp_path / "photos" / f"{i}.png")
    assert goldpan(dict(os.environ), "init", tmp_path / "ws").returncode == 0
    assert goldpan(dict(os.environ), "acquire", "folder", tmp_path / "ws", tmp_path / "photos").returncode == 0
    return Workspace(tmp_path / "ws")


@pytest.mark.slow
def test_embed_joins_a_cluster_by_its_address(cluster: Cluster, ws: Workspace) -> None:
    spread = ("--executor", "ray", "--address", cluster.address)
    for name, where in (("here", ()), ("there", spread)):
        done = goldpan(cluster.environment, "embed", ws.path, "--encoder", "pixels:4", "--name", name, *where)
        assert done.returncode == 0, done.stderr
    for here, there in zip(ws.vectors("here"), ws.vectors("there"), strict=True):
        np.testing.assert_array_equal(here, there)
    again = goldpan(cluster.environment, "embed", ws.path, "--encoder", "pixels:2", *spread)
    assert again.returncode == 0, again.stderr  # whoever joins leaves the cluster as it was


@pytest.mark.slow
def test_who_has_no_token_is_told_where_to_put_it(cluster: Cluster, ws: Workspace) -> None:
    environment = {name: value for name, value in cluster.environment.items() if name != "RAY_AUTH_TOKEN"}
    words = ("embed", ws.path, "--encoder", "pixels:4", "--executor", "ray", "--address", cluster.address)
    refused = goldpan(environment, *words)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"goldpan: The Ray cluster at {cluster.address} cannot be joined: Token")
    assert refused.stderr.endswith("Where it wants a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN.\n")
