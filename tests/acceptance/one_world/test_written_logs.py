"""What ResuMatch says of a person's visit: all of it is found, and nothing of theirs is in it."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.acceptance.story import Story
from tests.acceptance.waiting import wait_until
from tests.acceptance.world import RELEASE, World

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(240),
]

_STORY_SECONDS = 200
_LOGS = "/api/monitor/logs"
_TRACE_ID = "5eed0fa11ce5eed0fa11ce5eed0fa11c"
_EMAIL = "quillon.marker@nowhere-in-particular.example"
_PASSWORD = "a-password-that-nobody-else-has"
_RESUME = """Quillon Marker, eleven years of Python, PostgreSQL and Docker.
Raised seventeen alpacas on the roof of the harbour office.
Confidential: recovering from a fear of paperclips.
"""
_JOB = """Keeper of ledgers in a lighthouse
You must have Python and PostgreSQL. Whistling in the rain is welcome.
"""
_ODD_JOB = _JOB + "Salary: ¥9,000,000 - ¥11,000,000\n"
_MARKERS = (
    *("Quillon", "alpacas", "harbour office", "paperclips", "lighthouse", "Whistling"),
    *("9,000,000", "nowhere-in-particular", "quillon.marker", _PASSWORD, "no-password-of-theirs"),
)


@dataclass(frozen=True, slots=True)
class Visit:
    """What a person left, whose requests are all of one trace."""

    user_id: str
    token: str
    records: list[dict[str, Any]]

    def of(self, dataset: str) -> list[dict[str, Any]]:
        """Return the records of one kind, the oldest first."""
        found = [each for each in self.records if each["attributes"]["event.dataset"] == dataset]
        return sorted(found, key=lambda each: str(each["timestamp"]))


@pytest.fixture(scope="module")
def visit(world: World, story: Story) -> Visit:
    # Until then ResuMatch and its database are stopped and started.
    story.database.result(_STORY_SECONDS)
    token, user_id = _walk(world)

    def find_all() -> list[dict[str, Any]] | None:
        found = list(world.monitor.api.items(_LOGS, query=f"trace_id:{_TRACE_ID}"))
        last = [each for each in found if each["message"] == "DELETE /me 204"]
        return found if last else None

    return Visit(user_id, token, wait_until(find_all, "the last line is found"))


def _walk(world: World) -> tuple[str, str]:
    """Register, fail to sign in, upload, analyse, meet the bug, look at the result, leave."""
    http = world.resumatch
    headers = {"sentry-trace": f"{_TRACE_ID}-{'a' * 16}-1"}
    person = {"email": _EMAIL, "password": _PASSWORD}
    wrong = person | {"password": "no-password-of-theirs"}
    answer = http.post("/register", json=person, headers=headers).raise_for_status().json()
    assert http.post("/register", json=person, headers=headers).status_code == 409
    assert http.post("/login", json=wrong, headers=headers).status_code == 401
    http.cookies.clear()
    http.post("/login", json=person, headers=headers).raise_for_status()
    headers["Authorization"] = f"Bearer {answer['token']}"
    for name, kind in (("quillon.pdf", "application/pdf"), ("quillon.txt", "text/plain")):
        files = {"file": (name, _RESUME.encode(), kind)}
        uploaded = http.post("/upload-resume", files=files, headers=headers)
    job = {"resume_id": uploaded.raise_for_status().json()["resume_id"], "job_text": _JOB}
    analysis = http.post("/analyze", json=job, headers=headers).raise_for_status().json()
    broken = http.post("/analyze", json=job | {"job_text": _ODD_JOB}, headers=headers)
    assert broken.status_code == 500
    http.get(f"/analyses/{analysis['analysis_id']}", headers=headers).raise_for_status()
    http.delete("/me", headers=headers).raise_for_status()
    http.cookies.clear()
    return answer["token"], answer["user_id"]


def test_each_request_has_a_line_that_leads_to_its_trace(world: World, visit: Visit) -> None:
    lines = visit.of("access")

    assert [each["message"] for each in lines] == [
        "POST /register 201",
        "POST /register 409",
        "POST /login 401",
        "POST /login 200",
        "POST /upload-resume 400",
        "POST /upload-resume 201",
        "POST /analyze 201",
        "POST /analyze 500",
        "GET /analyses/{analysis_id} 200",
        "DELETE /me 204",
    ]
    assert {(each["service"], each["environment"], each["release"]) for each in lines} == {
        ("resumatch-api", "acceptance", RELEASE)
    }
    assert len({each["attributes"]["http.request.id"] for each in lines}) == len(lines)
    assert all(each["attributes"]["event.duration"] > 0 for each in lines)

    def find_spans() -> set[str] | None:
        trace = world.monitor.api.get(f"/api/monitor/traces/{_TRACE_ID}")
        spans = {each["span_id"] for each in trace["spans"]}
        return spans if spans >= {each["span_id"] for each in lines} else None

    assert wait_until(find_spans, "each line's request is in the trace")


def test_what_they_did_is_found_by_their_id(world: World, visit: Visit) -> None:
    query = f"event.dataset:audit user.id:{visit.user_id}"

    found = list(world.monitor.api.items(_LOGS, query=query))

    attributes = [each["attributes"] for each in reversed(found)]
    assert [(each["event.action"], each["event.outcome"]) for each in attributes] == [
        ("user-registration", "success"),
        ("user-login", "failure"),
        ("user-login", "success"),
        ("resume-upload", "failure"),
        ("resume-upload", "success"),
        ("job-analysis", "success"),
        ("job-analysis", "failure"),
        ("user-deletion", "success"),
    ]
    assert {each["trace_id"] for each in found} == {_TRACE_ID}


def test_a_crash_is_found_with_its_stack(visit: Visit) -> None:
    (crash,) = [each for each in visit.of("app") if each["severity"] == "error"]

    assert crash["message"] == "request_failed"
    assert crash["attributes"]["error.type"] == "KeyError"
    assert "read_first_salary" in crash["attributes"]["error.stack_trace"]
    assert crash["attributes"]["url.path"] == "/analyze"


def test_nothing_that_they_wrote_is_in_any_record(world: World, visit: Visit) -> None:
    # The database complains of the second registration; what it says waits for more lines of it.
    (complaint, *_) = wait_until(
        lambda: world.monitor.api.get(_LOGS, query='service:postgresql "duplicate key"')["items"],
        "the database's complaint is found",
    )
    everything = json.dumps(list(world.monitor.api.items(_LOGS)), ensure_ascii=False)

    assert "STATEMENT:  INSERT INTO users" in complaint["message"]
    assert visit.user_id in everything
    secrets = (*_MARKERS, visit.token, *visit.token.split("."))
    assert not [each for each in secrets if len(each) > 5 and each.lower() in everything.lower()]
    for word in ("alpacas", "paperclips", _EMAIL, _PASSWORD):
        assert world.monitor.api.get(_LOGS, query=f'"{word}"')["items"] == []
