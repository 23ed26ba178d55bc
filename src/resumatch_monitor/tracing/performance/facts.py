"""From a segment to what is counted of it; pure."""

from collections import defaultdict
from typing import Any

from resumatch_monitor.tracing.model import Segment, Span
from resumatch_monitor.tracing.naming import name_page
from resumatch_monitor.tracing.performance.calls import read_calls
from resumatch_monitor.tracing.performance.config import FindingsConfig
from resumatch_monitor.tracing.performance.detection import find_problems
from resumatch_monitor.tracing.performance.model import VITALS, Facts
from resumatch_monitor.tracing.performance.statements import StatementReader
from resumatch_monitor.tracing.performance.templating import name_endpoint
from resumatch_monitor.tracing.reading import SAMPLE_RATE

_PAGE = "sentry.pageload.span_id"
_SMALLEST_RATE = 1e-4
_LARGEST_VITAL = 1e9
# https://docs.sentry.io/product/insights/overview/metrics/#failure-rate, and what says nothing.
_NO_FAILURES = frozenset({"", "ok", "unset", "cancelled", "unknown"})
# What one of Sentry's SDKs may call a status; other texts are an error's message.
_STATUSES = frozenset(
    """
    invalid_argument deadline_exceeded not_found already_exists permission_denied
    resource_exhausted failed_precondition aborted out_of_range unimplemented internal_error
    unavailable data_loss unauthenticated
    """.split()  # noqa: SIM905 - a line a word would hide what belongs together
)
_PART_OF_OP = (
    *(("db", "db"), ("cache", "cache"), ("http.client", "http"), ("http.fetch", "http")),
    *(("queue", "queue"), ("messaging", "queue"), ("template", "render"), ("view", "render")),
    *(("ui", "browser"), ("browser", "browser"), ("resource", "browser")),
)


def read_facts(
    segment: Segment,
    statements: StatementReader,
    config: FindingsConfig,
    *,
    page: Span | None = None,
) -> Facts:
    """Return what is counted of a segment.

    Args:
        segment: A whole one.
        statements: Who reads statements of databases.
        config: What is a finding.
        page: The root of the page that a web vital is of, if it is known.
    """
    root = segment.root
    is_vital = is_carrier(root)
    named = page if page is not None and is_vital else root
    raw_name = (
        _name_carrier(root)
        if is_vital and page is None
        else name_page(named.name, named.op, named.attributes)
    )
    facts = Facts(
        key=bytes.fromhex(root.trace_id + root.span_id),
        project_id=root.project_id,
        environment=root.environment,
        release=root.release,
        name=name_endpoint(raw_name, dict(named.attributes)),
        op="pageload" if is_vital and page is None else named.op,
        trace_id=root.trace_id,
        span_id=root.span_id,
        raw_name=raw_name[:500],
        started_ms=root.started_us // 1_000,
        duration_us=root.duration_us,
        weight=_read_weight(root.attributes.get(SAMPLE_RATE)),
        is_failed=_is_failed(root),
        is_counted=not is_vital,
        vitals=_read_vitals(segment),
    )
    if not is_vital:
        facts.parts = _break_down(segment)
        facts.calls = read_calls(segment, statements)
        facts.findings = find_problems(facts.calls, config)
    return facts


def is_carrier(root: Span) -> bool:
    """Tell whether a segment is a single span that only tells a web vital."""
    return root.op.startswith(("ui.webvital", "ui.interaction"))


def find_page_id(root: Span) -> str:
    """Return the span id of the page that a web vital is of; empty if it does not say."""
    page_id = root.attributes.get(_PAGE)
    return page_id if is_carrier(root) and isinstance(page_id, str) else ""


def _name_carrier(root: Span) -> str:
    said = root.attributes.get("sentry.transaction")
    name = root.segment_name if root.segment_name != root.name else ""
    return name or (said if isinstance(said, str) else "") or root.name


def _is_failed(root: Span) -> bool:
    if root.is_error:
        return root.status_text not in ("cancelled", "unknown")
    return root.status_text not in _NO_FAILURES and root.status_text in _STATUSES


def _read_weight(rate: object) -> float:
    try:
        number = float(rate) if isinstance(rate, str | int | float) else 1.0
    except ValueError:
        return 1.0
    return 1.0 / number if _SMALLEST_RATE <= number < 1 else 1.0


def _read_vitals(segment: Segment) -> dict[str, float]:
    vitals: dict[str, float] = {}
    for span in (segment.root, *segment.spans):
        if span is not segment.root and not span.op.startswith(("ui.webvital", "ui.interaction")):
            continue
        for name in VITALS:
            value: Any = span.attributes.get(f"browser.web_vital.{name}.value")
            if name == "inp" and value is None:
                value = span.attributes.get("measurement.inp")
            if isinstance(value, int | float) and 0 <= value <= _LARGEST_VITAL:
                vitals[name] = float(value) * (1e6 if name == "cls" else 1e3)
    return vitals


def _break_down(segment: Segment) -> dict[str, tuple[int, int]]:
    """Return for each part how many spans it has and how long they took by themselves."""
    called_us: dict[str, int] = defaultdict(int)
    for span in segment.spans:
        called_us[span.parent_span_id] += span.duration_us
    parts: dict[str, tuple[int, int]] = {}
    for span in (segment.root, *segment.spans):
        part = next((name for op, name in _PART_OF_OP if span.op.startswith(op)), "app")
        if span is segment.root:
            part = "app"
        # Calls at the same time can take longer together than what made them.
        self_us = max(0, span.duration_us - called_us[span.span_id])
        count, total_us = parts.get(part, (0, 0))
        parts[part] = (count + 1, total_us + self_us)
    return parts
