"""No value between quotes stays in a statement, however its dialect quotes."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.tracing.literals import take_out_literals

SECRET = "SECRET"
TAGS = ("$$", "$t$", "$_tag1$")


Writer = Callable[[str], str]


def double(quote: str, prefix: str = "") -> Writer:
    return lambda text: f"{prefix}{quote}{text.replace(quote, quote * 2)}{quote}"


def double_and_escape(text: str) -> str:
    return double("'")(text.replace("\\", "\\\\"))


def escape(quote: str, prefix: str = "") -> Writer:
    def enclose(text: str) -> str:
        return (
            prefix + quote + text.replace("\\", "\\\\").replace(quote[0], "\\" + quote[0]) + quote
        )

    return enclose


def dollars(tag: str) -> Writer:
    return lambda text: f"{tag}{text.replace('$', '')}{tag}"


def oracle(begin: str, end: str) -> Writer:
    return lambda text: f"q'{begin}{text.replace(end, '')}{end}'"


STANDARD: tuple[Writer, ...] = (double("'"),)
ESCAPING: tuple[Writer, ...] = (escape("'"), double_and_escape)
DOLLARS: tuple[Writer, ...] = tuple(map(dollars, TAGS))
ORACLE: tuple[Writer, ...] = (
    oracle("[", "]"),
    oracle("{", "}"),
    oracle("(", ")"),
    oracle("<", ">"),
    oracle("!", "!"),
)
WRITERS: dict[str, tuple[Writer, ...]] = {
    "postgresql": (*STANDARD, escape("'", "E"), escape("'", "e"), *DOLLARS),
    "mysql": (*ESCAPING, escape('"'), escape('"'), escape('"', "_utf8mb4")),
    "MariaDB": (*ESCAPING, escape('"')),
    "bigquery": (escape("'"), escape('"'), escape("'''"), escape('"""')),
    "sqlite": STANDARD,
    "oracle": (*STANDARD, *ORACLE),
    "microsoft.sql_server": (*STANDARD, double("'", "N")),
    "clickhouse": (*ESCAPING, *DOLLARS),
    "snowflake": (*ESCAPING, dollars("$$")),
    "cassandra": (*STANDARD, dollars("$$")),
    "redshift": (*ESCAPING, *DOLLARS),
    "redis": (escape("'"), escape('"')),
}
# What is no value, with quotes that open none.
CODE = {
    "postgresql": (
        '"it\'s $$ ""x"""',
        "-- don't\n",
        "/* don't /* nest */ it's */",
        "a::text",
        "$1",
    ),
    "mysql": ("`it's \"``x`", "-- don't\n", "# don't \"\n", "/* don't \" */", "5--3"),
    "MariaDB": ("`it's`", "/*!40101 don't */"),
    "bigquery": ("`it's`", "# don't\n", "-- don't\n"),
    "sqlite": ('"users"', "`it's`", "[it's]", "-- don't\n", "/* don't */"),
    "oracle": ('"it\'s"', "-- don't\n", "/* don't */", "faq"),
    "microsoft.sql_server": ('"it\'s"', "[it's ]]x]", "/* a /* don't */ it's */"),
    "clickhouse": ('"it\'s"', "`it's`", "-- don't\n", "/* don't */"),
    "snowflake": ('"it\'s"', "-- don't\n", "// don't\n", "/* don't */"),
    "cassandra": ('"it\'s"', "// don't\n"),
    "redshift": ('"it\'s"', "-- don't\n"),
    "redis": ("SET",),
}
texts = st.text(alphabet="'\"`\\$[]{}()<>!-/*#;: \nnEeqt_é", max_size=8)


@pytest.mark.parametrize("system", WRITERS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_no_value_survives(system: str, data: st.DataObject) -> None:
    parts: list[str] = []
    for number in range(data.draw(st.integers(1, 5))):
        parts += [f"kept_{number} =", data.draw(st.sampled_from(CODE[system]))]
        write = data.draw(st.sampled_from(WRITERS[system]))
        parts.append(write(data.draw(texts) + SECRET + data.draw(texts)))
    statement = " ".join(parts)

    whole = take_out_literals(statement, system)
    cut = take_out_literals(statement[: data.draw(st.integers(0, len(statement)))], system)

    assert SECRET not in whole
    assert SECRET not in cut
    if system not in ("redshift", "postgresql", "microsoft.sql_server"):
        assert whole.count("kept_") == len(parts) // 3


@pytest.mark.parametrize("writer", [*STANDARD, *ESCAPING, *DOLLARS, *ORACLE])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_no_value_survives_where_nobody_says_which_dialect_it_is(
    writer: Writer, data: st.DataObject
) -> None:
    values = [writer(data.draw(texts) + SECRET + data.draw(texts)) for _ in range(3)]

    assert SECRET not in take_out_literals("a = " + " AND b = ".join(values), "")
    assert SECRET not in take_out_literals("`a` = " + " AND `b` = ".join(values), "unheard of")


@pytest.mark.parametrize(
    ("system", "statement", "expected"),
    [
        ("", "SELECT \"a\" FROM t WHERE b = 'x''y'", 'SELECT "a" FROM t WHERE b = ?'),
        (
            "",
            "SELECT * FROM t WHERE a = \"ada@x\" AND b = 'C:\\' AND c = 'd'",
            "SELECT * FROM t WHERE a = ? AND b = ?",
        ),
        ("", 'SELECT `a` FROM t WHERE b = "ada"', "SELECT `a` FROM t WHERE b = ?"),
        ("mongodb", '{"find": "users", "a": {"b": "c\\"d"}}', '{"find": ?, "a": {"b": ?}}'),
        ("postgresql", "SELECT x$$y, $1, b", "SELECT x$$y, $1, b"),
        ("postgresql", "SELECT ARRAY['a', 'b']", "SELECT ARRAY[?, ?]"),
        ("postgresql", "SELECT E'a\\'b'\n 'c\\'d', e", "SELECT ?, e"),
        ("postgresql", "SELECT a -- by 'ada'", "SELECT a"),
        ("sqlite", 'SELECT "a" WHERE b = "ada@example.org"', 'SELECT "a" WHERE b = ?'),
    ],
)
def test_what_is_no_value_stays(system: str, statement: str, expected: str) -> None:
    assert take_out_literals(statement, system) == expected


UNITS = ("'", '"', "`", "[", "$", "$a", "$a$ ", "''\\", "\\'", "/*", "*/", "-", "#", "E'' ", "q'[")


@pytest.mark.parametrize("system", ["", *WRITERS, "mongodb"])
def test_a_long_statement_of_quotes_is_looked_at_once(system: str) -> None:
    # In quadratic time this would take minutes.
    for unit in UNITS:
        assert len(take_out_literals(unit * 50_000, system)) <= len(unit) * 50_000
