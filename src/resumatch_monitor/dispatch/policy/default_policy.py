"""Who is told what where no route is configured: an ordinary tree, made for the receiver.

Critical alerts go everywhere at once. Warnings go to the chat at once and into the daily digest,
and page somebody if nobody acknowledges them. What is merely worth knowing is in the weekly digest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from resumatch_monitor.dispatch.policy.channels import MAIL, PAGER, channels_of
from resumatch_monitor.dispatch.policy.policy_config import EscalationConfig, EscalationStepConfig
from resumatch_monitor.dispatch.policy.route_config import RouteConfig
from resumatch_monitor.notify.config import ReceiverConfig

ESCALATE_AFTER = timedelta(minutes=15)

_NAME = "unacknowledged warnings"
_AT_ONCE = ("slack", "webhook", "apprise")
_CRITICAL = 'severity="critical"'
_INFO = 'severity="info"'
_WARNING = 'severity!~"critical|info"'


@dataclass(frozen=True, slots=True)
class Policy:
    """A routing tree and the escalations that it names.

    Attributes:
        is_default: Nobody wrote it.
    """

    route: RouteConfig
    escalations: Sequence[EscalationConfig]
    is_default: bool = False


def build_default_policy(receiver: ReceiverConfig | None, name: str) -> Policy:
    """Return the policy of the house for the receiver called `name`."""
    kinds = channels_of(receiver)
    has_pager = PAGER in kinds
    by_digest = [MAIL] if MAIL in kinds or not kinds else [k for k in _AT_ONCE if k in kinds]
    routes = [
        RouteConfig(matchers=[_CRITICAL], group_wait=timedelta(0)),
        RouteConfig(matchers=[_INFO], channels=by_digest, digest="weekly"),
    ]
    if by_digest == [MAIL]:
        routes.append(_continued(RouteConfig(matchers=[_WARNING], channels=[MAIL], digest="daily")))
    routes.append(
        RouteConfig(
            matchers=[_WARNING],
            channels=list(_AT_ONCE),
            escalation=_NAME if has_pager else None,
        )
    )
    root = RouteConfig(
        receiver=name,
        # What is told of one issue must not be repeated with each that comes after it; alerts that
        # are about no issue have no such label.
        group_by=["alertname", "issue"],
        group_wait=timedelta(seconds=15),
        group_interval=timedelta(minutes=1),
        repeat_interval=timedelta(hours=4),
        routes=routes,
    )
    return Policy(root, [_build_escalation()] if has_pager else [], is_default=True)


def _continued(route: RouteConfig) -> RouteConfig:
    return route.model_copy(update={"continue_": True})


def _build_escalation() -> EscalationConfig:
    step = EscalationStepConfig(after=ESCALATE_AFTER, channels=[PAGER])
    return EscalationConfig(name=_NAME, steps=[step])
