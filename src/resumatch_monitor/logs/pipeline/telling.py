"""Steps that make something else of a record as well: a count, an event."""

import math

from resumatch_monitor.logs.pipeline.config import CountStep, EventStep
from resumatch_monitor.logs.pipeline.draft import Draft, EventOrder, Increment, StepError
from resumatch_monitor.logs.pipeline.events import build_event
from resumatch_monitor.logs.pipeline.parsing import Apply, Surroundings
from resumatch_monitor.logs.query.matching import parse_number, render_value

_LONGEST_LABEL = 200
_LARGEST = 1e15


def build_count(step: CountStep, _surroundings: Surroundings) -> Apply:
    """Return what orders to count."""

    def apply(draft: Draft) -> None:
        labels: dict[str, str] = {}
        for label, name in step.labels.items():
            value = draft.read(name)
            if value is not None and not isinstance(value, list):
                labels[label] = render_value(value)[:_LONGEST_LABEL]
        amount = 1.0 if step.value is None else _read_amount(draft, step.value)
        draft.orders.append(Increment(step.metric, labels, amount))

    return apply


def build_event_order(step: EventStep, _surroundings: Surroundings) -> Apply:
    """Return what orders to make an event."""

    def apply(draft: Draft) -> None:
        draft.orders.append(EventOrder(step.project, build_event(draft.record)))

    return apply


def _read_amount(draft: Draft, name: str) -> float:
    value = draft.read(name)
    number = parse_number(value[:40]) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise StepError(f"{name} is no number")
    if not math.isfinite(number) or not 0 <= number <= _LARGEST:
        raise StepError(f"{name} is no number that can be counted")
    return float(number)
