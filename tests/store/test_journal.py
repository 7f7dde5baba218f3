"""The journal: append-only, ordered, shared by several writers, on SQLite and PostgreSQL."""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from goldpan.store.journal import Journal


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Start a real PostgreSQL behind a socket of its own, as the postgres user where we are root (it refuses root).

    Not below pytest's folder: each run that starts takes other users' leave to enter that away.
    """
    pytest.importorskip("psycopg")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) if Path("/usr/lib/postgresql").exists() else []
    if not found:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="goldpan-postgres-") as name:
        folder = Path(name)
        owner = {"user": "postgres"} if os.geteuid() == 0 else {}
        if owner:
            os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
        run = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder, **owner}
        subprocess.run([found[-1], "-D", folder / "data", "-U", "pan", "--auth=trust", "--no-sync"], **run)
        control = [found[-1].with_name("pg_ctl"), "-D", folder / "data", "-w", "-t", "300", "-l", folder / "log"]
        subprocess.run([*control, "-o", f"-c listen_addresses='' -k {folder}", "start"], **run)
        yield f"postgresql+psycopg://pan@/postgres?host={folder}"
        subprocess.run([*control, "-m", "immediate", "stop"], **run)


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
