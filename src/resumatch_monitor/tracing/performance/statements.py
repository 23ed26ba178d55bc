"""Statements of databases without their values: what makes two of them the same."""

import hashlib
import logging
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from resumatch_monitor.tracing.literals import take_out_literals

logger = logging.getLogger(__name__)

_TEXT_MAX = 2_000
_PARSED_MAX = 4_000
_CACHED = 4_000
_TABLES_MAX = 8
# In this order: placeholders of all drivers, numbers.
_LITERAL = re.compile(
    r"%\(\w{1,100}\)s|%s|(?<!:):[A-Za-z_]\w{0,100}|\$\d{1,5}|\?\d{0,5}"
    r"|(?<![\w.])-?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?!\w)"
)
_SPACE = re.compile(r"\s+")
_LIST = re.compile(r"\(\s*\?(?:\s*,\s*\?)+\s*\)")
_ROWS = re.compile(r"(\(\s*\?\s*\))(?:\s*,\s*\(\s*\?\s*\))+")
_WORD = re.compile(r"[A-Za-z]+")
_DIALECTS = {
    "postgresql": "postgres",
    "postgres": "postgres",
    "redshift": "redshift",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlite": "sqlite",
    "clickhouse": "clickhouse",
    "mssql": "tsql",
    "microsoft.sql_server": "tsql",
    "oracle": "oracle",
    "oracle.db": "oracle",
}
_NO_SQL = frozenset({"redis", "mongodb", "memcached", "elasticsearch", "opensearch", "dynamodb"})


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as it is counted.

    Attributes:
        digest: 16 bytes; the same for statements that differ only in values, spaces and case.
        text: With `?` for values.
        operation: `SELECT`, `UPDATE`; empty if nobody knows.
        tables: The tables that it names, as far as it could be read.
    """

    digest: bytes
    text: str
    operation: str
    tables: tuple[str, ...] = ()


def strip_values(statement: str, system: str = "") -> str:
    """Return a statement with `?` for values and without comments, in one line.

    Args:
        statement: At most its first 4,000 characters are looked at.
        system: `postgresql`, `mysql`, which says what is a value; empty if nobody said.
    """
    text = take_out_literals(statement[:_PARSED_MAX], system)
    text = _SPACE.sub(" ", text).strip().rstrip(";").rstrip()
    text = _LITERAL.sub("?", text)
    return _ROWS.sub(r"\1", _LIST.sub("(?)", text))


class StatementReader:
    """Reads statements; remembers the latest few thousand."""

    def __init__(self, *, monotonic: Callable[[], float], seconds: float = 0.25) -> None:
        """Begin with nothing.

        Args:
            monotonic: A clock.
            seconds: How long statements may be parsed between two calls of `begin`; beyond that,
                and where parsing fails, a statement is shown as it came, without its values.
        """
        self._monotonic = monotonic
        self._seconds = seconds
        self._spent = 0.0
        self._cache: OrderedDict[tuple[str, str], Statement] = OrderedDict()

    def begin(self) -> None:
        """Grant the time for another batch."""
        self._spent = 0.0

    def read(self, statement: str, system: str) -> Statement:
        """Return what a statement is counted as.

        Args:
            statement: As a span has it.
            system: `postgresql`, `redis`; empty if nobody said.
        """
        stripped = strip_values(statement, system)
        known = self._cache.get((system, stripped))
        if known is not None:
            self._cache.move_to_end((system, stripped))
            return known
        read, is_final = self._read_new(stripped, system)
        if is_final:
            self._cache[system, stripped] = read
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        return read

    def _read_new(self, stripped: str, system: str) -> tuple[Statement, bool]:
        identity = f"{system}\0{stripped.casefold()}".encode("utf-8", "replace")
        digest = hashlib.blake2b(identity, digest_size=16).digest()
        word = _WORD.match(stripped)
        operation = word[0].upper()[:20] if word else ""
        plain = Statement(digest, _bound(stripped), operation)
        if system in _NO_SQL or not stripped:
            return plain, True
        if self._spent >= self._seconds:
            return plain, False
        started = self._monotonic()
        try:
            return _parse(plain, stripped, system), True
        finally:
            self._spent += self._monotonic() - started


def _parse(plain: Statement, stripped: str, system: str) -> Statement:
    # Twenty megabytes that only a monitor with databases' spans needs.
    from sqlglot import errors, exp, parse_one  # noqa: PLC0415

    dialect = _DIALECTS.get(system)
    try:
        tree = parse_one(stripped, dialect=dialect, error_level=errors.ErrorLevel.RAISE)
        if isinstance(tree, exp.Command):
            return plain
        text = tree.sql(dialect=dialect, comments=False)
        tables = list(dict.fromkeys(table.name for table in tree.find_all(exp.Table)))
    except (errors.SqlglotError, RecursionError, ValueError):
        return plain
    named = tuple(name[:100] for name in tables[:_TABLES_MAX] if name)
    return Statement(plain.digest, _bound(text), plain.operation, named)


def _bound(text: str) -> str:
    return text if len(text) <= _TEXT_MAX else f"{text[: _TEXT_MAX - 1]}…"
