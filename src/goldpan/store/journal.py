"""People's decisions as an append-only log in SQL: SQLite in the workspace, or any database where several people work.

Events are facts that happened; nothing is changed or deleted. Undo is an event too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from goldpan.core.errors import InputError, MissingExtra

_METADATA = sa.MetaData()
_EVENTS = sa.Table(
    "events",
    _METADATA,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("kind", sa.String(100), nullable=False, index=True),
    sa.Column("subject", sa.String(500), nullable=False, index=True),
    sa.Column("payload", sa.JSON, nullable=False),
)
for _change in ("UPDATE", "DELETE"):
    sa.event.listen(
        _EVENTS,
        "after_create",
        sa.DDL(  # type: ignore[no-untyped-call]
            f"CREATE TRIGGER events_no_{_change.lower()} BEFORE {_change} ON events "
            "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
        ).execute_if(dialect="sqlite"),
    )
    sa.event.listen(
        _EVENTS,
        "after_create",
        sa.DDL(  # type: ignore[no-untyped-call]
            f"CREATE RULE events_no_{_change.lower()} AS ON {_change} TO events DO INSTEAD NOTHING"
        ).execute_if(dialect="postgresql"),
    )


@dataclass(frozen=True, slots=True)
class Event:
    """One decision: who, what kind, about what, and its details."""

    seq: int
    at: datetime
    actor: str
    kind: str
    subject: str
    payload: dict[str, Any]


def checked_url(url: str) -> str:
    """Return the address of a database as it may be written down: without a password, its file by an absolute path.

    Raises:
        InputError: it is no address of a database, or holds a password.
    """
    try:
        found = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise InputError(
            "This is no address of a database; write postgresql://HOST/DATABASE or sqlite:////FOLDER/journal.sqlite."
        ) from error
    if found.password is not None:
        raise InputError(
            "The address of a journal is written down, so it must not hold a password; "
            "leave that to PGPASSWORD or ~/.pgpass."
        )
    if found.drivername == "postgresql":
        found = found.set(drivername="postgresql+psycopg")
    if found.get_backend_name() == "sqlite" and found.database:
        found = found.set(database=str(Path(found.database).absolute()))
    return found.render_as_string()


class Journal:
    """An append-only log of events at an SQLAlchemy `url`, such as ``sqlite:///ws/journal.sqlite``.

    Raises:
        MissingExtra: the client of that database is not installed.
        InputError: the database cannot be opened.
    """

    def __init__(self, url: str) -> None:
        try:
            self.engine = sa.create_engine(url)
        except ModuleNotFoundError as error:
            raise MissingExtra(str(error.name), "postgres") from error
        if self.engine.dialect.name == "sqlite":
            sa.event.listen(self.engine, "connect", _durable_sqlite)
        try:
            _METADATA.create_all(self.engine)
        except sa.exc.OperationalError as error:
            self.close()
            reason = str(error.orig).strip().partition("\n")[0]
            raise InputError(f"The journal at {self.engine.url} cannot be opened: {reason}") from error

    def append(self, kind: str, subject: str, payload: dict[str, Any], actor: str = "goldpan") -> int:
        """Write one event durably; return its sequence number."""
        row = {"at": datetime.now(UTC), "actor": actor, "kind": kind, "subject": subject, "payload": payload}
        with self.engine.begin() as connection:
            key = connection.execute(sa.insert(_EVENTS).values(row)).inserted_primary_key
        return int(key[0]) if key else 0

    def events(self, kind: str | None = None, subject: str | None = None, after: int = 0) -> Iterator[Event]:
        """Yield events in the order in which they happened, after sequence number `after`."""
        query = sa.select(_EVENTS).where(_EVENTS.c.seq > after).order_by(_EVENTS.c.seq)
        if kind is not None:
            query = query.where(_EVENTS.c.kind == kind)
        if subject is not None:
            query = query.where(_EVENTS.c.subject == subject)
        with (
            self.engine.connect() as connection,
            connection.execution_options(yield_per=1000).execute(query) as rows,
        ):
            for row in rows:
                yield Event(*row)

    def count(self) -> int:
        """Count the events."""
        with self.engine.connect() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(_EVENTS)).scalar_one())

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def _durable_sqlite(connection: Any, _record: Any) -> None:
    """Several processes may write, and a committed decision survives a power cut."""
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")
