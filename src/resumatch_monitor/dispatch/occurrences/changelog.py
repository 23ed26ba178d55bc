"""What alerts do, as lines of the log: what nobody is told at once is to be found there, too."""

import logging
from collections.abc import Iterator, Sequence

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.occurrences.firing import FiringAlerts
from resumatch_monitor.dispatch.occurrences.occurrence import Occurrence
from resumatch_monitor.notify.wording import clip, one_line

logger = logging.getLogger(__name__)

_MOST_NAMES = 5
_LONGEST_NAME = 100


def log_changes(changed: Sequence[Occurrence], before: FiringAlerts) -> None:
    """Log what begins to fire, happens and ends; a storm is one line of each.

    Args:
        changed: The latest states of some alerts.
        before: What fired until now; who merely has another value or text is passed over.
    """
    kinds: dict[str, list[Alert]] = {"fires": [], "happened": [], "ended": []}
    for each in changed:
        alert, known = each.alert, before.get(each.alert.fingerprint)
        if alert.is_event:
            kinds["happened"].append(alert)
        elif not each.is_firing and known is not None:
            kinds["ended"].append(alert)
        elif each.is_firing and (known is None or known.starts_at != alert.starts_at):
            kinds["fires"].append(alert)
    for words, alerts in kinds.items():
        if alerts:
            logger.info("alert %s: %s", words, ", ".join(_name(alerts)))


def _name(alerts: Sequence[Alert]) -> Iterator[str]:
    for each in alerts[:_MOST_NAMES]:
        # Names come from outside, and a line of the log is one line.
        yield clip(one_line(f"{each.name} ({each.severity})"), _LONGEST_NAME)
    if len(alerts) > _MOST_NAMES:
        yield f"and {len(alerts) - _MOST_NAMES} more"
