from typing import Any

import orjson
import pytest

from resumatch_monitor.sentry.refusals import MalformedError
from resumatch_monitor.sentry.security import read_reports


def read(report: object, **more: str) -> list[dict[str, Any]]:
    return list(read_reports(orjson.dumps(report), **more))


def make_csp(**over: str) -> dict[str, Any]:
    return {
        "csp-report": {
            "document-uri": "https://shop.example/cart?coupon=1",
            "referrer": "",
            "violated-directive": "script-src-elem",
            "effective-directive": "script-src-elem",
            "original-policy": "script-src 'self'; report-uri /r",
            "disposition": "enforce",
            "blocked-uri": "https://evil.example/x.js",
            "status-code": 200,
            **over,
        }
    }


def test_a_violation_is_an_event_of_its_directive_and_host() -> None:
    (event,) = read(make_csp(), release="web@9", environment="production", user_agent="Firefox")

    assert event["type"] == event["logger"] == "csp"
    assert event["logentry"]["formatted"] == "Blocked 'script' from 'evil.example'"
    assert event["fingerprint"] == ["csp", "script-src", "evil.example"]
    assert event["level"] == "error"
    assert event["request"] == {
        "url": "https://shop.example/cart?coupon=1",
        "headers": {"User-Agent": "Firefox"},
    }
    assert (event["release"], event["environment"]) == ("web@9", "production")
    assert event["contexts"]["csp"]["original-policy"] == "script-src 'self'; report-uri /r"


@pytest.mark.parametrize(
    ("over", "blocked", "message"),
    [
        ({"blocked-uri": "inline"}, "inline", "Blocked inline 'script'"),
        ({"blocked-uri": "'eval'"}, "eval", "Blocked eval 'script'"),
        ({"blocked-uri": "data"}, "data", "Blocked 'script' from 'data'"),
        ({"blocked-uri": "data:text/javascript,1"}, "data", "Blocked 'script' from 'data'"),
        ({"blocked-uri": "blob:https://shop.example/1-2"}, "blob", "Blocked 'script' from 'blob'"),
        ({"blocked-uri": "https://shop.example/a.js"}, "self", "Blocked 'script' from 'self'"),
        (
            {"blocked-uri": "https://EVIL.example:444/b"},
            "evil.example",
            "Blocked 'script' from 'evil.example'",
        ),
        ({"blocked-uri": ""}, "", "Blocked 'script'"),
        ({"blocked-uri": "http://[bad"}, "http", "Blocked 'script' from 'http'"),
    ],
)
def test_the_blocked_are_named(over: dict[str, str], blocked: str, message: str) -> None:
    (event,) = read(make_csp(**over))

    assert event["fingerprint"] == ["csp", "script-src", blocked]
    assert event["logentry"]["formatted"] == message


def test_pages_and_paths_do_not_tell_violations_apart() -> None:
    one, other = (
        read(make_csp(**{"document-uri": page, "blocked-uri": blocked}))[0]["fingerprint"]
        for page, blocked in (
            ("https://shop.example/1", "https://evil.example/1.js"),
            ("https://shop.example/2", "https://evil.example/2.js"),
        )
    )

    assert one == other


def test_an_older_browser_names_only_the_violated_directive() -> None:
    report = make_csp(**{"violated-directive": "img-src 'self' data:"})
    del report["csp-report"]["effective-directive"]

    (event,) = read(report)

    assert event["fingerprint"][1] == "img-src"


def test_the_reporting_api_sends_lists() -> None:
    body = {
        "documentURL": "https://shop.example/",
        "blockedURL": "https://evil.example/a.css",
        "effectiveDirective": "style-src-elem",
        "disposition": "report",
        "lineNumber": 12,
    }
    other: dict[str, Any] = {"type": "deprecation", "body": {}}
    report: dict[str, Any] = {
        "type": "csp-violation",
        "age": 10,
        "url": "https://shop.example/",
        "body": body,
    }

    (event,) = read([report, other])

    assert event["fingerprint"] == ["csp", "style-src", "evil.example"]
    assert event["level"] == "warning"
    assert event["contexts"]["csp"]["line-number"] == "12"
    assert read([other]) == []


@pytest.mark.parametrize(
    ("report", "kind", "message"),
    [
        (
            {"expect-ct-report": {"hostname": "Shop.example", "port": 443}},
            "expectct",
            "Expect-CT failed for 'shop.example'",
        ),
        (
            {"expect-staple-report": {"hostname": "shop.example"}},
            "expectstaple",
            "Expect-Staple failed for 'shop.example'",
        ),
        (
            {"hostname": "shop.example", "known-pins": ["pin-sha256=x"], "port": 443},
            "hpkp",
            "Public key pinning failed for 'shop.example'",
        ),
    ],
)
def test_reports_about_certificates(report: object, kind: str, message: str) -> None:
    (event,) = read(report)

    assert event["fingerprint"] == [kind, "shop.example"]
    assert event["logentry"]["formatted"] == message


@pytest.mark.parametrize(
    "body", [b"", b"{", b"{}", b"null", b"7", b'{"csp-report":{}}', b'{"csp-report":[]}', b"\xff"]
)
def test_what_is_no_report_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedError):
        list(read_reports(body))


def test_a_request_has_at_most_a_hundred_reports() -> None:
    report = {"type": "csp-violation", "body": {"effectiveDirective": "img-src"}}

    assert len(read([report] * 1_000)) == 100
