"""Puts together what a drill has shown."""

from collections.abc import Sequence
from typing import Any

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.muting.mute import Mute
from resumatch_monitor.dispatch.practice.drills import SentDrill
from resumatch_monitor.dispatch.reading import DeliveryRecord, DeliveryStatus
from resumatch_monitor.kit.clock import isoformat_or_none
from resumatch_monitor.rules.drill.model import DirectTarget, Firing, Target

_DONE = frozenset({DeliveryStatus.SENT, DeliveryStatus.FAILED, DeliveryStatus.SUPERSEDED})


def is_settled(deliveries: Sequence[DeliveryRecord]) -> bool:
    """Tell whether nothing is under way any more."""
    return all(each.status in _DONE for each in deliveries)


def describe_firing(
    target: Target | DirectTarget, firing: Firing, *, is_real_time: bool
) -> dict[str, Any]:
    """Return how the alert came to fire."""
    alert = firing.alerts[0] if firing.alerts else None
    common = {
        "series": [{"labels": dict(each.labels), "text": each.text} for each in firing.series],
        "clock": "real" if is_real_time else "shadow",
        "evaluations": firing.evaluations,
        "fired_after_seconds": None
        if firing.fired_after is None
        else firing.fired_after.total_seconds(),
        "alert": None if alert is None else _describe_alert(alert),
        "problems": [firing.problem] if firing.problem else [],
    }
    if isinstance(target, DirectTarget):
        text = "The condition lies in the monitor itself: only the way to people was tried."
        return {"rule": None, "method": "direct", "method_text": text, **common}
    rule, group = target.rule, target.group
    return {
        **common,
        "rule": {
            "group": group.name,
            "file": group.file,
            "line": rule.line,
            "managed_id": rule.managed_id or None,
            "expr": rule.expr,
            "interval_seconds": group.interval.total_seconds(),
            "for_seconds": rule.hold_duration.total_seconds(),
        },
        "method": "replaced" if firing.is_replaced else "series",
        "method_text": (
            "No series are known that would make the expression hold: it was replaced by a result."
            if firing.is_replaced
            else "The expression is the real one; the series that it reads were made up."
        ),
    }


def describe_way(
    sent: Sequence[SentDrill],
    deliveries: Sequence[DeliveryRecord],
    *,
    mute: Mute | None,
    digests: Sequence[str],
) -> dict[str, Any]:
    """Return where it went and what became of that."""
    return {
        "routes": [
            {
                "receiver": each.receiver,
                "group_labels": dict(each.group_labels),
                "wait_seconds": each.wait.total_seconds(),
                "escalated_after_seconds": each.after.total_seconds() or None,
                "spared": [str(every) for every in each.spared],
            }
            for each in sent
        ],
        "digests": list(digests),
        "would_be_muted": mute
        and {
            "kind": mute.kind.value,
            "by": mute.by,
            "text": mute.text,
            "until": isoformat_or_none(mute.until),
        },
        "deliveries": [_describe_delivery(each) for each in deliveries],
    }


def find_problems(
    sent: Sequence[SentDrill], deliveries: Sequence[DeliveryRecord], digests: Sequence[str]
) -> list[str]:
    """Return why people would not have heard of a real alert as they want to."""
    problems: list[str] = []
    if not sent and digests:
        # It is not told at once on purpose.
        return problems
    if not any(each.told or each.spared for each in sent):
        problems.append("No channel is configured for it: nobody would hear of it at once.")
    elif not deliveries:
        problems.append("Only pagers would hear of it, and those are spared without --page.")
    for each in deliveries:
        place = f"{each.receiver}/{each.integration} ({each.destination})"
        if each.status is DeliveryStatus.FAILED:
            problems.append(f"{place}: {each.last_error}")
        elif each.status is not DeliveryStatus.SENT:
            words = f": {each.last_error}" if each.last_error else ""
            problems.append(f"{place}: not delivered in time{words}")
    return problems


def _describe_alert(alert: Alert) -> dict[str, Any]:
    return {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "value": alert.value if alert.value is not None and abs(alert.value) < 1e300 else None,
    }


def _describe_delivery(record: DeliveryRecord) -> dict[str, Any]:
    seconds = None
    if record.sent_at is not None:
        seconds = max(0.0, (record.sent_at - record.created_at).total_seconds())
    return {
        "id": record.id,
        "receiver": record.receiver,
        "integration": record.integration,
        "destination": record.destination,
        "status": record.status.value,
        "attempts": record.attempts,
        "delivered_after_seconds": seconds,
        "words": record.detail,
        "error": record.last_error,
        "in_place_of": record.origin_id,
    }
