from typing import Any

import orjson
import pytest

from resumatch_monitor.sentry.cutting import is_prose
from resumatch_monitor.sentry.patterns import is_card_number
from resumatch_monitor.sentry.scrub import Scrubber
from tests.support.errors import make_event, make_exception, make_frame

_RESUME = "I led a team of carpenters and built houses in several towns over many years. " * 6


def clean(**over: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    cleaned = Scrubber(["pet_name"]).clean(make_event(**over))
    return cleaned.event, cleaned.scrubbed


@pytest.mark.parametrize(
    "key",
    [
        "password", "Password", "new_password", "passwordHash", "db_passwd", "api_key", "apiKey",
        "X-Api-Key", "secret", "client_secret", "access_token", "refreshToken", "Authorization",
        "Proxy-Authorization", "Cookie", "Set-Cookie", "csrftoken", "X-CSRFToken", "sessionid",
        "session_id", "session", "PHPSESSID", "private_key", "credentials", "mysql_pwd", "jwt",
        "X-Forwarded-For", "resume_text", "resumeText", "cv_text", "resume", "job_text",
        "cover_letter", "extracted_text", "email", "user_email", "phone", "credit_card",
        "card_number", "cvv", "ssn", "iban", "remote_addr", "pet_name", "PetName",
    ],
)  # fmt: skip
def test_filters_sensitive_keys_wherever_they_are(key: str) -> None:
    frame = make_frame("f", vars={key: "'value'", "nested": {"deeper": [{key: "value"}]}})
    event, scrubbed = clean(
        extra={key: "value"},
        contexts={"app": {key: {"inner": "value"}}},
        exception={"values": [make_exception(stacktrace={"frames": [frame]})]},
        breadcrumbs={"values": [{"data": {key: 12345}}]},
        request={"headers": {key: "value"}, "data": {key: "value"}},
    )

    assert event["extra"] == {key: "[Filtered]"}
    assert event["contexts"]["app"] == {key: "[Filtered]"}
    assert "value'" not in orjson.dumps(event["exception"]["values"][0]["stacktrace"]).decode()
    assert event["breadcrumbs"]["values"][0]["data"] == {key: "[Filtered]"}
    assert event["request"]["headers"] == [[key, "[Filtered]"]]
    assert event["request"]["data"] == {key: "[Filtered]"}
    assert f"extra.{key}" in scrubbed


@pytest.mark.parametrize(
    "key",
    ["resume_id", "file_name", "token_count", "author", "tokenizer", "resumed", "keyboard",
     "passenger", "sessions_total", "pinned", "compass", "request_id", "user_id", "email_count"],
)  # fmt: skip
def test_keeps_harmless_keys(key: str) -> None:
    assert clean(extra={key: "value"})[0]["extra"] == {key: "value"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("card 4111 1111 1111 1111 declined", "card [card number] declined"),
        ("5500-0000-0000-0004", "[card number]"),
        ("378282246310005", "[card number]"),
        ("order 4111111111111112", "order 4111111111111112"),
        ("at 1700000000000", "at 1700000000000"),
        ("mail to ada.l@mail.example.org!", "mail to [email]!"),
        ("react@18.2.0 failed", "react@18.2.0 failed"),
        ("postgresql://app:s3cr3t@db:5432/x", "postgresql://app:[Filtered]@db:5432/x"),
        ("redis://:s3cr3t@cache", "redis://:[Filtered]@cache"),
        ("Authorization: Bearer abcdef123456", None),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl here", "got [Filtered] here"),
        ("key AKIAIOSFODNN7EXAMPLE", "key [Filtered]"),
        ("use ghp_abcdefghijklmnopqrstuvwxyz0123456789", "use [Filtered]"),
        ("stripe sk_live_abcdefghijklmnop", "stripe [Filtered]"),
        ("login failed: password=hunter2 user=ada", "login failed: password=[Filtered] user=ada"),
        ('{"password": "hunter2", "a": 1}', '{"password": [Filtered], "a": 1}'),
        ("{'api_key': 'abc'}", "{'api_key': [Filtered]}"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "[Filtered]"),
        (
            "IntegrityError [SQL: INSERT] [parameters: ('x', 'the resume')]",
            "IntegrityError [SQL: INSERT] [parameters: [Filtered]]",
        ),
        ("DETAIL:  Key (email)=(someone) exists", "DETAIL:  Key (email)=([Filtered]) exists"),
        ("Failing row contains (1, secret thing)", "Failing row contains ([Filtered])"),
        ("nothing special 12 here", "nothing special 12 here"),
    ],
)
def test_filters_values_by_how_they_look(text: str, expected: str | None) -> None:
    event, _ = clean(exception={"values": [make_exception("E", text)]})

    value = event["exception"]["values"][0]["value"]
    if expected is None:
        assert "abcdef123456" not in value
    else:
        assert value == expected


def test_filters_prose_in_variables_and_request_bodies() -> None:
    frame = make_frame("f", vars={"body": repr(_RESUME), "short": "'a short text'"})
    event, scrubbed = clean(
        exception={"values": [make_exception(stacktrace={"frames": [frame]})]},
        request={"data": _RESUME, "url": "http://x/y"},
        extra={"page": _RESUME},
        contexts={"job": {"description": _RESUME}},
    )

    assert "carpenters" not in orjson.dumps(event).decode()
    frames = event["exception"]["values"][0]["stacktrace"]["frames"]
    assert frames[0]["vars"]["short"] == "'a short text'"
    assert "exception.values.0.frames.0.vars.body" in [
        path.replace("stacktrace.", "") for path in scrubbed
    ] or any("vars.body" in path for path in scrubbed)


def test_prose_is_long_and_of_many_words() -> None:
    assert is_prose(_RESUME)
    assert not is_prose("x" * 5_000)
    assert not is_prose("a short message of some words")


def test_cleans_the_request() -> None:
    event, _ = clean(
        request={
            "method": "POST",
            "url": "https://app.example/reset?token=abc&page=2",
            "query_string": "token=abc&page=2",
            "cookies": {"a": "b"},
            "headers": [["X-Real-Ip", "1.2.3.4"], ["Accept", "text/html"]],
            "env": {"REMOTE_ADDR": "1.2.3.4", "SERVER_NAME": "web"},
        }
    )

    request = event["request"]
    assert request["url"] == "https://app.example/reset?token=[Filtered]&page=2"
    assert request["query_string"] == "token=[Filtered]&page=2"
    assert request["cookies"] == "[Filtered]"
    assert request["headers"] == [["X-Real-Ip", "1.2.3.0"], ["Accept", "text/html"]]
    assert request["env"] == [["REMOTE_ADDR", "1.2.3.0"], ["SERVER_NAME", "web"]]


def test_keeps_of_a_user_what_tells_users_apart() -> None:
    user = {"id": "7", "email": "a@b.co", "ip_address": "1.2.3.4", "geo": {"city": "X"}}

    cleaned = clean(user=user)[0]["user"]
    assert cleaned == {"id": "7", "email": "[Filtered]", "ip_address": "1.2.3.0"}


def test_cuts_what_is_too_long_or_too_deep_with_a_remark() -> None:
    deep: dict[str, Any] = {}
    inner = deep
    for _ in range(50):
        inner["a"] = {}
        inner = inner["a"]
    frames = [make_frame(f"f{number}") for number in range(500)]
    event, _ = clean(
        message="x" * 50_000,
        extra={"deep": deep, "many": list(range(9_000))},
        exception={"values": [make_exception(stacktrace={"frames": frames})]},
        breadcrumbs=[{"message": str(number)} for number in range(900)],
    )

    assert event["message"].endswith("… [cut: 50000 characters]")
    assert "nested too deeply" in orjson.dumps(event["extra"]["deep"]).decode()
    assert len(event["extra"]["many"]) == 250
    kept = event["exception"]["values"][0]["stacktrace"]["frames"]
    assert (len(kept), kept[0]["function"], kept[-1]["function"]) == (100, "f0", "f499")
    assert event["breadcrumbs"]["values"][-1]["message"] == "899"


def test_source_lines_keep_their_code() -> None:
    line = "    password = form.password"
    frame = make_frame("f", context_line=line, pre_context=["key = 'AKIAIOSFODNN7EXAMPLE'"])
    event, _ = clean(exception={"values": [make_exception(stacktrace={"frames": [frame]})]})

    frame = event["exception"]["values"][0]["stacktrace"]["frames"][0]
    assert frame["context_line"] == line
    assert frame["pre_context"] == ["key = '[Filtered]'"]


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        ("4111111111111111", True), ("4111111111111112", False), ("6011111111111117", True),
        ("3530111333300000", True), ("30569309025904", True), ("1234567890123456", False),
    ],
)  # fmt: skip
def test_card_numbers_need_prefix_length_and_luhn(digits: str, expected: bool) -> None:
    assert is_card_number(digits) is expected


@pytest.mark.parametrize("opening", ['{"a":', '{"frames":[{"vars":'])
def test_an_event_that_is_nested_beyond_all_reason_is_cut_and_not_lost(opening: str) -> None:
    depth = 900 // opening.count("{") // (1 + opening.count("["))
    closing = {"{": "}", "[": "]"}
    ending = "".join(closing[each] for each in reversed(opening) if each in closing)
    deep = orjson.loads(opening * depth + '"x"' + ending * depth)

    event, _ = clean(message="deep", extra=deep, anything=deep)

    assert event["message"] == "deep"
    assert orjson.dumps(event)
