"""Records as applications write them in ECS names, made up: some 600 bytes each."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson

RARE_WORD = "quokkanaut"
RARE_SHARE = 1 / 50_000
PHRASE = "connection pool exhausted"

_SERVICES = ("api", "web", "worker", "matcher", "parser", "mailer", "billing", "gateway")
_LEVELS = ("debug", "info", "info", "info", "info", "info", "info", "warning", "error")
_METHODS = ("GET", "GET", "GET", "POST", "PUT", "DELETE")
_ROUTES = tuple(
    f"/{area}/{{id}}/{verb}"
    for area in ("users", "orders", "resumes", "jobs", "teams", "invoices")
    for verb in ("show", "list", "edit", "analyse", "match", "export", "rate", "share")
)
_TEMPLATES = (
    "request finished with status {status} in {ms} ms, {size} bytes were sent to {ip}",
    "resume {id} was analysed by model {model} in {ms} ms with a score of {score}",
    "cache miss for key user:{id}:profile, falling back to the database after {ms} ms",
    "slow query took {ms} ms: SELECT id, name, state FROM {table} WHERE owner_id = {id} LIMIT 50",
    "retrying call to https://{host}.example.internal/v2/{table}/{id} in {ms} ms, attempt {try}",
    "connection pool exhausted, waited {ms} ms for one of 20 connections to {table}",
    "user {id} signed in from {ip} with {model} after {try} attempts",
    "job {id} of queue {table} was taken by worker {host}, {size} more are waiting",
    "rate limit of {size} a minute reached for client {id} from {ip}, answered with 429",
)  # fmt: skip
_TABLES = ("users", "orders", "resumes", "jobs", "sessions", "analyses", "teams", "invoices")
_WORDS = (
    "upstream", "payload", "header", "token", "vector", "schema", "candidate", "profile",
    "section", "keyword", "ranking", "document", "parser", "segment", "template", "response",
    "deadline", "backoff", "tenant", "region", "shard",
)  # fmt: skip
_DYNAMIC = tuple(f"app.{area}.{name}" for area in _TABLES for name in ("size", "kind", "age_ms"))
_FRAME = (
    '  File "/srv/app/{package}/{module}.py", line {line}, in {function}\n'
    "    return await self._session.execute(statement, parameters)\n"
)


class Applications:
    """Makes up what eight services write, evenly over a day until now."""

    def __init__(self, seed: int = 6) -> None:
        self._random = random.Random(seed)

    def documents(self, count: int) -> Iterator[bytes]:
        """Yield `count` JSON objects without line breaks, the oldest first."""
        start = datetime.now(UTC) - timedelta(hours=23)
        step = timedelta(hours=23) / count
        for number in range(count):
            yield orjson.dumps(self._document(start + step * number))

    def _document(self, at: datetime) -> dict[str, object]:
        dice = self._random
        service, level = dice.choice(_SERVICES), dice.choice(_LEVELS)
        status = dice.choice((200, 200, 200, 201, 204, 302, 404, 422, 500, 503))
        document: dict[str, object] = {
            "@timestamp": at.isoformat(timespec="milliseconds"),
            "log.level": level,
            "message": self._message(status),
            "ecs.version": "8.11.0",
            "service.name": service,
            "service.version": f"2.{len(service)}.{dice.randrange(4)}",
            "service.environment": "production",
            "host.name": f"{service}-{dice.randrange(6)}",
            "log.logger": f"app.{service}.{dice.choice(_TABLES)}",
            "trace.id": f"{dice.getrandbits(128):032x}",
            "span.id": f"{dice.getrandbits(64):016x}",
            "http.request.method": dice.choice(_METHODS),
            "http.route": dice.choice(_ROUTES),
            "http.response.status_code": status,
            "event.duration": int(dice.lognormvariate(17, 1.2)),
            "user.id": f"u{dice.randrange(200_000)}",
        }
        for name in dice.sample(_DYNAMIC, dice.randrange(3)):
            document[name] = dice.choice(_WORDS) if name.endswith("kind") else dice.randrange(5_000)
        if dice.random() < 0.02:
            document["error.type"] = "OperationalError"
            document["error.stack_trace"] = self._stack()
        return document

    def _message(self, status: int) -> str:
        dice = self._random
        text = dice.choice(_TEMPLATES).format(
            status=status,
            ms=dice.randrange(1, 9_000),
            size=dice.randrange(100_000),
            ip=f"10.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(256)}",
            id=dice.randrange(10_000_000),
            model=dice.choice(_WORDS),
            score=round(dice.random(), 4),
            table=dice.choice(_TABLES),
            host=dice.choice(_SERVICES),
            **{"try": dice.randrange(1, 6)},
        )
        extra = " ".join(dice.choices(_WORDS, k=int(dice.expovariate(0.25))))
        rare = f" {RARE_WORD}" if dice.random() < RARE_SHARE else ""
        return f"{text} {extra}{rare}".rstrip()

    def _stack(self) -> str:
        dice = self._random
        frames = "".join(
            _FRAME.format(
                package=dice.choice(_TABLES),
                module=dice.choice(_WORDS),
                line=dice.randrange(900),
                function=dice.choice(_WORDS),
            )
            for _ in range(dice.randint(4, 14))
        )
        return f"Traceback (most recent call last):\n{frames}OperationalError: {PHRASE}"
