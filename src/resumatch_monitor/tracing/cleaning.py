"""What is taken out of spans before anything of them is stored."""

import re
from collections.abc import Sequence
from typing import Any

from resumatch_monitor.sentry.scrub import Scrubber
from resumatch_monitor.sentry.values import as_dict, as_list
from resumatch_monitor.tracing.drafts import Draft, DraftItem
from resumatch_monitor.tracing.literals import take_out_literals
from resumatch_monitor.tracing.model import SpanEvent

# As many as `Scrubber` takes of a list.
_AT_ONCE = 250
_NAME_MAX = 2_048
_SHORT_MAX = 200
_STATEMENT = "db.query.text"
# No attribute's names: a rule that filters what is called `name` does not mean these.
_NAME, _QUERY, _SEGMENT, _STATUS = "0", "1", "2", "3"
_OWN_ENVELOPE = re.compile(r"/api/\d{1,15}/envelope/")
# Repeated on every span of a segment, and known from its root.
_ONLY_ON_ROOTS = frozenset(
    """
    sentry.segment.name.source
    sentry.sdk.name sentry.sdk.version sentry.sdk.integrations sentry.platform
    sentry.trace_lifecycle process.runtime.name process.runtime.version process.runtime.description
    process.command_args process.pid process.executable.path
    thread.id thread.name telemetry.sdk.name telemetry.sdk.version telemetry.sdk.language
    """.split()  # noqa: SIM905 - a line a word would hide what belongs together
)
_MEANINGLESS = frozenset({"sentry.trace_lifecycle"})


def drop_own_envelopes(item: DraftItem) -> None:
    """Leave out what an SDK traced of its own sending to us, in place.

    Python's SDK does so in streaming mode where the DSN has a port, and would send for ever what
    it traced of what it sent.
    """
    own = {draft.span_id for draft in item.drafts if _is_own(draft)}
    if not own:
        return
    kept = [
        draft
        for draft in item.drafts
        if draft.span_id not in own
        and draft.segment_id not in own
        and draft.parent_span_id not in own
    ]
    item.refuse("own_envelope", len(item.drafts) - len(kept))
    item.drafts = kept


def clean(drafts: Sequence[Draft], scrubber: Scrubber) -> None:
    """Scrub the names and attributes of spans, and bound what is not bounded yet, in place."""
    for begin in range(0, len(drafts), _AT_ONCE):
        _clean_some(drafts[begin : begin + _AT_ONCE], scrubber)
    for draft in drafts:
        draft.op = draft.op[:_SHORT_MAX]
        draft.service = draft.service[:_SHORT_MAX]
        draft.environment = draft.environment[:_SHORT_MAX]
        draft.release = draft.release[:_SHORT_MAX]


def _clean_some(drafts: Sequence[Draft], scrubber: Scrubber) -> None:
    texts: list[dict[str, str]] = []
    free: list[dict[str, Any]] = []
    for draft in drafts:
        attributes = draft.attributes
        if not draft.is_segment:
            for name in _ONLY_ON_ROOTS.intersection(attributes):
                del attributes[name]
        for name in _MEANINGLESS.intersection(attributes):
            del attributes[name]
        name, system = draft.name[:_NAME_MAX], _system_of(draft)
        segment_name = draft.segment_name[:_NAME_MAX]
        if draft.op.startswith("db"):
            name = take_out_literals(name, system)
            segment_name = name if draft.is_segment else segment_name
        statement = attributes.pop(_STATEMENT, "")
        # Statements and names are long and made of words, but nobody's prose.
        texts.append(
            {
                _NAME: name,
                _QUERY: take_out_literals(statement, system) if isinstance(statement, str) else "",
                _SEGMENT: segment_name,
                _STATUS: draft.status_text[:_SHORT_MAX],
            }
        )
        free.append(attributes)
    cleaned = scrubber.clean({"spans": texts, "contexts": free}).event
    rows = zip(drafts, as_list(cleaned["spans"]), as_list(cleaned["contexts"]), strict=True)
    for draft, cleaned_texts, attributes in rows:
        draft.name, draft.segment_name = cleaned_texts[_NAME], cleaned_texts[_SEGMENT]
        draft.status_text = cleaned_texts[_STATUS]
        draft.attributes = attributes
        if cleaned_texts[_QUERY]:
            attributes[_STATEMENT] = cleaned_texts[_QUERY]
        if draft.events:
            draft.events = _clean_events(draft.events, scrubber)


def _clean_events(events: Sequence[SpanEvent], scrubber: Scrubber) -> list[SpanEvent]:
    names = [event.name[:_SHORT_MAX] for event in events]
    contents = [dict(event.attributes) for event in events]
    cleaned = scrubber.clean({"spans": names, "contexts": contents}).event
    rows = zip(events, as_list(cleaned["spans"]), as_list(cleaned["contexts"]), strict=False)
    return [SpanEvent(name, event.at_us, as_dict(kept)) for event, name, kept in rows]


def _system_of(draft: Draft) -> str:
    """Return which database a span asked; empty if nobody said."""
    system = draft.attributes.get("db.system.name")
    if isinstance(system, str):
        return system
    return "redis" if draft.op == "db.redis" else ""


def _is_own(draft: Draft) -> bool:
    url = draft.attributes.get("url.full")
    return any(
        "/envelope/" in text and _OWN_ENVELOPE.search(text) is not None
        for text in (draft.name, draft.segment_name, url if isinstance(url, str) else "")
    )
