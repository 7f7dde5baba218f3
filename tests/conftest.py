"""Fixtures for every room: where the real inputs lie."""

from __future__ import annotations

import os
import secrets
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldpan.core.remote import file_system
from tests.ceph import Ceph, is_installed
from tests.ray_head import RayHead

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure() -> None:
    """Heed Ctrl-C: a shell has what it starts in the background ignore it, and so would all that tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real inputs: GOLDPAN_SHARED, else ../shared; skip where there is none."""
    folder = Path(os.environ.get("GOLDPAN_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no real inputs at {folder}; set GOLDPAN_SHARED")
    return folder


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    """Start a Ray cluster of two workers on this machine, and end it."""
    ray = pytest.importorskip("ray", reason="ray is not installed; type: pip install 'goldpan[ray]'")
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    # Not that of another run: a cluster of these tests alone.
    size = {"num_cpus": 2, "object_store_memory": 100 << 20}
    with warnings.catch_warnings():  # Lance warns of forks; those of Ray start another program at once
        warnings.filterwarnings("ignore", message=".*fork-safe")
        ray.init("local", **size, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def ray_head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayHead]:
    """Start a Ray cluster of two processors as programs of their own, joined by address and token, and end it."""
    pytest.importorskip("ray", reason="ray is not installed; type: pip install 'goldpan[ray]'")
    head = RayHead(tmp_path_factory.mktemp("r"))
    yield head
    head.stop()


@pytest.fixture(scope="session")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ceph]:
    """Start a real S3 server on loopback, and tell this process where it is."""
    pytest.importorskip("s3fs", reason="s3fs is not installed; type: pip install 'goldpan[s3]'")
    if not is_installed():
        pytest.skip("no S3 server here: apt-get install ceph-mon ceph-osd radosgw")
    server = Ceph(tmp_path_factory.mktemp("ceph"))
    before = dict(os.environ)
    os.environ |= server.environment()
    yield server
    os.environ.clear()
    os.environ |= before
    server.stop()


@pytest.fixture
def bucket(ceph: Ceph) -> str:
    """Return the address of a new, empty bucket."""
    name = f"b{secrets.token_hex(8)}"
    file_system("s3").mkdir(name)
    return f"s3://{name}"
