"""Items as SDKs send them, made up: varied enough that a dictionary cannot learn them by heart."""

import random
from collections.abc import Iterator
from datetime import datetime

import orjson

from resumatch_monitor.sentry.items import ItemKind, ItemRecord

_ROUTES = tuple(
    f"/{area}/{{id}}/{verb}"
    for area in ("users", "orders", "resumes", "jobs", "teams")
    for verb in ("show", "list", "edit", "analyse", "match", "export", "rate", "share")
)
_TABLES = ("users", "orders", "resumes", "jobs", "sessions", "analyses", "teams", "invoices")


class Applications:
    """Makes up what two applications send: transactions, and streamed spans in two items."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)

    def records(self, count: int, *, at: datetime) -> Iterator[ItemRecord]:
        """Yield `count` items that arrive at `at`."""
        for number in range(count):
            payload = (
                self._transaction(at.timestamp()) if number % 4 else self._streamed(at.timestamp())
            )
            yield ItemRecord(
                kind=ItemKind.TRANSACTION if number % 4 else ItemKind.SPAN,
                project_id=1 + (number % 4 == 0),
                item_id=self._id(32),
                received_at=at,
                sent_at=at,
                payload=orjson.dumps(payload),
            )

    def _id(self, digits: int) -> str:
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"

    def _transaction(self, now: float) -> dict[str, object]:
        random_ = self._random
        trace_id, root, route = self._id(32), self._id(16), random_.choice(_ROUTES)
        duration = random_.lognormvariate(-2, 1)
        is_failed = random_.random() < 0.02
        start = now - duration - random_.random()
        spans: list[dict[str, object]] = []
        for _ in range(random_.randint(4, 18)):
            table = random_.choice(_TABLES)
            begin = start + random_.random() * duration * 0.9
            spans.append(
                {
                    "trace_id": trace_id,
                    "span_id": self._id(16),
                    "parent_span_id": root,
                    "op": "db",
                    "origin": "auto.db.sqlalchemy",
                    "description": f"SELECT {table}.id, {table}.name, {table}.created_at"
                    f" FROM {table} WHERE {table}.id = %(id_1)s AND {table}.state = %(state_1)s"
                    " LIMIT %(param_1)s",
                    "start_timestamp": begin,
                    "timestamp": begin + random_.random() * duration * 0.1,
                    "data": {
                        "db.system": "postgresql",
                        "db.name": "app",
                        "server.address": "db-1",
                        "server.port": 5432,
                        "thread.id": "139918011370368",
                        "thread.name": "MainThread",
                    },
                }
            )
        return {
            "type": "transaction",
            "transaction": route,
            "transaction_info": {"source": "route"},
            "contexts": {
                "trace": {
                    "trace_id": trace_id,
                    "span_id": root,
                    "op": "http.server",
                    "origin": "auto.http.fastapi",
                    "parent_span_id": self._id(16),
                    "status": "internal_error" if is_failed else "ok",
                    "data": {
                        "http.request.method": "GET",
                        "http.response.status_code": 500 if is_failed else 200,
                    },
                },
                "runtime": {"name": "CPython", "version": "3.11.7"},
            },
            "tags": {
                "plan": random_.choice(("free", "pro", "team")),
                "region": random_.choice(("eu", "us")),
            },
            "start_timestamp": start,
            "timestamp": start + duration,
            "spans": spans,
            "user": {"id": random_.randint(1, 50_000)},
            "request": {
                "url": f"https://api.test{route.replace('{id}', str(random_.randint(1, 10**6)))}",
                "method": "GET",
                "headers": {"User-Agent": "Mozilla/5.0", "Host": "api.test"},
            },
            "release": "api@1.4.2",
            "environment": "production",
            "server_name": f"web-{random_.randint(1, 4)}",
            "sdk": {"name": "sentry.python.fastapi", "version": "2.75.0"},
            "platform": "python",
        }

    def _streamed(self, now: float) -> dict[str, object]:
        random_ = self._random
        trace_id, root = self._id(32), self._id(16)
        name = random_.choice(_ROUTES)
        duration = random_.lognormvariate(-1, 0.7)
        start = now - duration - 0.5
        common = {
            "sentry.segment.id": root,
            "sentry.segment.name": name,
            "sentry.release": "web@9.1",
            "sentry.environment": "production",
            "sentry.sdk.name": "sentry.javascript.nextjs",
            "sentry.sdk.version": "11.0.0",
        }

        def span(
            span_id: str, parent: str | None, op: str, title: str, begin: float, took: float
        ) -> dict[str, object]:
            attributes = {
                **common,
                "sentry.op": op,
                "sentry.origin": "auto.http.browser",
                "url.full": f"https://web.test{title}",
            }
            made: dict[str, object] = {
                "trace_id": trace_id,
                "span_id": span_id,
                "name": title,
                "status": "ok",
                "is_segment": parent is None,
                "start_timestamp": begin,
                "end_timestamp": begin + took,
                "attributes": {
                    key: {"value": value, "type": "string"} for key, value in attributes.items()
                },
            }
            return made if parent is None else {**made, "parent_span_id": parent}

        children = [
            span(
                self._id(16),
                root,
                "resource.script",
                f"/_next/static/chunks/{self._id(12)}.js",
                start + random_.random() * duration,
                0.05,
            )
            for _ in range(random_.randint(5, 25))
        ]
        return {
            "version": 2,
            "items": [*children, span(root, None, "pageload", name, start, duration)],
        }
