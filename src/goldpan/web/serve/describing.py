"""Rows of a pool as our own API tells of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from goldpan.core.errors import UnknownName
from goldpan.core.records import Ids
from goldpan.web.serve.served import ServedPool
from goldpan.web.serve.service import Service


def known_columns(pool: ServedPool, columns: Sequence[str] | None) -> list[str]:
    """Return the columns that are asked for, or the usual ones.

    Raises:
        UnknownName: the pool has no such column.
    """
    known = pool.pool.metadata.columns
    for name in columns or ():
        if name not in known:
            raise UnknownName("column", name, known)
    return [name for name in (pool.pool.columns if columns is None else columns) if name in known]


def describe(service: Service, pool: ServedPool, rows: Ids, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return `metadata`, and in `picture` where a picture is shown, of each row."""
    showing = [name for name in service.shown_by if name in pool.pool.metadata.columns]
    told = service.rows(pool, rows, list(dict.fromkeys([*columns, *showing])))
    return [
        {
            "metadata": {name: one[name] for name in columns},
            "picture": _address(pool, row) if any(one[name] for name in showing) else None,
        }
        for row, one in zip(rows.tolist(), told, strict=True)
    ]


def _address(pool: ServedPool, row: int) -> str:
    return f"/api/v1/thumbnail?{urlencode({'pool': pool.name, 'row': row})}"
