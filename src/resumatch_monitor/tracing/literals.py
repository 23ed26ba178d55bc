r"""Statements without what stands between quotes as a value, each dialect as it quotes.

Where nobody says which dialect it is, nothing is kept that is a value in one of them: after `\'`,
which ends a text in some and not in others, the rest is left out too.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

_POSTGRES = ("postgresql", "postgres", "cockroachdb", "yugabytedb", "greenplum", "duckdb")
_MYSQL = ("mysql", "mariadb", "tidb", "singlestore", "hive", "spark", "databricks")
_GOOGLE = ("bigquery", "gcp.bigquery", "spanner", "gcp.spanner")
_ORACLE = ("oracle", "oracle.db", "firebird", "firebirdsql")
_MICROSOFT = ("mssql", "microsoft.sql_server", "sybase")
_DOCUMENTS = (
    *("mongodb", "elasticsearch", "opensearch", "dynamodb", "aws.dynamodb", "couchdb", "cosmosdb"),
    *("azure.cosmosdb", "neo4j"),
)
_PLAIN = ("redis", "memcached")
_QUOTES = re.compile(r"""['"`$\[]|--|/[*/]|\#""")

# Every alternative that has begun also ends, at the latest with the statement: nothing is looked
# at again from its next character on, so a pass takes linear time.
_TEXT = r"'[^']*+(?:''[^']*+)*+(?:'|\Z)"
_ESCAPED = r"{0}[^{0}\\]*+(?:(?:{0}{0}|\\.|\\\Z)[^{0}\\]*+)*+(?:{0}|\Z)"
_EITHER = r"{0}[^{0}\\]*+(?:(?:{0}{0}|\\[^{0}])[^{0}\\]*+)*+(?:{0}|\\{0}.*|\\?\Z)"
_THRICE = r"{0}{0}{0}(?:[^{0}\\]|\\.|{0}(?!{0}{0}))*+(?:{0}{0}{0}|\\?\Z)"
_DOLLARS = r"\$(?<![\w$]\$)(?P<tag>(?:[A-Za-z_\x80-\uffff]\w{0,62})?)\$.*?(?:\$(?P=tag)\$|\Z)"
# https://www.postgresql.org/docs/current/sql-syntax-lexical.html: after a new line it goes on.
_E_TEXT = rf"[eE](?<![\w$].){_ESCAPED.format(chr(39))}(?:\s*+{_ESCAPED.format(chr(39))})*+"
_Q_TEXT = (
    r"(?:[nN][qQ](?<![\w$]..)|[qQ](?<![\w$].))'"
    r"(?:\[.*?(?:\]'|\Z)|\{.*?(?:\}'|\Z)|\(.*?(?:\)'|\Z)|<.*?(?:>'|\Z)"
    r"|(?P<end>[^\s']).*?(?:(?P=end)'|\Z))"
)
_UNENDED = "{0}.*"
_NAME = r"{0}[^{0}]*+(?:{0}{0}[^{0}]*+)*+{0}"
_BRACKETS = r"\[[^\]]*+(?:\]\][^\]]*+)*+\]"
_WORD = r'"\w{1,63}"'
_KEY = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"(?=\s{0,8}:)'
_LINE = r"--[^\n]*+"
_HASH_LINE = r"\#[^\n]*+"
_SLASH_LINE = r"//[^\n]*+"
_BLOCK = r"/\*.*?(?:\*/|\Z)"
# In some dialects a comment within a comment has an end of its own.
_NESTED = r"/\*[^*/]*+(?:(?:\*(?!/)|/(?!\*))[^*/]*+)*+(?:\*/|/\*.*|\Z)"


def take_out_literals(statement: str, system: str) -> str:
    """Return a statement with `?` for the values between quotes, and without comments.

    Args:
        statement: Of any length; its end may have been cut off.
        system: `db.system.name`, in any case; empty if nobody said.
    """
    if _QUOTES.search(statement) is None:
        return statement
    system = system.casefold()
    if system not in _DIALECTS and "`" in statement:
        # Names in these quotes leave the others for values.
        system = "`"
    taken_out = _compile(_DIALECTS.get(system, _UNKNOWN)).sub(_replace, statement)
    return taken_out.strip() if len(taken_out) != len(statement) else taken_out


def _replace(match: re.Match[str]) -> str:
    if match["value"] is not None:
        return "?"
    return " " if match["comment"] is not None else match[0]


@lru_cache(maxsize=32)
def _compile(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.DOTALL)


def _build(
    *, names: tuple[str, ...] = (), values: tuple[str, ...], comments: tuple[str, ...]
) -> str:
    return (
        rf"(?P<comment>{'|'.join(comments)})|{'|'.join((*names, '(?!)'))}"
        rf"|(?P<value>{'|'.join(values)})"
    )


def _build_all() -> Mapping[str, str]:
    texts = (_ESCAPED.format("'"), _ESCAPED.format('"'))
    quoted, ticked = _NAME.format('"'), _NAME.format("`")
    cut, cut_tick = _UNENDED.format('"'), _UNENDED.format("`")
    hashes = (r"--(?=\s|\Z)[^\n]*+", _HASH_LINE, _BLOCK)
    either = (_EITHER.format("'"), _EITHER.format('"'), _DOLLARS, _Q_TEXT, cut_tick)
    unsure = (_LINE, r"\#(?=\s|\Z)[^\n]*+", _NESTED)
    thrice = (_THRICE.format("'"), _THRICE.format('"'))
    dialects = {
        _POSTGRES: _build(
            names=(quoted,), values=(_E_TEXT, _TEXT, _DOLLARS, cut), comments=(_LINE, _NESTED)
        ),
        ("redshift",): _build(
            names=(quoted,),
            values=(_EITHER.format("'"), _DOLLARS, cut),
            comments=(_LINE, _NESTED),
        ),
        _MYSQL: _build(names=(ticked,), values=(*texts, cut_tick), comments=hashes),
        _GOOGLE: _build(
            names=(ticked,), values=(*thrice, *texts, cut_tick), comments=(_LINE, *hashes)
        ),
        ("sqlite",): _build(
            names=(_WORD, ticked, _BRACKETS),
            values=(_TEXT, _TEXT.replace("'", '"'), cut_tick, r"\[.*"),
            comments=(_LINE, _BLOCK),
        ),
        _ORACLE: _build(names=(quoted,), values=(_Q_TEXT, _TEXT, cut), comments=(_LINE, _BLOCK)),
        _MICROSOFT: _build(
            names=(quoted, _BRACKETS), values=(_TEXT, cut, r"\[.*"), comments=(_LINE, _NESTED)
        ),
        ("clickhouse",): _build(
            names=(quoted, ticked),
            values=(texts[0], _DOLLARS, cut, cut_tick),
            comments=(_LINE, r"\#(?=[\s!])[^\n]*+", _NESTED),
        ),
        ("snowflake",): _build(
            names=(quoted,),
            values=(texts[0], _DOLLARS, cut),
            comments=(_LINE, _SLASH_LINE, _BLOCK),
        ),
        ("cassandra",): _build(
            names=(quoted,),
            values=(_TEXT, _DOLLARS, cut),
            comments=(_LINE, _SLASH_LINE, _BLOCK),
        ),
        _DOCUMENTS: _build(names=(_KEY,), values=texts, comments=("(?!)",)),
        _PLAIN: _build(values=texts, comments=("(?!)",)),
        ("`",): _build(names=(ticked,), values=either, comments=unsure),
        ("other",): _build(names=(_WORD, ticked), values=either, comments=unsure),
    }
    return {system: built for systems, built in dialects.items() for system in systems}


_DIALECTS = _build_all()
_UNKNOWN = _DIALECTS["other"]
