from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.sentry.filters import EventFilter
from resumatch_monitor.sentry.settings import FilterSettings

_ALL = FilterSettings(localhost=True)
_GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
_FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:152.0) Gecko/20100101 Firefox/152.0"


def make_browser_event(
    path: str = "https://shop.example/app.js", value: str = "x is not a function"
) -> dict[str, Any]:
    return {
        "platform": "javascript",
        "exception": {
            "values": [
                {
                    "type": "TypeError",
                    "value": value,
                    "stacktrace": {
                        "frames": [
                            {"abs_path": "https://shop.example/main.js"},
                            {"abs_path": path},
                            {"filename": "<anonymous>"},
                        ]
                    },
                }
            ]
        },
    }


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("chrome-extension://abcdef/content.js", "browser-extensions"),
        ("moz-extension://0d9-1/inject.js", "browser-extensions"),
        ("safari-web-extension://77/page.js", "browser-extensions"),
        ("https://gc.kis.v2.scr.kaspersky-labs.com/main.js", "browser-extensions"),
        ("https://shop.example/app.js", None),
        ("https://shop.example/blog/chrome-extension:-how-to.js", None),
        ("app:///main.js", None),
    ],
)
def test_errors_of_browser_extensions(path: str, reason: str | None) -> None:
    assert EventFilter(_ALL).find_reason(make_browser_event(path)) == reason


def test_an_extension_that_only_calls_the_page_is_not_at_fault() -> None:
    event = make_browser_event()
    frames = event["exception"]["values"][0]["stacktrace"]["frames"]
    frames[0]["abs_path"] = "chrome-extension://abcdef/content.js"

    assert EventFilter(_ALL).find_reason(event) is None


def test_an_extension_is_no_matter_of_a_server() -> None:
    event = {**make_browser_event("chrome-extension://a/b.js"), "platform": "python"}

    assert EventFilter(_ALL).find_reason(event) is None


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"request": {"url": "http://localhost:3000/x"}}, "localhost"),
        ({"request": {"url": "http://127.0.0.1/x"}}, "localhost"),
        ({"request": {"url": "http://[::1]:8000/"}}, "localhost"),
        ({"request": {"url": "http://app.localhost/"}}, "localhost"),
        ({"user": {"ip_address": "127.0.0.1"}}, "localhost"),
        ({"request": {"url": "http://localhost.example.org/"}}, None),
        ({"request": {"url": "http://[bad"}}, None),
        ({"user": {"ip_address": "203.0.113.9"}}, None),
        ({}, None),
    ],
)
def test_events_from_localhost(event: dict[str, Any], reason: str | None) -> None:
    assert EventFilter(_ALL).find_reason(event) == reason
    assert EventFilter(FilterSettings()).find_reason(event) is None


def test_a_page_at_localhost_is_known_by_where_it_sends_from() -> None:
    event = {"platform": "javascript", "user": {"ip_address": "{{auto}}"}}

    assert EventFilter(_ALL).find_reason(event, client_address="::1") == "localhost"
    # A server beside the monitor sends from there, too, whoever it serves.
    server = {"platform": "python"}
    assert EventFilter(_ALL).find_reason(server, client_address="127.0.0.1") is None


@pytest.mark.parametrize(
    ("agent", "reason"),
    [
        (_GOOGLEBOT, "web-crawlers"),
        ("Mozilla/5.0 (compatible; bingbot/2.0)", "web-crawlers"),
        ("facebookexternalhit/1.1", "web-crawlers"),
        ("Mozilla/5.0 (Linux; Android 9; CUBOT X19) Chrome/100.0", None),
        (_FIREFOX, None),
    ],
)
def test_errors_that_robots_meet(agent: str, reason: str | None) -> None:
    event = {"request": {"headers": [["User-Agent", agent]]}}

    assert EventFilter(_ALL).find_reason(event) == reason
    assert EventFilter(_ALL).find_reason({"platform": "javascript"}, user_agent=agent) == reason
    assert EventFilter(_ALL).find_reason({"platform": "python"}, user_agent=agent) is None


@pytest.mark.parametrize(
    ("name", "is_dropped"),
    [
        ("/health", True),
        ("GET /healthz", True),
        ("/api/health/", True),
        ("GET /api/v1/health_check", True),
        ("/-/ready", True),
        ("/livez", True),
        ("/_health", True),
        ("/ping", True),
        ("/sign-up", False),
        ("/signup", False),
        ("/healthcare/plans", False),
        ("/shopping", False),
        ("/already", False),
        ("/health/records/{id}", False),
        ("", False),
    ],
)
def test_transactions_of_health_checks(name: str, is_dropped: bool) -> None:
    event = {"transaction": name}
    expected = "filtered-transaction" if is_dropped else None

    assert EventFilter(_ALL).find_reason(event, is_transaction=True) == expected
    assert EventFilter(_ALL).find_reason(event) is None
    off = EventFilter(FilterSettings(health_checks=False))
    assert off.find_reason(event, is_transaction=True) is None


@pytest.mark.parametrize(
    ("globs", "release", "is_dropped"),
    [
        (["web@1.*"], "web@1.4", True),
        (["web@1.*"], "web@10.4", False),
        (["WEB@?.4"], "web@1.4", True),
        (["web@1.4"], "web@1x4", False),
        (["[a-z]*", "(", "\\d"], "web@1.4", False),
        (["*"], "web@1.4", True),
        (["*"], "", False),
    ],
)
def test_events_of_releases(globs: list[str], release: str, is_dropped: bool) -> None:
    found = EventFilter(FilterSettings(releases=globs)).find_reason({"release": release})

    assert found == ("release-version" if is_dropped else None)


@pytest.mark.parametrize(
    ("glob", "event", "is_dropped"),
    [
        ("*ResizeObserver loop*", {"message": "x ResizeObserver loop limit"}, True),
        ("*resizeobserver*", {"logentry": {"formatted": "ResizeObserver\nloop"}}, True),
        ("TypeError: x *", make_browser_event(), True),
        ("x is not*", make_browser_event(), True),
        ("is not", make_browser_event(), False),
        ("*", {}, False),
    ],
)
def test_errors_by_their_messages(glob: str, event: dict[str, Any], is_dropped: bool) -> None:
    found = EventFilter(FilterSettings(messages=[glob])).find_reason(event)

    assert found == ("error-message" if is_dropped else None)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)
_FIELDS = ("platform", "release", "exception", "request", "user", "message", "logentry", "type",
           "transaction", "contexts")  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(_FIELDS), _JSON),
    st.lists(st.text(min_size=1, max_size=20), max_size=3),
)
def test_nothing_that_is_sent_or_configured_breaks_a_filter(
    event: dict[str, Any], globs: list[str]
) -> None:
    try:
        settings = FilterSettings(localhost=True, messages=globs, releases=globs)
    except ValueError:
        return
    for is_transaction in (False, True):
        EventFilter(settings).find_reason(event, is_transaction=is_transaction)
