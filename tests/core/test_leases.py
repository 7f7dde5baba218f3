"""Rights written down in a bucket: one owner at a time, whatever dies, sleeps or races."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from goldpan.core import leases
from goldpan.core.errors import StageError, WorkspaceError
from goldpan.core.leases import Lease, leased
from goldpan.core.locks import hold
from goldpan.core.place import RemotePath, place

BUSY = WorkspaceError("somebody has it")


@pytest.fixture
def right(bucket: str) -> RemotePath:
    found = place(bucket) / ".locks" / "vectors"
    assert isinstance(found, RemotePath)
    return found


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every process look like one of another machine, and time pass faster."""
    monkeypatch.setattr(leases, "_process", dict)
    for name, seconds in {"LEASE_S": 2.0, "_SURE_S": 1.6, "_RENEW_S": 0.3, "_LOOK_S": 0.1}.items():
        monkeypatch.setattr(leases, name, seconds)


def test_one_has_it_at_a_time(right: RemotePath) -> None:
    for _ in range(3):
        with hold(right, BUSY) as check:
            check()
            with pytest.raises(WorkspaceError, match="somebody"), hold(right, BUSY):
                pass
    assert [path.name for path in right.iterdir()] == ["2"]


def test_of_many_that_race_one_wins(right: RemotePath) -> None:
    for _ in range(5):
        racers = [Lease(right) for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            won = [lease for lease, took in zip(racers, pool.map(Lease.take, racers), strict=True) if took]
        assert len(won) <= 1  # where two wrote and saw each other, none may have it
        for lease in won:
            lease.give_back()


def test_a_dead_process_of_this_machine_holds_nothing(right: RemotePath) -> None:
    script = f"""
import os, signal
from goldpan.core.leases import Lease
from goldpan.core.place import place
assert Lease(place({str(right)!r})).take()
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script]).returncode == -9
    started = time.monotonic()
    with leased(right, BUSY):
        assert time.monotonic() - started < leases.LEASE_S / 3


def test_a_silent_owner_elsewhere_loses_it_after_a_while(right: RemotePath, elsewhere: None) -> None:
    lost = Lease(right)
    assert lost.take()
    lost._ended.set()  # its machine sleeps
    started = time.monotonic()
    with leased(right, BUSY) as taken:
        assert time.monotonic() - started >= leases.LEASE_S
        taken.check()
        with pytest.raises(StageError, match="run the same command again"):
            lost.check()
        lost.give_back()
        taken.check()
        with pytest.raises(WorkspaceError), leased(right, BUSY):
            pass


def test_an_owner_elsewhere_that_lives_keeps_it(right: RemotePath, elsewhere: None) -> None:
    with leased(right, BUSY) as lease:
        for _ in range(3):
            with pytest.raises(WorkspaceError, match="somebody"), leased(right, BUSY):
                pass
        time.sleep(leases.LEASE_S)
        lease.check()


def test_an_owner_that_wakes_up_learns_that_it_is_another_s(right: RemotePath, elsewhere: None) -> None:
    slept = Lease(right)
    assert slept.take()
    slept._ended.set()
    slept._keeper.join()
    with leased(right, BUSY) as taken:
        slept._ended.clear()
        threading.Timer(1.0, slept._ended.set).start()
        slept._keep()
        with pytest.raises(StageError):
            slept.check()
        taken.check()
