"""ResuMatch as it runs: a process with its logs, its errors on their way to Sentry, its users."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from resumatch.simulator import SimulatedUsers, open_client
from tests.resumatch.client import JOB, PASSWORD, Client
from tests.resumatch.conftest import SYNTHETIC_TOKEN
from tests.resumatch.envelopes import EnvelopeCatcher
from tests.resumatch.servers import PostgresService, RedisService, wait_for_port
from tests.support.ports import find_free_port

pytestmark = pytest.mark.anyio

SECRET_RESUME = """Alice Invented, born in Nowhereville
Confidential: treated for a rare illness called imaginitis.
Wrote FastAPI services on PostgreSQL in the Docker of Nowhereville harbour.
"""
PRIVATE = ("imaginitis", "Nowhereville", PASSWORD, "alice@example.com", SYNTHETIC_TOKEN)


class ResuMatchProcess:
    """A running back end."""

    def __init__(self, url: str, log: Path) -> None:
        self.url = url
        self._log = log

    def log_text(self) -> str:
        return self._log.read_text()

    def log_records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_text().splitlines()]


@contextmanager
def running(log: Path, environment: dict[str, str]) -> Generator[ResuMatchProcess]:
    port = find_free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "resumatch.backend.main"],
            cwd=Path(__file__).parents[2],
            env={**os.environ, **environment, "PORT": str(port)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for_port(port)
            yield ResuMatchProcess(f"http://127.0.0.1:{port}", log)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


@pytest.fixture(scope="module")
def catcher() -> Iterator[EnvelopeCatcher]:
    catcher = EnvelopeCatcher()
    yield catcher
    catcher.close()


@pytest.fixture(scope="module")
def process(
    postgres: PostgresService,
    redis_server: RedisService,
    catcher: EnvelopeCatcher,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ResuMatchProcess]:
    environment = {
        "RESUMATCH_DATABASE_URL": postgres.url,
        "RESUMATCH_REDIS_URL": redis_server.url,
        "RESUMATCH_SECRET_KEY": "0123456789abcdef0123456789abcdef",
        "RESUMATCH_ENVIRONMENT": "test",
        "RESUMATCH_RELEASE": "resumatch@1.2.3",
        "RESUMATCH_SYNTHETIC_TOKEN": SYNTHETIC_TOKEN,
        "RESUMATCH_TRACES_SAMPLE_RATE": "1.0",
        "RESUMATCH_MIGRATE_ON_START": "1",
        "RESUMATCH_DEMO_FAULTS": "1",
        "RESUMATCH_PASSWORD_MEMORY_KIB": "64",
        "RESUMATCH_PASSWORD_ROUNDS": "1",
        "SENTRY_DSN": catcher.dsn,
    }
    with running(tmp_path_factory.mktemp("process") / "log", environment) as process:
        yield process


@pytest.fixture
async def client(process: ResuMatchProcess, clean_stores: None) -> AsyncGenerator[Client]:
    async with httpx.AsyncClient(base_url=process.url, timeout=20) as http:
        yield Client(http)


async def fail_an_analysis(client: Client, *, headers: dict[str, str] | None = None) -> str:
    """Meet the bug, and return the request's id."""
    await client.register(headers=headers)
    await client.http.post("/login", json={"email": "alice@example.com", "password": PASSWORD})
    resume_id = (await client.upload(SECRET_RESUME.encode(), headers=headers)).json()["resume_id"]
    assert (await client.analyze(resume_id, headers=headers)).status_code == 201
    answer = await client.analyze(resume_id, JOB + "Bonus: none", headers=headers)
    assert answer.status_code == 201
    odd = JOB.replace("€70,000 - €90,000", "¥9,000,000 - ¥11,000,000")
    failed = await client.analyze(resume_id, odd, headers=headers)
    assert failed.status_code == 500
    return str(failed.json()["error"]["request_id"])


async def test_an_error_reaches_sentry_with_its_frames_and_without_private_text(
    process: ResuMatchProcess, client: Client, catcher: EnvelopeCatcher
) -> None:
    before = len(catcher.of_type("event"))

    request_id = await fail_an_analysis(client)

    event = catcher.wait_for("event", before + 1)[before]
    error = event["exception"]["values"][-1]
    frames = error["stacktrace"]["frames"]
    assert error["type"] == "KeyError"
    assert error["mechanism"]["handled"] is False
    assert [frame["function"] for frame in frames[-2:]] == ["read_first_salary", "read_salary"]
    assert frames[-2]["vars"]["match"].startswith("<re.Match")
    assert frames[-2]["vars"]["job_text"] == "[filtered]"
    assert event["release"] == "resumatch@1.2.3"
    assert event["environment"] == "test"
    assert event["transaction"] == "/analyze"
    assert set(event["user"]) == {"id"}
    assert client.http.cookies["resumatch_session"] not in catcher.raw
    assert event["breadcrumbs"]["values"]
    assert not [word for word in PRIVATE if word in catcher.raw]
    record = next(each for each in process.log_records() if each["message"] == "request_failed")
    assert record["http.request.id"] == request_id
    assert record["trace.id"] == event["contexts"]["trace"]["trace_id"]
    assert record["url.path"] == "/analyze"
    assert record["error.type"] == "KeyError"
    assert record["error.message"]
    assert "read_first_salary" in record["error.stack_trace"]


async def test_requests_are_traced(client: Client, catcher: EnvelopeCatcher) -> None:
    await client.register()
    await client.walk()

    transactions = catcher.wait_for("transaction", 4)

    walked = [each for each in transactions if each["transaction"] == "/upload-resume"]
    operations = {span["op"] for each in walked for span in each["spans"]}
    assert {"db", "db.redis"} & operations
    assert not [word for word in PRIVATE if word in catcher.raw]


async def test_the_monitors_requests_are_marked_in_events_and_logs(
    process: ResuMatchProcess, client: Client, catcher: EnvelopeCatcher
) -> None:
    before = len(catcher.of_type("event"))

    request_id = await fail_an_analysis(client, headers={"X-Monitor-Synthetic": SYNTHETIC_TOKEN})

    event = catcher.wait_for("event", before + 1)[before]
    assert event["tags"]["synthetic"] == "true"
    marked = {
        each["event.dataset"]
        for each in process.log_records()
        if each.get("http.request.id") == request_id and each.get("resumatch.synthetic") is True
    }
    assert marked == {"access", "app", "audit"}
    assert not [word for word in PRIVATE if word in catcher.raw]


async def test_logs_are_in_ecs_names_and_hold_nothing_private(
    process: ResuMatchProcess, client: Client
) -> None:
    await client.http.post(
        "/register", json={"email": "alice@example.com", "password": PASSWORD, "more": PASSWORD}
    )
    await client.register()
    await client.http.post(
        "/login", json={"email": "alice@example.com", "password": PASSWORD + "!"}
    )
    await client.upload(SECRET_RESUME.encode() + b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$")
    await client.upload(b"MZ" + SECRET_RESUME.encode(), "imaginitis.pdf", "application/pdf")
    await client.walk()

    records = process.log_records()

    assert all(
        {"@timestamp", "log.level", "message", "log.logger", "event.dataset"} <= set(each)
        and each["service.name"] == "resumatch-api"
        and each["service.environment"] == "test"
        and each["service.version"] == "resumatch@1.2.3"
        for each in records
    )
    requests = [each for each in records if each["event.dataset"] == "access"]
    assert requests
    for record in requests:
        assert set(record) >= {
            "http.request.id", "http.request.method", "url.path", "http.response.status_code",
            "event.duration", "trace.id", "span.id",
        }  # fmt: skip
        # Whoever wrote it has no other fields than these and its own.
        assert not [
            name for name in record if "." not in name and name not in {"@timestamp", "message"}
        ]
    viewed = [each for each in requests if each["url.path"] == "/analyses/{analysis_id}"]
    assert viewed
    assert {each["user.id"] for each in viewed} <= {
        each["user.id"]
        for each in records
        if each.get("event.action") == "user-registration" and each["event.outcome"] == "success"
    }
    assert any(each["message"] == "started" for each in records)
    assert not [word for word in PRIVATE if word in process.log_text()]


async def test_what_people_do_is_audited(process: ResuMatchProcess, client: Client) -> None:
    before = len(process.log_records())
    wrong = {"email": "alice@example.com", "password": "not this one"}

    await client.http.post("/login", json=wrong)
    await client.register()
    await client.http.post("/register", json={"email": "alice@example.com", "password": PASSWORD})
    await client.http.post("/login", json=wrong)
    await client.http.post("/login", json={"email": "alice@example.com", "password": PASSWORD})
    await client.upload(b"MZ", "imaginitis.pdf", "application/pdf")
    walked = await client.walk()
    await client.http.post("/logout")
    await client.http.post("/login", json={"email": "alice@example.com", "password": PASSWORD})
    await client.http.delete("/me")

    audited = [each for each in process.log_records()[before:] if each["event.dataset"] == "audit"]
    assert [
        (each["event.action"], each["event.outcome"], each.get("event.reason")) for each in audited
    ] == [
        ("user-login", "failure", "unknown account"),
        ("user-registration", "success", None),
        ("user-registration", "failure", "already registered"),
        ("user-login", "failure", "wrong password"),
        ("user-login", "success", None),
        ("resume-upload", "failure", "wrong_magic_bytes"),
        ("resume-upload", "success", None),
        ("job-analysis", "success", None),
        ("user-logout", "success", None),
        ("user-login", "success", None),
        ("user-deletion", "success", None),
    ]
    assert {each.get("user.id") for each in audited} == {None, audited[1]["user.id"]}
    analysis = audited[7]
    assert analysis["resumatch.analysis_id"] == walked["analysis_id"]
    assert analysis["resumatch.resume_id"] == walked["resume_id"]
    assert analysis["event.duration"] > 0
    assert all(each["trace.id"] and each["http.request.id"] for each in audited)


async def test_simulated_users_stay_few_and_survive_an_outage(
    process: ResuMatchProcess, postgres: PostgresService, clean_stores: None
) -> None:
    async with open_client(process.url) as http:
        users = SimulatedUsers(
            client=http, seed=3, population=4, users_per_minute=1200, pause_seconds=0
        )
        await users.run(visits=12)
    async with open_client(f"http://127.0.0.1:{find_free_port()}") as http:
        lonely = SimulatedUsers(
            client=http, seed=3, population=4, users_per_minute=6000, pause_seconds=0
        )
        await lonely.run(visits=3)

    assert users.tally.visits == 12
    assert users.tally.analyses > 3
    assert 1 <= await postgres.ask("SELECT count(*) FROM users") <= 4
    assert lonely.tally.unreachable == 3


def test_a_start_without_its_settings_says_what_is_missing() -> None:
    environment = {"PATH": os.environ["PATH"], "RESUMATCH_DATABASE_URL": "postgresql://x/y"}
    answer = subprocess.run(
        [sys.executable, "-m", "resumatch.backend.main"],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert answer.returncode == 1
    assert answer.stderr == "ResuMatch cannot start: RESUMATCH_REDIS_URL is not set\n"
