"""The journal: append-only, ordered, shared by several writers, on SQLite and PostgreSQL."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from goldpan.store.journal import Journal


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a real PostgreSQL on loopback, as the postgres user where we are root (it refuses root)."""
    pytest.importorskip("psycopg")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) if Path("/usr/lib/postgresql").exists() else []
    if not found:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    folder = tmp_path_factory.mktemp("postgres", numbered=False)
    owner = {"user": "postgres"} if os.geteuid() == 0 else {}
    if owner:
        account = pwd.getpwnam("postgres")
        for parent in [*folder.parents][:2]:
            parent.chmod(0o755)
        os.chown(folder, account.pw_uid, account.pw_gid)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run = {"check": True, "capture_output": True, "cwd": folder, **owner}
    data = folder / "data"
    subprocess.run([found[-1], "-D", data, "-U", "pan", "--auth=trust", "--no-sync"], **run)
    control = [found[-1].with_name("pg_ctl"), "-D", data, "-w", "-l", folder / "log"]
    options = f"-h 127.0.0.1 -p {port} -k {folder}"
    subprocess.run([*control, "-o", options, "start"], check=True, cwd=folder, stdout=subprocess.DEVNULL, **owner)
    yield f"postgresql+psycopg://pan@127.0.0.1:{port}/postgres"
    subprocess.run([*control, "-m", "immediate", "stop"], **run)
    shutil.rmtree(data)


@pytest.fixture(params=["sqlite", "postgres"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    else:
        url = request.getfixturevalue("postgres")
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.execute(sa.text("DROP TABLE IF EXISTS events"))
        engine.dispose()
    opened = Journal(url)
    yield opened
    opened.close()


def test_events_come_back_in_order_with_their_payload(journal: Journal) -> None:
    journal.append("vote", "image-1", {"label": "cat", "sure": True}, actor="ann")
    journal.append("vote", "image-2", {"label": "dog"})
    journal.append("undo", "image-1", {"of": 1}, actor="ann")
    assert [event.kind for event in journal.events()] == ["vote", "vote", "undo"]
    first = next(journal.events(kind="vote", subject="image-1"))
    assert (first.actor, first.payload) == ("ann", {"label": "cat", "sure": True})
    assert [event.subject for event in journal.events(after=first.seq)] == ["image-2", "image-1"]
    assert journal.count() == 3


def test_nothing_is_changed_or_deleted(journal: Journal) -> None:
    journal.append("vote", "image-1", {"label": "cat"})
    for statement in ("UPDATE events SET actor = 'eve'", "DELETE FROM events"):
        try:
            with journal.engine.begin() as connection:
                connection.execute(sa.text(statement))
        except sa.exc.IntegrityError as error:
            assert "append-only" in str(error)
    assert [event.actor for event in journal.events()] == ["goldpan"]


def test_many_writers_lose_nothing(journal: Journal) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: journal.append("vote", f"image-{i}", {"i": i}), range(100)))
    assert sorted(event.payload["i"] for event in journal.events()) == list(range(100))


def test_a_second_process_sees_the_first(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    first, second = Journal(url), Journal(url)
    first.append("vote", "a", {})
    assert second.count() == 1
    first.close()
    second.close()
