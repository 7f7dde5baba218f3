"""A cluster that somebody else started, with a token as Ray has it now, joined by its address."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from goldpan.store.workspace import Workspace
from tests.ray_head import RayHead

pytest.importorskip("ray", reason="ray is not installed; type: pip install 'goldpan[ray]'")


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
def test_embed_joins_a_cluster_by_its_address(ray_head: RayHead, ws: Workspace) -> None:
    spread = ("--executor", "ray", "--address", ray_head.address)
    for name, where in (("here", ()), ("there", spread)):
        done = goldpan(ray_head.environment, "embed", ws.path, "--encoder", "pixels:4", "--name", name, *where)
        assert done.returncode == 0, done.stderr
    for here, there in zip(ws.vectors("here"), ws.vectors("there"), strict=True):
        np.testing.assert_array_equal(here, there)
    again = goldpan(ray_head.environment, "embed", ws.path, "--encoder", "pixels:2", *spread)
    assert again.returncode == 0, again.stderr  # whoever joins leaves the cluster as it was


@pytest.mark.slow
def test_who_has_no_token_is_told_where_to_put_it(ray_head: RayHead, ws: Workspace) -> None:
    environment = {name: value for name, value in ray_head.environment.items() if name != "RAY_AUTH_TOKEN"}
    words = ("embed", ws.path, "--encoder", "pixels:4", "--executor", "ray", "--address", ray_head.address)
    refused = goldpan(environment, *words)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"goldpan: The Ray cluster at {ray_head.address} cannot be joined: Token")
    assert refused.stderr.endswith("Where it wants a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN.\n")
