"""An engine in a process of its own: equal answers, measured, and its death is an error like any other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from goldpan.core.errors import InputError, UnknownName
from goldpan.search.engines.loading import load_index, open_index, save_index
from goldpan.search.engines.remote import EngineDied, EngineFailed, EngineTimeout, RemoteIndex
from goldpan.search.engines.worker import Session

DIM = 8
ROWS = np.random.default_rng(0).standard_normal((500, DIM)).astype(np.float32)
SPEC = "faiss:IVF8,Flat"

PEER = """
import os, sys, time
from goldpan.core.records import Metric
from goldpan.search.engines.flat import Flat
from goldpan.search.engines.spec import EngineSpec

class Peer(Flat):
    def __init__(self, spec, dim, metric, threads, seed):
        super().__init__(EngineSpec("flat", "", {}), dim, metric, threads, seed)
        self.mood = spec.name

    def build(self, base, ids=None):
        print("what engines print must not mix with answers", flush=True)
        super().build(base, ids)

    def search(self, queries, k, **parameters):
        if self.mood == "exits":
            print("not supported on this hardware", file=sys.stderr, flush=True)
            os._exit(1)
        if self.mood == "crashes":
            os.abort()
        if self.mood == "sleeps":
            time.sleep(60)
        if self.mood == "raises":
            raise RuntimeError("a peer's own error")
        if self.mood == "environment":
            raise RuntimeError(os.environ["OMP_NUM_THREADS"] + " " + os.environ["MOOD"])
        if self.mood == "eats":
            bytearray(1 << 32)
        return super().search(queries, k, **parameters)
"""


@pytest.fixture
def peers(tmp_path: Path) -> dict[str, str]:
    """Install a package with an engine of the kind `peer`; return the variables that make it seen."""
    (tmp_path / "peer.py").write_text(PEER)
    info = tmp_path / "peer-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: peer\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[goldpan.engines]\npeer = peer:Peer\n")
    return {"PYTHONPATH": str(tmp_path), "MOOD": "good"}


@pytest.fixture
def remote() -> Iterator[RemoteIndex]:
    with RemoteIndex(SPEC, DIM, "l2", threads=1) as index:
        yield index


def test_answers_are_those_of_the_index_itself(remote: RemoteIndex, tmp_path: Path) -> None:
    local = open_index(SPEC, dim=DIM, metric="l2", threads=1)
    assert remote.traits == local.traits
    for index in (local, remote):
        index.build(ROWS[:400], np.arange(400) * 3)
        index.remove(np.array([0, 3]))
        index.add(ROWS[400:], np.arange(400, 500) * 3)
        index.consolidate()
    assert remote.n == local.n == 498
    for settings in ({}, {"nprobe": 8}):
        there, here = (index.search(ROWS[:50], 5, **settings) for index in (remote, local))
        np.testing.assert_array_equal(there.ids, here.ids)
        np.testing.assert_array_equal(there.scores, here.scores)
    assert remote.search(ROWS[:0], 5).ids.shape == (0, 5)
    assert remote.memory_bytes() == local.memory_bytes()
    save_index(remote, tmp_path / "index")
    np.testing.assert_array_equal(load_index(tmp_path / "index").search(ROWS[:9], 5).ids, local.search(ROWS[:9], 5).ids)
    with RemoteIndex(SPEC, DIM, "l2", threads=1) as other:
        other.load(tmp_path / "index")
        np.testing.assert_array_equal(other.search(ROWS[:9], 5).ids, local.search(ROWS[:9], 5).ids)


def test_what_is_refused_here_is_refused_there(remote: RemoteIndex) -> None:
    remote.build(ROWS)
    with pytest.raises(InputError, match="in use"):
        remote.add(ROWS[:1], np.array([3]))
    with pytest.raises(InputError, match="no search parameter 'speed'"):
        remote.search(ROWS[:1], 5, speed=11)
    assert remote.search(ROWS[:1], 1).ids.tolist() == [[0]]
    with pytest.raises(InputError, match="M must be"):
        RemoteIndex("hnswlib@M=many", DIM, "l2")
    with pytest.raises(UnknownName, match="fais"):
        RemoteIndex("fais:Flat", DIM, "l2")


def test_a_mapped_base_is_not_copied(remote: RemoteIndex, tmp_path: Path) -> None:
    np.save(tmp_path / "base.npy", ROWS)
    mapped = np.load(tmp_path / "base.npy", mmap_mode="r")
    remote.build(mapped)
    assert not (remote._worker.folder / "base.raw").exists()
    with RemoteIndex(SPEC, DIM, "l2", threads=1) as other:  # a slice does not know where it starts
        other.build(mapped[100:])
        assert other.search(ROWS[100:101], 1, nprobe=8).scores.item() == 0
        assert other.search(ROWS[100:101], 1, nprobe=8).ids.item() == 0


def test_every_command_is_measured(remote: RemoteIndex) -> None:
    remote.build(ROWS)
    assert 0 < remote.last.wall_s < 20 and remote.last.cpu_s > 0
    assert remote.last.peak_rss_bytes >= remote.last.rss_bytes >= remote.last.rss_anon_bytes > 1 << 20
    timed = remote.search_timed(ROWS, 3, 1)
    assert timed.seconds.shape == (500,) and (timed.seconds > 0).all()
    assert timed.seconds.sum() <= remote.last.wall_s
    assert remote.search_timed(ROWS, 3, 300).seconds.shape == (2,)
    np.testing.assert_array_equal(timed.neighbors.ids, remote.search(ROWS, 3).ids)


@pytest.mark.parametrize(
    ("mood", "status", "signal", "words"),
    [("exits", 1, "", "not supported on this hardware"), ("crashes", -6, "SIGABRT", "")],
)
def test_a_death_is_a_result(peers: dict[str, str], mood: str, status: int, signal: str, words: str) -> None:
    with RemoteIndex(f"peer:{mood}", DIM, "l2", env=peers) as index:
        index.build(ROWS)
        with pytest.raises(EngineDied) as caught:
            index.search(ROWS, 3)
        assert (caught.value.exit_status, caught.value.signal) == (status, signal)
        assert words in caught.value.last_words
        with pytest.raises(EngineDied):
            index.memory_bytes()


def test_an_engine_that_takes_too_long_is_ended(peers: dict[str, str]) -> None:
    with RemoteIndex("peer:sleeps", DIM, "l2", env=peers, timeout=20) as index:
        index.build(ROWS)
        index._worker.timeout = 0.3
        with pytest.raises(EngineTimeout, match=r"search took longer than 0\.3 s"):
            index.search(ROWS, 3)
        pid = index.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_peers_own_error_leaves_it_alive(peers: dict[str, str]) -> None:
    with RemoteIndex("peer:raises", DIM, "l2", env=peers) as index:
        index.build(ROWS)
        with pytest.raises(EngineFailed, match="RuntimeError: a peer's own error"):
            index.search(ROWS, 3)
        assert index.memory_bytes() > 0


def test_threads_and_variables_reach_it(peers: dict[str, str]) -> None:
    with RemoteIndex("peer:environment", DIM, "l2", threads=3, env=peers) as index:
        index.build(ROWS)
        with pytest.raises(EngineFailed, match="3 good"):
            index.search(ROWS, 3)


def test_memory_has_a_limit(peers: dict[str, str]) -> None:
    with RemoteIndex("peer:eats", DIM, "l2", threads=1, env=peers, memory_limit=2 << 30) as index:
        index.build(ROWS)
        with pytest.raises(EngineFailed, match="MemoryError"):
            index.search(ROWS, 3)


def test_nothing_stays_behind(peers: dict[str, str]) -> None:
    with RemoteIndex("peer:good", DIM, "l2", env=peers) as index:
        index.build(ROWS)
        folder, pid = index._worker.folder, index.pid
        assert folder.is_dir()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_worker_at_work_ends_with_its_parent(peers: dict[str, str]) -> None:
    code = (
        "import sys, numpy as np; from goldpan.search.engines.remote import RemoteIndex;"
        f"index = RemoteIndex('peer:sleeps', 2, 'l2', env={peers!r}); index.build(np.eye(2, dtype=np.float32));"
        "print(index.pid, flush=True); index.search(np.eye(2, dtype=np.float32), 1)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(pid, 0)
        parent.kill()
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or "State:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return
        time.sleep(0.1)
    pytest.fail("the worker is still there")


def test_worker_imports_only_what_every_interpreter_has() -> None:
    code = (
        "import importlib, json, sys, goldpan.search.engines.worker;"
        "from goldpan.search.engines.loading import CATALOG;"
        "[importlib.import_module(target.partition(':')[0]) for target in CATALOG.builtin.values()];"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    strangers = set(json.loads(done.stdout)) - set(sys.stdlib_module_names)
    assert not {name for name in strangers if not name.startswith("_")} - {"goldpan", "numpy"}


def test_another_interpreter_needs_numpy_alone(tmp_path: Path) -> None:
    venv.create(tmp_path / "peer", symlinks=True)
    site = next((tmp_path / "peer" / "lib").glob("python*")) / "site-packages"
    home = Path(np.__file__).parent
    for part in (home, home.with_name("numpy.libs")):
        if part.exists():
            (site / part.name).symlink_to(part)
    with RemoteIndex("flat", DIM, "l2", threads=1, python=str(tmp_path / "peer" / "bin" / "python")) as index:
        index.build(ROWS)
        np.testing.assert_array_equal(index.search(ROWS[:50], 1).ids[:, 0], np.arange(50))


def test_the_clock_holds_the_search_of_the_engine_and_nothing_else() -> None:
    session = Session()
    session.open({"spec": "flat", "dim": DIM, "metric": "l2", "threads": 1, "seed": 0, "memory_limit": None}, {})
    session.build({}, {"base": ROWS})
    called: list[str] = []

    def note(frame: FrameType, event: str, arg: Any) -> None:
        """Keep what `Session.search` itself calls: functions of Python, and those of C."""
        caller = frame.f_back if event == "call" else frame if event == "c_call" else None
        if caller is not None and caller.f_code is Session.search.__code__:
            called.append(arg.__name__ if event == "c_call" else frame.f_code.co_qualname)

    sys.setprofile(note)
    try:
        _, answer = session.search({"k": 3, "batch": 200, "parameters": {}}, {"queries": ROWS})
    finally:
        sys.setprofile(None)
    clock = [at for at, name in enumerate(called) if name == "perf_counter"]
    assert len(clock) == 2 * len(answer["seconds"]) == 2 * 3
    searched = {tuple(called[start + 1 : end]) for start, end in zip(clock[::2], clock[1::2], strict=True)}
    assert searched == {(type(session.index).search.__qualname__,)}
