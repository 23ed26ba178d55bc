"""Statements: what differs only in values is the same, whatever can be parsed of it."""

import pytest

from resumatch_monitor.tracing.model import Segment
from resumatch_monitor.tracing.performance.calls import read_calls
from resumatch_monitor.tracing.performance.statements import StatementReader, strip_values
from tests.support.spans import START, make_span


def make_reader(seconds: float = 10.0) -> StatementReader:
    return StatementReader(monotonic=lambda: 0.0, seconds=seconds)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT * FROM a WHERE id = 1", "select *  from a\nwhere id = 22"),
        ("SELECT * FROM a WHERE b = 'x''y'", "SELECT * FROM a WHERE b = 'z'"),
        ("SELECT * FROM a WHERE id IN (1, 2)", "SELECT * FROM a WHERE id IN (3,4,5)"),
        ("SELECT * FROM a WHERE id = %s", "SELECT * FROM a WHERE id = $1"),
        ("SELECT * FROM a WHERE id = %(id)s", "SELECT * FROM a WHERE id = :id"),
        ("INSERT INTO a VALUES (1, 2), (3, 4)", "INSERT INTO a VALUES (?, ?)"),
        ("SELECT 1 /* request 7 */", "SELECT 2 -- request 8"),
    ],
)
def test_statements_that_differ_in_values_are_the_same(one: str, other: str) -> None:
    reader = make_reader()

    assert reader.read(one, "postgresql").digest == reader.read(other, "postgresql").digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT * FROM a1", "SELECT * FROM a2"),
        ("SELECT a FROM t", "SELECT b FROM t"),
    ],
)
def test_other_statements_are_others(one: str, other: str) -> None:
    reader = make_reader()

    assert reader.read(one, "postgresql").digest != reader.read(other, "postgresql").digest


@pytest.mark.parametrize("ping", ["-- ping", ";", "/* alive? */", "  "])
def test_a_ping_without_a_statement_is_no_call(ping: str) -> None:
    span = make_span(
        2, parent=1, op="db", attributes={"db.query.text": ping, "db.system.name": "postgresql"}
    )

    assert read_calls(Segment(make_span(), (span,), START), make_reader()) == []


def test_a_cast_is_no_parameter() -> None:
    assert strip_values("SELECT a::text, b FROM t") == "SELECT a::text, b FROM t"


@pytest.mark.parametrize(
    ("system", "statement"),
    [
        ("postgresql", "SELECT a FROM t WHERE b = 'C:\\' AND c = 'Mallory'"),
        ("mysql", "SELECT a FROM t WHERE b = 'it\\'s' AND c = \"Mallory\""),
    ],
)
def test_a_value_ends_where_its_database_says(system: str, statement: str) -> None:
    assert strip_values(statement, system) == "SELECT a FROM t WHERE b = ? AND c = ?"


def test_tables_and_the_operation_are_read() -> None:
    read = make_reader().read(
        "select u.name from users u join teams on teams.id = u.team_id where u.id = 7", "postgresql"
    )

    assert read.operation == "SELECT"
    assert read.tables == ("users", "teams")
    assert "7" not in read.text


@pytest.mark.parametrize(
    "text",
    ["SELECT FROM WHERE (((", "VACUUM FULL; what", "GET 'user:1'", "", "(" * 3_000, "'" * 3_000],
)
def test_what_cannot_be_parsed_is_shown_without_its_values(text: str) -> None:
    read = make_reader().read(text, "postgresql")

    assert len(read.text) <= 2_000
    assert "user:1" not in read.text


def test_nothing_is_parsed_when_the_time_is_used_up() -> None:
    reader = make_reader(seconds=0.0)

    read = reader.read("SELECT * FROM users WHERE id = 1", "postgresql")

    assert (read.text, read.tables) == ("SELECT * FROM users WHERE id = ?", ())
    assert (
        read.digest == make_reader().read("SELECT * FROM users WHERE id = 2", "postgresql").digest
    )
