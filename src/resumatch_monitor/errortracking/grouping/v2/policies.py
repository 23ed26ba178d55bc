"""Reports of browsers about content security policies."""

from urllib.parse import urlsplit

from resumatch_monitor.errortracking.grouping.grouping import Component, Decision
from resumatch_monitor.errortracking.model import Event
from resumatch_monitor.sentry.values import as_dict, as_text


def decide_policy(event: Event) -> Decision | None:
    """Return what counts for a report; None if the event is none.

    The directive and the host that it blocked: the page, the file and the line are chance.
    """
    report = as_dict(event.raw.get("csp") or as_dict(event.raw.get("contexts")).get("csp"))
    if not report:
        return None
    directive = _field(report, "effective_directive") or _field(report, "violated_directive")
    # Newer browsers tell `script-src-elem`, others `script-src`.
    directive = directive.split(" ")[0].removesuffix("-elem").removesuffix("-attr")
    blocked = _host_of(_field(report, "blocked_uri"))
    if blocked and blocked == _host_of(_field(report, "document_uri")):
        blocked = "self"
    return Decision(
        (Component("policy", (directive, blocked)),),
        f"Reports that {directive} blocked {blocked or 'something unnamed'}, from any page.",
    )


def _field(report: dict[str, object], name: str) -> str:
    value = report.get(name)
    return as_text(value if value is not None else report.get(name.replace("_", "-")))


def _host_of(uri: str) -> str:
    try:
        parts = urlsplit(uri)
        return parts.hostname or parts.scheme or uri[:100]
    except ValueError:
        return uri[:100]
