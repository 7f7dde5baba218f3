"""Read-only SQL over the tables of a workspace, through DuckDB."""

from __future__ import annotations

import re

import pyarrow as pa

from goldpan.core.errors import InputError, MissingExtra
from goldpan.core.refusals import explain, is_of_store
from goldpan.store.workspace import Workspace


def query_tables(ws: Workspace, query: str) -> pa.Table:
    """Run one SELECT over the tables, which DuckDB streams from Lance; nothing can be written, no file is reachable.

    Raises:
        MissingExtra: DuckDB is not installed.
        InputError: the query is not understood, or tries to reach beyond the tables.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtra("duckdb", "sql") from error

    connection = duckdb.connect(":memory:")
    for name, table in ws.tables().items():
        dataset = table.dataset()
        half = "float16" in str(table.schema) or "halffloat" in str(table.schema)
        rows = table.to_table() if dataset is None or half else dataset
        connection.register(sql_name(name), _widened(rows) if half else rows)
    # Only what was registered: no files, no network, no extensions, and no way to switch that back on.
    connection.execute("SET enable_external_access = false; SET lock_configuration = true")
    try:
        statements = connection.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise InputError("goldpan sql runs one SELECT; the tables change only through stages.")
        return connection.sql(query).to_arrow_table()
    except duckdb.Error as error:
        if is_of_store(error, ws.path):
            raise explain(error, ws.path) from error
        raise InputError(f"The query is not understood: {str(error).splitlines()[0]}") from error
    finally:
        connection.close()


def _widened(table: pa.Table) -> pa.Table:
    """Return a table of float16 vectors as float32: DuckDB has no half precision."""
    place = table.schema.get_field_index("vector")
    kind = pa.list_(pa.float32(), table.schema.field("vector").type.list_size)
    return table.set_column(place, "vector", table["vector"].cast(kind))


def sql_name(table: str) -> str:
    """Return the name of a table in SQL: ``vectors/onnx_dual-encoder`` is ``vectors_onnx_dual_encoder``."""
    return re.sub(r"\W+", "_", table)
