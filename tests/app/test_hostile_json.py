"""Whatever stands in a JSON body, it is the sender's mistake or it is taken; never a crash."""

import json
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from resumatch_monitor.app.monitor import Monitor
from resumatch_monitor.app.web import build_web
from resumatch_monitor.config.loader import parse_config
from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.kit.ids import RandomIds

pytestmark = pytest.mark.anyio

TOKEN = "an-admins-token-of-these-tests"
CONFIG = f"""
auth: {{tokens: [{{name: test, token: {TOKEN}, role: admin}}]}}
storage: {{min_free_bytes: 0}}
"""
RULE = {
    "alert": "A",
    "expr": "up == 0",
    "for": "1m",
    "labels": {"severity": "critical"},
    "annotations": {"summary": "{{ $value }}"},
}
# What the schema alone does not say: bodies that get past the first look.
BODIES: dict[str, dict[str, Any]] = {
    "/api/monitor/alerts/actions": {"action": "comment", "matchers": ['a="b"'], "text": "x"},
    "/api/monitor/alerts/missed": {"title": "x", "starts_at": "now-1h", "ends_at": "now"},
    "/api/monitor/alerts/{fingerprint}/actions": {"action": "comment", "text": "x"},
    "/api/monitor/routes/try": {"labels": {"alertname": "X"}},
    "/api/monitor/rules/import": {
        "text": "groups: [{name: h, rules: [{record: a, expr: up}]}]",
        "check": True,
    },
    "/api/monitor/rules/managed": {"group": "g", "rule": RULE},
    "/api/monitor/rules/managed/{rule_id}": {"group": "g", "rule": RULE, "version": 1},
    "/api/monitor/rules/preview": {**RULE, "from": "now-1h"},
    "/api/monitor/silences": {"matchers": ['a="b"'], "duration": "1h", "comment": "x"},
    "/api/monitor/silences/preview": {"matchers": ['a="b"']},
    "/api/monitor/silences/{silence_id}": {
        "matchers": ['a="b"'],
        "duration": "1h",
        "comment": "x",
    },
}
del BODIES["/api/monitor/rules/preview"]["alert"]
HOSTILE = (
    r'"\ud800"',
    r'{"\udfff": "x"}',
    r'{"a": "\ud83d"}',
    '"\udc80"',
    r'"a\u0000b"',
    r'{"a\u0000": "b\u0000"}',
    '"' + "x" * 70_000 + '"',
    "-1",
    "9" * 30,
    "9" * 5000,
    "9223372036854775808",
    "1e400",
    "NaN",
    '"' + "9" * 16 + 'y"',
    '"now-' + "9" * 20 + 'd"',
    '"9999-12-31T23:59:59Z"',
    "[" * 5000 + "]" * 5000,
    "[" * 300 + "]" * 300,
    '{"a":' * 300 + "1" + "}" * 300,
    '{"alert": "A", "expr": "up", "for": ' + "9" * 30 + "}",
    "null",
    "[null]",
    "{}",
)
HOSTILE_YAML = (
    r'alert: "\ud800"',
    "alert: A\nexpr: up\nlabels: {a: " + "9" * 5000 + "}",
    "a: &a [*a]",
    "a: &a {<<: *a}",
    "[" * 3000,
    "? {a: b}\n: c",
    "!!python/object:os.system x",
    'alert: A\nexpr: "\\0"',
)


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[tuple[httpx.AsyncClient, list[Any]]]:
    monitor = Monitor(
        parse_config(CONFIG, source="test", environment={}),
        folder=folder,
        address="http://monitor.test",
        clock=SystemClock(),
        ids=RandomIds(),
    )
    app = build_web(monitor, folder=folder)
    await monitor.start()
    monitor.is_ready = True
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app, raise_app_exceptions=False),
            base_url="http://monitor.test",
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
            timeout=30,
        ) as client:
            yield client, list(walk_routes(app))
    finally:
        await monitor.stop()


def walk_routes(app: Any) -> Iterator[Any]:
    """Yield the routes that take JSON."""
    pending = list(app.routes)
    while pending:
        route = pending.pop()
        router = getattr(route, "original_router", None)
        if router is not None:
            pending.extend(router.routes)
        elif route.path.startswith("/api/monitor/") and route.body_field is not None:
            yield route


def fill(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    """Return a value of `schema`."""
    if "$ref" in schema:
        return fill(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return fill(schema["anyOf"][0], definitions)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {
                name: fill(each, definitions) for name, each in schema.get("properties", {}).items()
            }
        case "array":
            return [fill(schema["items"], definitions)]
        case "integer":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case _:
            return "text"


def spoil(value: Any, write: Callable[[str], str] = str) -> Iterator[str]:
    """Yield `value` as JSON, each part of it replaced by each of what is hostile."""
    yield from (write(each) for each in HOSTILE)
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        for name in members:
            others = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in members.items() if k != name]

            def write_member(text: str, name: str = name, others: list[str] = others) -> str:
                return write("{" + ", ".join([*others, f"{json.dumps(name)}: {text}"]) + "}")

            yield from spoil(members[name], write_member)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from spoil(item, lambda text: write(f"[{text}]"))


def list_bodies(route: Any) -> list[str]:
    schema = route.body_field.field_info.annotation.model_json_schema()
    body = BODIES.get(route.path) or fill(schema, schema.get("$defs", {}))
    bodies = [json.dumps(body), *spoil(body)]
    if "yaml" in schema["properties"]:
        rest = {name: value for name, value in body.items() if name not in {"rule", *RULE}}
        bodies += [json.dumps({**rest, "yaml": text}) for text in HOSTILE_YAML]
    return bodies


async def make_things(client: httpx.AsyncClient) -> dict[str, str]:
    """Make what the paths name."""

    async def post(path: str, body: Any) -> Any:
        answer = await client.post(path, content=json.dumps(body))
        assert answer.status_code in (200, 201), answer.text
        return answer.json() if answer.content else None

    await post("/api/v2/alerts", [{"labels": {"alertname": "X", "a": "b"}}])
    alerts = (await client.get("/api/monitor/alerts")).json()["items"]
    silence = await post("/api/monitor/silences", BODIES["/api/monitor/silences"])
    rule = await post("/api/monitor/rules/managed", BODIES["/api/monitor/rules/managed"])
    made = {
        "fingerprint": alerts[0]["fingerprint"],
        "silence_id": silence["id"],
        "rule_id": rule["id"],
        "group": "g",
    }
    return defaultdict(lambda: "1", made)


async def test_no_json_makes_any_route_fail(tmp_path: Path) -> None:
    failed: list[str] = []
    statuses: dict[str, set[int]] = {}
    async with running(tmp_path) as (client, routes):
        names = await make_things(client)
        for route in routes:
            path = route.path.format_map(names)
            for method in route.methods:
                found = statuses.setdefault(f"{method} {route.path}", set())
                for body in list_bodies(route):
                    answer = await client.request(
                        method, path, content=body.encode(errors="surrogateescape")
                    )
                    found.add(answer.status_code)
                    if answer.status_code >= 500:
                        failed.append(f"{method} {route.path} {body[:300]}: {answer.text}")

    assert failed == []
    assert len(statuses) > 20
    assert {key for key, found in statuses.items() if 422 not in found} == set()
    taken = {key for key, found in statuses.items() if found & {200, 201}}
    assert {f"POST {path}" for path in BODIES if "{" not in path} <= taken


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (rb'{"labels": {"alertname": "\ud800"}}', "line 1 column 27"),
        (b'{"labels": {"alertname": "\xed\xa0\x80"}}', "UTF-8"),
        ('{"labels": {"alertname": "X"}}'.encode("utf-16"), "line 1 column 1"),
        (b'{"labels": NaN}', "line 1 column 12"),
        (b"[" * 5000, "depth limit"),
    ],
    ids=["half a pair", "half a pair in UTF-8", "UTF-16", "NaN", "deep"],
)
async def test_what_is_no_json_is_refused_with_its_place(
    tmp_path: Path, body: bytes, complaint: str
) -> None:
    async with running(tmp_path) as (client, _):
        answer = await client.post("/api/monitor/routes/try", content=body)

    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid_request"
    assert complaint in answer.json()["error"]["message"]


async def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    body = b'\xef\xbb\xbf{"labels": {"alertname": "X"}}'
    async with running(tmp_path) as (client, _):
        answer = await client.post("/api/monitor/routes/try", content=body)

    assert answer.status_code == 200
