"""Whether a record is what a query asks for."""

import pytest

from resumatch_monitor.logs.query.matching import build_predicate
from resumatch_monitor.logs.query.parser import parse_query
from tests.support.logs import make_record

_RECORD = make_record(
    "Connection to db-1 refused",
    severity=18,
    service="api",
    trace_id="0123456789abcdef" * 2,
    attributes={
        "http.status": 502,
        "ratio": 0.5,
        "ok": False,
        "tags": ["red", "blue", 7],
        "path": "/users/7",
        "code": "0502",
        "error.stack_trace": "Traceback\n  ValueError: bad résumé",
    },
)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "connection",
        "CONNECTION refused",
        '"connection to"',
        "db-1",
        "résumé",
        '"valueerror bad"',
        "connect* -timeout",
        "ref?sed",
        "level:error level:critical level:18",
        "level:>=warning",
        "level:[info TO error]",
        "http.status:502 http.status:502.0",
        "http.status:[500 TO 599] http.status:{501 TO 503}",
        "ratio:<1 ratio:0.5 ratio:5e-1",
        "ok:false",
        "tags:blue tags:7 tags:r*",
        "path:/users/*",
        "path:/users.[0-9]/",
        "/db.[0-9]/",
        "code:0502 NOT code:502",
        "_exists_:tags -_exists_:nothing",
        "trace_id:01234567-89ab-cdef-0123-456789ABCDEF",
        "service.name:api",
        "absent OR (connection AND NOT absent)",
    ],
)
def test_a_record_is_what_is_asked_for(query: str) -> None:
    assert build_predicate(parse_query(query))(_RECORD)
    assert query == "" or not build_predicate(parse_query(f"NOT ({query})"))(_RECORD)


@pytest.mark.parametrize(
    "query",
    [
        "refuse",
        '"refused connection"',
        '"refused traceback"',
        "level:info",
        "service:API",
        "http.status:50",
        "tags:green",
        "path:users",
        "ok:0",
        "code:>1",
        "ok:>=0",
        "trace_id:zz",
    ],
)
def test_a_record_is_not_what_is_asked_for(query: str) -> None:
    assert not build_predicate(parse_query(query))(_RECORD)
