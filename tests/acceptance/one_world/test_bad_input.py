"""What is wrong is named, and nothing is lost or down because of it."""

import re
import socket
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import sentry_sdk

from tests.acceptance.envelopes import make_envelope, make_event
from tests.acceptance.monitor import PROJECT_KEY, MonitorProcess, run_command
from tests.acceptance.targets import HOSTILE_ERRORS, make_brotli_bomb, make_gzip_bomb
from tests.acceptance.waiting import wait_until
from tests.acceptance.world import BROKEN_RULE, SOUND_RULE, World

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(240),
]

_WRONG_KEY = "0" * 32
_MIB = 1024 * 1024
_MEMORY_LIMIT = 350 * _MIB


@pytest.fixture(autouse=True)
def still_well(world: World) -> Iterator[None]:
    """Around each bad input: an event before and one after are kept, and all is well."""
    before = _send_event(world.monitor)
    yield
    after = _send_event(world.monitor)
    for event_id in (before, after):
        _find_event(world.monitor, event_id)
    assert world.monitor.api.text("/-/healthy")
    assert world.monitor.api.text("/-/ready")
    assert world.monitor.api.get("/health")["status"] == "healthy"
    assert world.monitor.peak_memory_bytes() < _MEMORY_LIMIT


def _send_event(monitor: MonitorProcess) -> str:
    event_id = uuid.uuid4().hex
    body = make_envelope(make_event(event_id, kind="SoundError"))
    answer = httpx.post(monitor.envelope_url, content=body, timeout=20, trust_env=False)
    assert answer.status_code == 200, answer.text
    return event_id


def _find_event(monitor: MonitorProcess, event_id: str) -> None:
    def find() -> bool:
        issues = monitor.api.get("/api/monitor/issues", query="SoundError")["items"]
        return any(
            event["event_id"] == event_id
            for issue in issues
            for event in monitor.api.items(f"/api/monitor/issues/{issue['id']}/events")
        )

    wait_until(find, f"the event {event_id} is there")


# The configuration.


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("global:\n  scrape_interval: 15s\n scrape_timeout: 5s\n", r"monitor\.yaml:3:\d+: "),
        (
            "global:\n  scrape_intervall: 15s\n",
            r"monitor\.yaml:2:3: global\.scrape_intervall: there is no such key;"
            r" did you mean 'scrape_interval'\?",
        ),
        ("projects:\n  - id: one\n", r"monitor\.yaml:2:9: projects\[0\]\.id: .*integer"),
        ("auth: {admin: {password: '${NOT_SET}'}}\n", r"monitor\.yaml:1:\d+: .*NOT_SET is not set"),
    ],
    ids=["broken YAML", "unknown key", "wrong type", "secret that is not set"],
)
def test_a_wrong_configuration_is_refused_with_its_place(
    tmp_path: Path, text: str, complaint: str
) -> None:
    (tmp_path / "monitor.yaml").write_text(text)

    finished = run_command("serve", cwd=tmp_path)

    assert finished.returncode == 1
    assert re.search(complaint, finished.stderr), finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (tmp_path / "data").exists()


def test_check_config_says_what_serve_would_say(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(
        "groups: [{name: a, rules: [{alert: A, expr: 'up ==', fro: 1m}]}]\n"
    )
    config = tmp_path / "monitor.yaml"
    config.write_text("rule_files: [rules.yml]\n")

    finished = run_command("check-config", config)

    assert finished.returncode == 1
    assert re.search(r"rules\.yml:1:\d+: fro: unknown key; did you mean for\?", finished.stderr)
    assert "1 problem in" in finished.stderr


def test_a_configuration_that_is_not_there_is_named(tmp_path: Path) -> None:
    finished = run_command("serve", "--config", tmp_path / "none.yaml")

    assert finished.returncode == 1
    assert "none.yaml" in finished.stderr
    assert "No such file" in finished.stderr


def test_a_rule_with_a_syntax_error_costs_only_itself(world: World) -> None:
    rules = world.monitor.api.get("/api/monitor/rules")

    (error,) = rules["errors"]
    assert error["file"].endswith("rules.yml")
    assert error["line"] == 6
    assert (error["group"], error["rule"]) == ("acceptance", BROKEN_RULE)
    assert "unclosed left parenthesis" in error["message"]

    def find_group() -> dict[str, Any] | None:
        groups = world.monitor.api.get("/api/monitor/rules")["groups"]
        group = next(each for each in groups if each["name"] == "acceptance")
        is_evaluated = all(each["last_evaluation_at"] for each in group["rules"])
        return group if is_evaluated else None

    group = wait_until(find_group, "the sound rules are evaluated")
    assert [each["name"] for each in group["rules"]] == [SOUND_RULE, "acceptance:up:sum"]
    assert {each["health"] for each in group["rules"]} == {"ok"}
    assert world.monitor.api.value("acceptance:up:sum") is not None
    others = wait_until(
        lambda: [
            rule
            for each in world.monitor.api.get("/api/monitor/rules")["groups"]
            for rule in each["rules"]
            if rule["name"] == "DatabaseConnectionFailed"
        ],
        "the shipped rules are there",
    )
    assert others[0]["health"] == "ok"


# Scrape targets.


@pytest.mark.parametrize("job", HOSTILE_ERRORS)
def test_a_hostile_target_is_down_with_a_reason(world: World, job: str) -> None:
    def find_target() -> dict[str, Any] | None:
        targets = world.monitor.api.items("/api/monitor/targets")
        target = next(each for each in targets if each["job"] == job)
        return target if target["last_scrape_at"] is not None else None

    target = wait_until(find_target, f"{job} is scraped")

    assert target["health"] == "down"
    assert re.search(HOSTILE_ERRORS[job], target["last_error"]), target["last_error"]
    assert len(target["last_error"]) < 500
    up = wait_until(lambda: world.monitor.api.query(f'up{{job="{job}"}}'), f"up of {job} is stored")
    assert up[0]["value"][1] == "0"
    assert world.monitor.api.query(f'{{job="{job}", __name__=~".*_total"}}') == []


# What is sent to the monitor.


@pytest.mark.parametrize(
    ("coding", "make_bomb"), [("gzip", make_gzip_bomb), ("br", make_brotli_bomb)]
)
def test_a_compression_bomb_is_too_large(world: World, coding: str, make_bomb: Any) -> None:
    bomb = make_bomb()
    assert len(bomb) < 2 * _MIB

    answer = _post(world.monitor, bomb, {"Content-Encoding": coding})

    assert answer.status_code == 413
    assert "larger than" in answer.json()["detail"]
    assert answer.headers["x-sentry-error"] == "too_large"


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd"])
def test_what_is_not_what_its_coding_says_is_malformed(world: World, coding: str) -> None:
    answer = _post(world.monitor, b"neither one nor the other", {"Content-Encoding": coding})

    assert answer.status_code == 400
    assert answer.json()["detail"]


def test_an_envelope_cut_in_half_is_refused(world: World) -> None:
    event_id = uuid.uuid4().hex
    whole = make_envelope(make_event(event_id, kind="HalfError"))

    answer = _post(world.monitor, whole[: len(whole) // 2])

    assert answer.status_code == 400
    assert "not whole" in answer.json()["detail"]
    assert world.monitor.api.get("/api/monitor/issues", query="HalfError")["items"] == []


def test_of_an_envelope_cut_in_its_second_half_the_first_is_kept(world: World) -> None:
    event_id = uuid.uuid4().hex
    first = make_envelope(make_event(event_id, kind="SoundError"))
    second = make_envelope(make_event(uuid.uuid4().hex, kind="HalfError")).partition(b"\n")[2]

    answer = _post(world.monitor, first + second[: len(second) // 2])

    assert answer.status_code == 200
    assert answer.json() == {"id": event_id}
    _find_event(world.monitor, event_id)
    assert world.monitor.api.get("/api/monitor/issues", query="HalfError")["items"] == []


def test_an_envelope_whose_connection_is_cut_is_not_kept(world: World) -> None:
    body = make_envelope(make_event(uuid.uuid4().hex, kind="HalfError"))

    _exchange(world.monitor, [_head(world.monitor, f"Content-Length: {len(body)}"), body[:200]])

    assert world.monitor.api.get("/api/monitor/issues", query="HalfError")["items"] == []


@pytest.mark.parametrize(
    "body", [b"", b"\n\n\n", b"{}", b"[]\n", b"\xff\xfe\x00", b'{"dsn": 1}\n{"type": "event"}\n{'],
)  # fmt: skip
def test_rubbish_is_answered_plainly(world: World, body: bytes) -> None:
    answer = _post(world.monitor, body)

    assert answer.status_code in (200, 400)
    assert answer.status_code == 200 or answer.json()["detail"]


def test_an_endless_body_is_cut_off(world: World) -> None:
    piece = b"8000\r\n" + b"a" * 0x8000 + b"\r\n"
    head = _head(world.monitor, "Transfer-Encoding: chunked")

    answer, sent = _exchange(world.monitor, (head if n == 0 else piece for n in range(8_000)))

    assert answer == b"" or answer.startswith(b"HTTP/1.1 413")
    assert sent < 100 * _MIB, "the monitor read on and on"


def test_a_header_line_of_ten_megabytes_is_refused(world: World) -> None:
    line = b"X-Long: " + b"a" * 10_000_000

    answer, _ = _exchange(
        world.monitor, [b"GET /health HTTP/1.1\r\nHost: x\r\n", line, b"\r\n\r\n"]
    )

    assert answer == b"" or answer.startswith(b"HTTP/1.1 431")


def test_a_wrong_key_is_told_to_the_sdk(world: World) -> None:
    answers: list[str] = []
    client = sentry_sdk.Client(dsn=world.dsn(_WRONG_KEY), default_integrations=False)
    transport: Any = client.transport
    transport.on_dropped_event = answers.append

    client.capture_event({"message": "with a wrong DSN", "level": "error"})
    client.flush(timeout=10)
    client.close(timeout=10)

    assert set(answers) == {"status_403"}
    assert world.monitor.api.get("/api/monitor/issues", query="wrong DSN")["items"] == []


@pytest.mark.parametrize(
    ("path", "status", "complaint"),
    [
        (f"/api/1/envelope/?sentry_key={_WRONG_KEY}", 403, "not a key of project 1"),
        ("/api/1/envelope/", 403, "key is missing"),
        (f"/api/7/envelope/?sentry_key={PROJECT_KEY}", 404, "no project '7'"),
        (f"/api/seven/envelope/?sentry_key={PROJECT_KEY}", 404, "no project 'seven'"),
    ],
)
def test_a_wrong_dsn_is_answered_with_what_is_wrong(
    world: World, path: str, status: int, complaint: str
) -> None:
    body = make_envelope(make_event(uuid.uuid4().hex))

    answer = httpx.post(world.monitor.url + path, content=body, timeout=20, trust_env=False)

    assert answer.status_code == status
    assert complaint in answer.json()["detail"]
    assert PROJECT_KEY not in answer.text


@pytest.mark.parametrize(
    ("expr", "status", "error_type"),
    [("sum(rate(up[5m])", 400, "bad_data"), ("sum by (", 400, "bad_data"), ("", 400, "bad_data")],
)
def test_a_wrong_query_is_answered_as_prometheus_does(
    world: World, expr: str, status: int, error_type: str
) -> None:
    with pytest.raises(httpx.HTTPStatusError) as caught:
        world.monitor.api.query(expr)

    answer = caught.value.response
    assert answer.status_code == status
    assert answer.json()["status"] == "error"
    assert answer.json()["errorType"] == error_type
    assert answer.json()["error"]


def _post(
    monitor: MonitorProcess, body: bytes, headers: dict[str, str] | None = None
) -> httpx.Response:
    return httpx.post(
        monitor.envelope_url, content=body, headers=headers, timeout=30, trust_env=False
    )


def _head(monitor: MonitorProcess, *headers: str) -> bytes:
    path = monitor.envelope_url.removeprefix(monitor.url)
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def _exchange(monitor: MonitorProcess, pieces: Iterable[bytes]) -> tuple[bytes, int]:
    """Send until the monitor closes the connection or there is no more; return its answer."""
    sent = 0
    answer = b""
    with socket.create_connection(("127.0.0.1", monitor.port), timeout=30) as connection:
        with suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
                sent += len(piece)
            connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while received := connection.recv(65_536):
                answer += received
    return answer, sent
