from typing import Any

import pytest

from resumatch_monitor.errortracking.grouping.grouping import Grouping
from resumatch_monitor.errortracking.grouping.v2.engines import one_wording
from resumatch_monitor.errortracking.grouping.v2.group import group as group_event
from resumatch_monitor.errortracking.grouping.v2.messages import template_of
from resumatch_monitor.errortracking.normalise import normalise
from tests.support.errors import make_event, make_exception, make_frame


def group(**over: Any) -> Grouping:
    return group_event(normalise(make_event(**over)))


def raising(
    *frames: dict[str, Any], kind: str = "KeyError", value: str = "'a'", **mechanism: Any
) -> dict[str, Any]:
    exception = make_exception(kind, value, stacktrace={"frames": list(frames)})
    return {**exception, "mechanism": {"type": "generic", **mechanism}}


def key_of(*exceptions: dict[str, Any], **over: Any) -> str:
    return group(exception={"values": list(exceptions)}, **over).key.hex()


def library(name: str, module: str = "starlette.routing") -> dict[str, Any]:
    return make_frame(name, module, in_app=False)


ROUTE, CHECKOUT, PAY = make_frame("route", "api"), make_frame("checkout"), make_frame("pay")
BASE = key_of(raising(ROUTE, CHECKOUT, PAY))


@pytest.mark.parametrize(
    "frames",
    [
        [ROUTE, CHECKOUT, {**PAY, "lineno": 99, "context_line": "other()"}],
        [library("app"), ROUTE, library("inner"), CHECKOUT, PAY],
        [make_frame("nightly", "tasks"), PAY],
        [PAY],
        [ROUTE, CHECKOUT, PAY, library("execute", "sqlalchemy.engine")],
        [ROUTE, CHECKOUT, PAY, PAY, PAY],
        [ROUTE, CHECKOUT, {**PAY, "function": "async pay"}],
    ],
)
def test_every_way_to_a_place_is_one_issue(frames: list[dict[str, Any]]) -> None:
    assert key_of(raising(*frames)) == BASE


@pytest.mark.parametrize(
    "exception",
    [
        raising(ROUTE, CHECKOUT, PAY, kind="ValueError"),
        raising(ROUTE, CHECKOUT),
        raising(ROUTE, make_frame("pay", "shop.refunds")),
    ],
)
def test_another_place_or_type_is_another_issue(exception: dict[str, Any]) -> None:
    assert key_of(exception) != BASE


@pytest.mark.parametrize("helper", ["request_json", "get_or_404", "ensure", "Client.send", "_call"])
def test_a_helper_counts_with_its_caller(helper: str) -> None:
    called = make_frame(helper, "core.util")

    assert key_of(raising(ROUTE, CHECKOUT, called)) == key_of(raising(CHECKOUT, called))
    assert key_of(raising(ROUTE, CHECKOUT, called)) != key_of(raising(ROUTE, PAY, called))


def test_a_helper_that_nobody_specific_calls_counts_with_its_message() -> None:
    frames = [make_frame("request", "core.util")]

    def said(value: str) -> str:
        return key_of(raising(*frames, value=value))

    assert said("page 7 is missing") == said("page 8 is missing")
    assert said("page 7 is missing") != said("page 7 is empty")


def test_what_wraps_the_root_cause_does_not_matter() -> None:
    cause = raising(CHECKOUT, PAY, source="__cause__", exception_id=1, parent_id=0)
    wrapper = raising(ROUTE, CHECKOUT, kind="AppError", exception_id=0)

    assert key_of(cause, wrapper) == BASE


def test_without_ids_the_order_tells_the_chain() -> None:
    assert key_of(raising(CHECKOUT, PAY), raising(ROUTE, CHECKOUT, kind="AppError")) == BASE


def test_two_causes_of_one_wrapper_are_two_issues() -> None:
    wrapper = raising(ROUTE, kind="AppError")

    assert key_of(raising(ROUTE, PAY), wrapper) != key_of(raising(ROUTE, CHECKOUT), wrapper)


def test_a_library_that_wraps_its_own_exceptions_is_one_failure() -> None:
    def failing(inner: str) -> str:
        cause = raising(library("connect", "psycopg"), kind=inner)
        return key_of(cause, raising(CHECKOUT, PAY, library("execute"), kind="OperationalError"))

    assert failing("gaierror") == failing("ConnectionRefusedError")


def test_what_is_raised_while_something_harmless_is_handled_is_its_own_bug() -> None:
    missed = raising(
        CHECKOUT, make_frame("read_cached", "cache"), source="__context__", exception_id=1,
        parent_id=0,
    )  # fmt: skip
    shown = raising(ROUTE, CHECKOUT, PAY, exception_id=0)

    assert key_of(missed, shown) == BASE


def test_what_a_handler_makes_of_an_exception_is_the_exception() -> None:
    caught = raising(CHECKOUT, PAY, source="__context__", exception_id=1, parent_id=0)
    made = raising(ROUTE, CHECKOUT, kind="AppError", exception_id=0)

    assert key_of(caught, made) == BASE


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_group_of_the_same_failures_is_that_failure(count: int) -> None:
    members = [
        raising(PAY, source=f"exceptions[{number}]", exception_id=number + 1, parent_id=0)
        for number in range(count)
    ]
    group = raising(ROUTE, kind="ExceptionGroup", exception_id=0, is_exception_group=True)

    assert key_of(*reversed(members), group) == BASE


def test_the_order_of_a_groups_members_does_not_matter() -> None:
    def members(*places: dict[str, Any]) -> str:
        group = raising(ROUTE, kind="ExceptionGroup", exception_id=0, is_exception_group=True)
        return key_of(
            *(
                raising(place, exception_id=number + 1, parent_id=0)
                for number, place in enumerate(places)
            ),
            group,
        )

    assert members(PAY, CHECKOUT) == members(CHECKOUT, PAY) != members(PAY)


def test_a_cycle_of_parents_ends() -> None:
    first = raising(PAY, exception_id=1, parent_id=0)
    second = raising(PAY, exception_id=0, parent_id=1)

    assert key_of(first, second) == BASE


def test_endless_recursion_is_known_by_the_calls_that_repeat() -> None:
    walk, visit = make_frame("walk"), make_frame("visit")

    def deep(*last: dict[str, Any]) -> str:
        return key_of(raising(ROUTE, *[walk, visit] * 40, *last, kind="RecursionError"))

    assert deep() == deep(walk) == deep(walk, make_frame("leaf"))


def test_an_anonymous_function_is_known_by_its_line() -> None:
    def line(source: str) -> str:
        return key_of(raising(CHECKOUT, make_frame("<lambda>", context_line=source)))

    assert line("  rows.map(r => r.id)") == line("\trows.map( r => r.id )")
    assert line("rows.map(r => r.id)") != line("users.map(u => u.name)")


def script_frame(function: str, file: str, column: int = 10, **over: Any) -> dict[str, Any]:
    return make_frame(function, "", filename=file, abs_path=file, colno=column, **over)


def script_key(*frames: dict[str, Any], value: str = "x", kind: str = "TypeError") -> str:
    return key_of(raising(*frames, kind=kind, value=value), platform="javascript")


def test_source_mapped_frames_are_the_same_in_every_build_and_engine() -> None:
    keys = {
        script_key(script_frame(name, file))
        for name in ("Cart.total", "total", "Object.total", "async total")
        for file in (
            "webpack://_N_E/./src/cart/total.tsx",
            "webpack-internal:///(app-pages-browser)/./src/cart/total.tsx",
            "app:///src/cart/total.tsx",
        )
    }

    assert len(keys) == 1


def bundled(function: str, chunk: str) -> dict[str, Any]:
    return script_frame(function, f"https://x.org/_next/static/chunks/{chunk}", 5_123, lineno=1)


def test_a_name_that_the_bundler_kept_is_the_place() -> None:
    first = script_key(
        bundled("t", "framework-1a2b3c4d.js"), bundled("e.submitOrder", "7-aa11bb22.js")
    )
    second = script_key(bundled("Object.submitOrder", "9-00ff00ff.js"), value="y")

    assert first == second != script_key(bundled("e.cancelOrder", "7-aa11bb22.js"))


def test_where_the_bundler_kept_no_name_the_message_tells() -> None:
    def said(value: str, chunk: str) -> str:
        return script_key(bundled("t", chunk), bundled("?", chunk), value=value)

    chrome = "Cannot read properties of undefined (reading 'salary')"
    firefox = 'can\'t access property "salary", e.job is undefined'
    assert said(chrome, "pages/job-11aa22bb.js") == said(firefox, "pages/job-99ff88ee.js")
    assert said(chrome, "pages/job-11aa22bb.js") != said(chrome, "pages/home-11aa22bb.js")
    assert said(chrome, "12-aa11.js") != said(chrome.replace("salary", "id"), "12-aa11.js")


@pytest.mark.parametrize(
    ("chrome", "others"),
    [
        (
            "Cannot read properties of null (reading 'focus')",
            ["null is not an object (evaluating 'ref.current.focus')",
             "null is not an object (evaluating 'ref.current.focus()')",
             "Cannot read property 'focus' of null"],
        ),
        (
            "Cannot set properties of undefined (setting 'rate')",
            ["undefined is not an object (evaluating 'room.rate = value')"],
        ),
        ("Failed to fetch", ["Load failed", "NetworkError when attempting to fetch resource."]),
        ("e.join is not a function", ["t.join is not a function. (In 't.join(1)', 't.join' is 1)"]),
        ("nights is not iterable", ["undefined is not a function (near '...nights...')"]),
        ("gtag is not defined", ["Can't find variable: gtag"]),
        ("Unexpected token '<', \"<!DOC\"... is not valid JSON",
         ["JSON.parse: unexpected character at line 1", "JSON Parse error: Unrecognized token"]),
        ("The user aborted a request.", ["The operation was aborted. ", "Fetch is aborted"]),
    ],
)  # fmt: skip
def test_engines_say_the_same_in_other_words(chrome: str, others: list[str]) -> None:
    assert one_wording(chrome)
    assert {one_wording(other) for other in others} == {one_wording(chrome)}


def test_without_a_call_of_its_own_library_and_message_count() -> None:
    def failing(module: str, value: str) -> str:
        return key_of(raising(library("_run", "uvicorn"), library("read", module), value=value))

    assert failing("redis.client", "timeout after 3 s") == failing(
        "redis.sock", "timeout after 4 s"
    )
    assert failing("redis.client", "timeout after 3 s") != failing("redis.client", "refused")
    assert failing("redis.client", "refused") != failing("kombu.client", "refused")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("User 17 has no résumé", "User 18000 has no résumé"),
        ("job 550e8400-e29b-41d4-a716-446655440000", "job 123e4567-e89b-12d3-a456-426614174000"),
        ("object at 0x7f00aa", "object at 0x7fffff00"),
        ("commit deadbeef01 failed", "commit 0badcafe99 failed"),
        ("from 10.0.0.1:80", "from 192.168.7.9:8443"),
        ("from fe80::1 refused", "from 2001:db8::2 refused"),
        ("mail to ada@x.org", "mail to bob@y.co.uk"),
        ("at 2026-01-05T12:00:00Z", "at 2027-11-30 01:02:03.123+02:00"),
        ("took 1.5e3 ms", "took 17 ms"),
        ("get https://x.org/a?b=1", "get http://y.org/c"),
        ("file /srv/a/b.pdf has macros", "file /data/x/y/z.docx has macros"),
        ("tenant 'O'Brien' is over", 'tenant "x" is over'),
        ("connection to db-3.internal:5432 lost", "connection to cache12.internal:6379 lost"),
        ("WHERE id IN (1, 2, 3)", "WHERE id IN (4)"),
        ("VALUES (1, 2), (3, 4)", "VALUES (5, 6)"),
        ("Guest «anna» checked in twice", "Guest «bob» checked in twice"),
    ],
)
def test_messages_that_differ_by_their_values_are_one_issue(first: str, second: str) -> None:
    assert template_of(first) == template_of(second)
    assert group(exception=None, message=first).key == group(exception=None, message=second).key


def test_an_apostrophe_is_no_quote() -> None:
    assert template_of("can't open it, won't retry") == "can't open it, won't retry"


def test_messages_that_say_something_else_are_different_issues() -> None:
    def said(message: str, **over: Any) -> bytes:
        return group(exception=None, message=message, **over).key

    assert said("disk full") != said("disk failed")
    assert said("disk full") != said("disk full", logger="other")


def test_policy_reports_are_known_by_directive_and_host() -> None:
    def report(directive: str, blocked: str, page: str = "https://x.org/a") -> bytes:
        csp = {"effective_directive": directive, "blocked_uri": blocked, "document_uri": page}
        return group(exception=None, csp=csp, message=f"Blocked {blocked} on {page}").key

    first = report("script-src-elem", "https://evil.example/a.js?1")
    assert first == report("script-src", "https://evil.example/b.js", "https://x.org/b")
    assert first != report("img-src", "https://evil.example/a.js")
    assert first != report("script-src", "inline") != report("script-src", "eval")
    assert report("script-src", "https://x.org/1.js") == report("script-src", "self")


def test_the_fingerprint_of_the_sdk_wins_and_may_contain_the_default() -> None:
    other = {"values": [raising(make_frame("elsewhere"))]}

    assert group(fingerprint=["db"]).key == group(fingerprint=["db"], exception=other).key
    split = group(fingerprint=["{{ default }}", "tenant-1"])
    assert split.key != group(fingerprint=["{{ default }}", "tenant-2"]).key
    assert split.key != group(fingerprint=["{{ default }}", "tenant-1"], exception=other).key
    assert group(fingerprint=["{{ default }}"]).key == group().key
    assert "tenant-1" in split.explanation


@pytest.mark.parametrize(
    ("variable", "change"),
    [
        ("transaction", {"transaction": "/other"}),
        ("level", {"level": "fatal"}),
        ("logger", {"logger": "x"}),
        ("release", {"release": "shop@2"}),
        ("tags.tenant", {"tags": {"tenant": "x"}}),
        ("message", {"message": "x"}),
        ("type", {"exception": {"values": [raising(PAY, kind="E")]}}),
        ("error.value", {"exception": {"values": [raising(PAY, value="E")]}}),
        ("stack.function", {"exception": {"values": [raising(CHECKOUT)]}}),
        ("module", {"exception": {"values": [raising(make_frame("pay", "x"))]}}),
    ],
)
def test_variables_of_a_fingerprint_are_filled_in(variable: str, change: dict[str, Any]) -> None:
    fingerprint = ["fixed", f"{{{{ {variable} }}}}"]

    assert group(fingerprint=fingerprint).key == group(fingerprint=fingerprint).key
    assert group(fingerprint=fingerprint).key != group(fingerprint=fingerprint, **change).key
    assert group(fingerprint=["fixed"]).key == group(fingerprint=["fixed"], **change).key


def test_explains_itself() -> None:
    decision = group_event(normalise(make_event())).decision

    assert decision is not None
    assert decision.reason.startswith("KeyError raised in pay (shop.cart)")
    assert decision.frames == {(0, 1)}


def test_version_2_answers_as_it_always_has() -> None:
    assert group().key.hex() == "cff322b904f8c44e6b4fe5e8b06f60c0"
