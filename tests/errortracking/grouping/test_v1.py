from typing import Any

import pytest

from resumatch_monitor.errortracking.grouping.grouping import Grouping
from resumatch_monitor.errortracking.grouping.registry import GROUPERS
from resumatch_monitor.errortracking.grouping.templates import template_of
from resumatch_monitor.errortracking.normalise import normalise
from tests.support.errors import make_event, make_exception, make_frame


def group(**over: Any) -> Grouping:
    return GROUPERS[1](normalise(make_event(**over)))


def with_frames(*frames: dict[str, Any], kind: str = "KeyError", value: str = "") -> dict[str, Any]:
    return {"values": [make_exception(kind, value, stacktrace={"frames": list(frames)})]}


def message(template: str, **over: Any) -> Grouping:
    return group(exception=None, message=template, **over)


BASE = [make_frame("checkout"), make_frame("pay")]


@pytest.mark.parametrize(
    "frames",
    [
        [make_frame("checkout", lineno=99), make_frame("pay", context_line="other")],
        [make_frame("checkout"), make_frame("pay", vars={"n": "2"})],
        [make_frame("run", "uvicorn.main", in_app=False), *BASE],
        [*BASE, make_frame("execute", "sqlalchemy.engine", in_app=False)],
        [make_frame("checkout"), make_frame("pay"), make_frame("pay"), make_frame("pay")],
        [make_frame("checkout"), make_frame("async pay")],
    ],
)
def test_variations_of_a_trace_are_one_issue(frames: list[dict[str, Any]]) -> None:
    assert group(exception=with_frames(*frames, value="x 17")).key == (
        group(exception=with_frames(*BASE, value="'a'")).key
    )


@pytest.mark.parametrize(
    "exception",
    [
        with_frames(*BASE, kind="ValueError"),
        with_frames(make_frame("checkout"), make_frame("refund")),
        with_frames(make_frame("checkout"), make_frame("pay", "shop.other")),
        {"values": [make_exception("OSError", "x", "connect"), with_frames(*BASE)["values"][0]]},
    ],
)
def test_different_causes_are_different_issues(exception: dict[str, Any]) -> None:
    assert group(exception=exception).key != group(exception=with_frames(*BASE)).key


def test_mutual_recursion_of_any_depth_is_one_issue() -> None:
    walk, visit = make_frame("walk"), make_frame("visit")

    keys = {group(exception=with_frames(*([walk, visit] * depth))).key for depth in range(2, 30)}

    assert len(keys) == 1


def test_an_anonymous_function_is_known_by_its_line() -> None:
    first = make_frame("<anonymous>", context_line="  items.map(x => x.id)")
    second = make_frame("<anonymous>", context_line="  users.map(x => x.name)")

    assert group(exception=with_frames(first)).key != group(exception=with_frames(second)).key


def test_build_hashes_in_file_names_do_not_matter() -> None:
    names = [
        "https://a.example/_next/static/chunks/app-3f2a9c1b.js",
        "https://b.example/_next/static/chunks/app-99ff00aa.js",
    ]
    keys = {
        group(exception=with_frames(make_frame("submit", "", filename=name))).key for name in names
    }

    assert len(keys) == 1


def test_without_a_trace_the_message_counts_apart_from_its_values() -> None:
    def bare(value: str) -> bytes:
        return group(exception={"values": [{"type": "Timeout", "value": value}]}).key

    assert bare("waited 30 s for 'a'") == bare("waited 31 s for 'b'")
    assert bare("waited 30 s for 'a'") != bare("refused after 30 s")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("User 17 has no résumé", "User 18000 has no résumé"),
        (
            "job 550e8400-e29b-41d4-a716-446655440000 gone",
            "job 123e4567-e89b-12d3-a456-426614174000 gone",
        ),
        ("object at 0x7f00aa", "object at 0x7fffff00"),
        ("commit deadbeef01 failed", "commit 0badcafe99 failed"),
        ("from 10.0.0.1:80", "from 192.168.7.9:8443"),
        ("from fe80::1 refused", "from 2001:db8::2 refused"),
        ("mail to ada@x.org", "mail to bob@y.co.uk"),
        ("at 2026-01-05T12:00:00Z", "at 2027-11-30 01:02:03.123+02:00"),
        ("took 1.5e3 ms", "took 17 ms"),
        ("get https://x.org/a?b=1", "get http://y.org/c"),
        ("order_id-8fk2 missing", "order_id-9zz1 missing"),
    ],
)
def test_messages_that_differ_by_their_values_are_one_issue(first: str, second: str) -> None:
    assert template_of(first) == template_of(second)
    assert message(first).key == message(second).key


def test_messages_that_say_something_else_are_different_issues() -> None:
    assert message("disk full").key != message("disk failed").key
    assert message("disk full").key != message("disk full", logger="other").key


def test_a_message_with_parameters_is_grouped_by_its_template() -> None:
    def entry(formatted: str) -> bytes:
        logentry = {"message": "%s is %s", "formatted": formatted}
        return group(exception=None, logentry=logentry).key

    assert entry("red is nice") == entry("blue is gone")


def test_the_fingerprint_of_the_sdk_wins_and_may_contain_the_default() -> None:
    other = with_frames(make_frame("elsewhere"))

    assert group(fingerprint=["db"]).key == group(fingerprint=["db"], exception=other).key
    split = group(fingerprint=["{{ default }}", "tenant-1"])
    assert split.key != group(fingerprint=["{{ default }}", "tenant-2"]).key
    assert split.key != group(fingerprint=["{{ default }}", "tenant-1"], exception=other).key
    assert group(fingerprint=["{{ default }}"]).key == group().key
    assert "tenant-1" in split.explanation


def test_explains_itself() -> None:
    explanation = group(exception=with_frames(*BASE)).explanation

    assert "KeyError in pay (shop.cart), called by checkout (shop.cart)" in explanation


def test_version_1_answers_as_it_always_has() -> None:
    assert group().key.hex() == "1ec156862afc2bdadcde7f005c4e5d54"
