"""What a line of ResuMatch's log is, and the file that it is written to."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog

from resumatch.backend.ecs import Service
from resumatch.backend.logs import RequestLog, configure_logging

SERVICE = Service(environment="test", version="resumatch@9")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, configured = root.handlers, root.level, structlog.get_config()
    yield
    for handler in root.handlers:
        if handler not in handlers:
            with suppress(OSError):
                handler.close()
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**configured)


def read(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_record_of_a_library_is_in_the_same_names() -> None:
    stream = io.StringIO()
    configure_logging("INFO", SERVICE, stream=stream)

    try:
        int("seven")
    except ValueError:
        logging.getLogger("somebody.else").exception("It broke for %s", "them")

    (record,) = read(stream.getvalue())
    assert record.pop("@timestamp").endswith("Z")
    assert record.pop("error.stack_trace").startswith("Traceback")
    assert record == {
        "log.level": "error",
        "message": "It broke for them",
        "ecs.version": "8.11.0",
        "service.name": "resumatch-api",
        "service.environment": "test",
        "service.version": "resumatch@9",
        "event.dataset": "app",
        "log.logger": "somebody.else",
        "error.type": "ValueError",
        "error.message": "invalid literal for int() with base 10: 'seven'",
    }


def test_an_own_field_lies_under_the_own_name() -> None:
    stream = io.StringIO()
    configure_logging("INFO", SERVICE, stream=stream)

    structlog.stdlib.get_logger("own").warning("slow", duration_seconds=0.25, endpoint="login")

    (record,) = read(stream.getvalue())
    assert record["event.duration"] == 250_000_000
    assert record["resumatch.endpoint"] == "login"
    assert "endpoint" not in record


def test_what_is_audited_is_written_at_every_level() -> None:
    stream = io.StringIO()
    configure_logging("ERROR", SERVICE, stream=stream)

    structlog.stdlib.get_logger("own").warning("not wanted")
    structlog.stdlib.get_logger("resumatch.audit").info("wanted")

    assert [each["message"] for each in read(stream.getvalue())] == ["wanted"]


def test_the_file_has_every_line_and_begins_anew_when_it_is_large(tmp_path: Path) -> None:
    stream, file = io.StringIO(), tmp_path / "made" / "resumatch.log"
    configure_logging("INFO", SERVICE, stream=stream, file=file, file_max_bytes=2_000)
    request_log = RequestLog("resumatch.access", SERVICE)

    for number in range(4):
        structlog.stdlib.get_logger("own").info(f"said {number}")
        logging.getLogger("somebody.else").info("so did they: %d", number)
        request_log.write(method="GET", route="/me", status=200, seconds=0.001)

    files = sorted(tmp_path.glob("made/resumatch.log*"), reverse=True)
    assert len(files) > 1
    assert all(each.stat().st_size <= 2_000 for each in files)
    assert "".join(each.read_text() for each in files) == stream.getvalue()
    assert len(read(stream.getvalue())) == 12


def test_a_disk_that_is_full_ends_no_request(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    configure_logging("INFO", SERVICE, stream=stream, file=Path("/dev/full"))

    RequestLog("resumatch.access", SERVICE).write(
        method="GET", route="/me", status=200, seconds=0.001
    )

    assert read(stream.getvalue())[0]["message"] == "GET /me 200"
    assert capsys.readouterr().err == ""
