"""Reports that browsers send by themselves: violations of a content security policy, and such.

Each becomes an event whose fingerprint is what was violated and by whom, not where: a page has
many addresses.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from resumatch_monitor.sentry.lenient import parse_json
from resumatch_monitor.sentry.refusals import MalformedError
from resumatch_monitor.sentry.values import as_dict, as_list, as_text, is_list

_REPORTS_MAX = 100
_TEXT_MAX = 2_000
_NAME_MAX = 200
# The names of the Reporting API, and those of `report-uri`.
_CSP_FIELDS: Mapping[str, str] = {
    "documentURL": "document-uri",
    "referrer": "referrer",
    "blockedURL": "blocked-uri",
    "effectiveDirective": "effective-directive",
    "originalPolicy": "original-policy",
    "sourceFile": "source-file",
    "sample": "script-sample",
    "disposition": "disposition",
    "statusCode": "status-code",
    "lineNumber": "line-number",
    "columnNumber": "column-number",
}
_ALIASES = {"violated-directive": "effective-directive"}
_KEPT = frozenset({*_CSP_FIELDS.values(), "violated-directive"})
_KEYWORDS = frozenset({"inline", "eval", "self", "wasm-eval", "trusted-types-policy"})
_CERTIFICATE_REPORTS = {
    "expect-ct-report": ("expectct", "Expect-CT failed for {host!r}"),
    "expect-staple-report": ("expectstaple", "Expect-Staple failed for {host!r}"),
}


def read_reports(
    body: bytes, *, release: str = "", environment: str = "", user_agent: str = ""
) -> Iterator[dict[str, Any]]:
    """Yield the events that a request of `/security/` holds, at most a hundred.

    Args:
        body: JSON, as `report-uri` or `report-to` send it.
        release: From the address that the policy names.
        environment: From there, too.
        user_agent: Of the browser.

    Raises:
        MalformedError: If it is not JSON, or no report that anybody knows.
    """
    try:
        sent = parse_json(body)[0]
    except orjson.JSONDecodeError as error:
        raise MalformedError(f"The report is not JSON: {error}.") from error
    reports = as_list(sent)[:_REPORTS_MAX] if is_list(sent) else [sent]
    events = [event for each in reports if (event := _read_report(as_dict(each))) is not None]
    if not events and not is_list(sent):
        raise MalformedError(
            "This is no security report: a csp-report, an expect-ct-report, an"
            " expect-staple-report or a list of reports is expected."
        )
    for event in events:
        event["request"]["headers"] = {"User-Agent": user_agent} if user_agent else {}
        if release:
            event["release"] = release[:_NAME_MAX]
        if environment:
            event["environment"] = environment[:_NAME_MAX]
        yield event


def _read_report(report: dict[str, Any]) -> dict[str, Any] | None:
    if "csp-report" in report:
        return _make_csp_event(as_dict(report["csp-report"]))
    if as_text(report.get("type")) == "csp-violation":
        body = as_dict(report.get("body"))
        translated = {_CSP_FIELDS[name]: body[name] for name in _CSP_FIELDS if name in body}
        translated.setdefault("document-uri", report.get("url"))
        return _make_csp_event(translated)
    for name, (kind, message) in _CERTIFICATE_REPORTS.items():
        if name in report:
            return _make_certificate_event(kind, message, as_dict(report[name]))
    if "known-pins" in report:
        return _make_certificate_event("hpkp", "Public key pinning failed for {host!r}", report)
    return None


def _make_csp_event(report: dict[str, Any]) -> dict[str, Any] | None:
    kept = {
        _ALIASES.get(name, name): as_text(report.get(name))[:_TEXT_MAX]
        for name in sorted(_KEPT, reverse=True)
        if as_text(report.get(name))
    }
    directive = (kept.get("effective-directive", "").split() or [""])[0].lower()[:_NAME_MAX]
    if not directive:
        return None
    kept["effective-directive"] = directive
    document = kept.get("document-uri", "")
    blocked = name_blocked(kept.get("blocked-uri", ""), document)
    directive = directive.removesuffix("-elem").removesuffix("-attr")
    what = directive.removesuffix("-src")
    is_enforced = kept.get("disposition", "enforce") != "report"
    return {
        "type": "csp",
        "logger": "csp",
        "platform": "other",
        "level": "error" if is_enforced else "warning",
        "logentry": {"formatted": _say_blocked(what, blocked)},
        "transaction": directive,
        "fingerprint": ["csp", directive, blocked],
        "tags": {
            "effective-directive": directive,
            "blocked-uri": blocked,
            "disposition": "enforce" if is_enforced else "report",
        },
        "contexts": {"csp": kept},
        "request": {"url": document},
        "user": {"ip_address": "{{auto}}"},
    }


def _say_blocked(what: str, blocked: str) -> str:
    if blocked in ("inline", "eval", "wasm-eval"):
        return f"Blocked {blocked} {what!r}"
    return f"Blocked {what!r} from {blocked!r}" if blocked else f"Blocked {what!r}"


def name_blocked(blocked: str, document: str) -> str:
    """Return by what a violation is known: a host, a scheme, or a keyword of the policy."""
    text = blocked.strip().strip("'").lower()
    if text in _KEYWORDS or not text:
        return text
    host, scheme = _split(text)
    if not host:
        # `data`, `blob`, or an address without a host.
        return (scheme or text.partition(":")[0])[:_NAME_MAX]
    if host == _split(document)[0]:
        return "self"
    return host if scheme in ("http", "https", "ws", "wss", "") else f"{scheme}://{host}"


def _split(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        return (parts.hostname or "")[:_NAME_MAX], parts.scheme[:_NAME_MAX]
    except ValueError:
        return "", ""


def _make_certificate_event(kind: str, message: str, report: dict[str, Any]) -> dict[str, Any]:
    host = as_text(report.get("hostname"))[:_NAME_MAX].lower()
    kept = {
        name: as_text(report.get(name))[:_TEXT_MAX]
        for name in ("hostname", "port", "date-time", "effective-expiration-date")
        if as_text(report.get(name))
    }
    return {
        "type": kind,
        "logger": kind,
        "platform": "other",
        "level": "error",
        "logentry": {"formatted": message.format(host=host)},
        "transaction": kind,
        "fingerprint": [kind, host],
        "tags": {"hostname": host},
        "contexts": {kind: kept},
        "request": {},
        "user": {"ip_address": "{{auto}}"},
    }
