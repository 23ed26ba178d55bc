"""Statements whose columns the type checker need not know, or whose values nobody converts."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, TextClause

AnyRow = Row[*tuple[Any, ...]]
AnySelect = Select[*tuple[Any, ...]]


def execute_many(
    connection: Connection, statement: TextClause, rows: Sequence[dict[str, Any]]
) -> None:
    """Execute a statement for each of `rows`, of plain values that SQLite finds by their names.

    To ask of each value whether it wants to be converted takes SQLAlchemy longer than it takes
    SQLite to write the row.
    """
    if rows:
        connection.exec_driver_sql(statement.text, list(rows))
