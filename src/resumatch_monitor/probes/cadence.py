"""When a probe runs next."""

from datetime import datetime, timedelta

from resumatch_monitor.probes.config import BaseProbeConfig
from resumatch_monitor.probes.outage import ProbeState, Thresholds

_LONGEST_RETRY_SECONDS = 10.0
_SHORTEST_RETRY_SECONDS = 1.0
_RETRIES_WITHIN_HOLD = 3
_CLOCK_SLACK = timedelta(seconds=5)


def build_thresholds(config: BaseProbeConfig) -> Thresholds:
    """Return the thresholds of a probe; two missed attempts in a row are a gap."""
    return Thresholds(
        slow_after=config.slow_after,
        hold=config.down_after,
        longest_gap=2 * config.interval + config.timeout + _CLOCK_SLACK,
    )


def find_retry_delay(state: ProbeState, config: BaseProbeConfig, now: datetime) -> timedelta | None:
    """Return how long after the start of its last attempt an unsettled probe tries again.

    None if the usual interval will do. While a failure is not yet an outage, an attempt falls on
    the very moment at which it becomes one.
    """
    is_slow_undecided = not state.slow.is_settled and (
        state.slow.opened_at is None or state.slow.recovering_since is not None
    )
    if state.failing.is_settled and not is_slow_undecided:
        return None
    hold_seconds = config.down_after.total_seconds()
    seconds = min(_LONGEST_RETRY_SECONDS, hold_seconds / _RETRIES_WITHIN_HOLD)
    seconds = min(max(seconds, _SHORTEST_RETRY_SECONDS), config.interval.total_seconds())
    delay = timedelta(seconds=seconds)
    since, last_at = state.failing.since, state.last_at
    if since is not None and state.failing.opened_at is None and last_at is not None:
        until_due = since + config.down_after - last_at
        if now - last_at < until_due < delay:
            return until_due
    return delay
