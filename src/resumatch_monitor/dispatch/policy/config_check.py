"""What must hold between the parts of `alerting`; the messages say where it does not."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from resumatch_monitor.dispatch.policy.channels import channels_of, known_channels
from resumatch_monitor.dispatch.policy.policy_config import EscalationConfig, QuietHoursConfig
from resumatch_monitor.dispatch.policy.route_config import NO_ESCALATION, RouteConfig
from resumatch_monitor.notify.config import ReceiverConfig


def check_receivers(receivers: Sequence[ReceiverConfig]) -> None:
    """Check that names are given once and that fallbacks lead somewhere and end.

    Raises:
        ValueError: If not.
    """
    _refuse_twins("receivers", [receiver.name for receiver in receivers])
    fallbacks = {each.name: each.fallback for each in receivers if each.fallback}
    names = {receiver.name for receiver in receivers}
    for name, fallback in fallbacks.items():
        if fallback not in names:
            raise ValueError(
                f"receiver {name!r} falls back on the receiver {fallback!r}, which is not there"
            )
        _refuse_circle(name, fallbacks)


def check_quiet_hours(hours: Sequence[QuietHoursConfig], intervals: Collection[str]) -> None:
    """Check that names are given once and that the time intervals are there.

    Raises:
        ValueError: If not.
    """
    _refuse_twins("quiet hours", [each.name for each in hours])
    for each in hours:
        _check_intervals(f"quiet_hours {each.name!r}", each.time_intervals, intervals)


def check_escalations(
    escalations: Sequence[EscalationConfig],
    receivers: Sequence[ReceiverConfig],
    default_receiver: str,
) -> None:
    """Check that names are given once and that each step reaches somebody.

    Raises:
        ValueError: If not.
    """
    _refuse_twins("escalations", [each.name for each in escalations])
    known = {receiver.name: receiver for receiver in receivers}
    for escalation in escalations:
        for number, step in enumerate(escalation.steps, 1):
            place = f"step {number} of the escalation {escalation.name!r}"
            _check_kinds(place, step.channels)
            if step.receiver is None:
                continue
            if step.receiver not in {*known, default_receiver}:
                raise ValueError(
                    f"{place} names the receiver {step.receiver!r}, which is not there"
                )
            _check_channels(place, step.channels, step.receiver, known.get(step.receiver))


@dataclass(frozen=True, slots=True)
class _Inherited:
    receiver: str
    channels: Sequence[str] = ()
    digest: str = "none"
    escalation: str = NO_ESCALATION

    def override(self, route: RouteConfig) -> "_Inherited":
        """Return what holds at `route` below this one."""
        return replace(
            self,
            receiver=self.receiver if route.receiver is None else route.receiver,
            channels=self.channels if route.channels is None else route.channels,
            digest=self.digest if route.digest is None else route.digest,
            escalation=self.escalation if route.escalation is None else route.escalation,
        )


def check_route(
    route: RouteConfig,
    *,
    root_receiver: str,
    receivers: Sequence[ReceiverConfig],
    default_receiver: str,
    escalations: Sequence[EscalationConfig],
    intervals: Collection[str],
) -> None:
    """Check the whole tree.

    Raises:
        ValueError: If it names something that is not there, or makes no sense.
    """
    if route.matchers or route.continue_:
        raise ValueError(
            "the outermost route takes every alert: give matchers and continue to its routes"
        )
    if route.mute_time_intervals or route.active_time_intervals:
        raise ValueError(
            "the outermost route cannot have time intervals: give them to its routes,"
            " so that what nobody thought of is told at any time"
        )
    world = _World(
        {receiver.name: receiver for receiver in receivers},
        default_receiver,
        {escalation.name: escalation for escalation in escalations},
        intervals,
    )
    world.check(route, "route", _Inherited(root_receiver))


@dataclass(frozen=True, slots=True)
class _World:
    receivers: Mapping[str, ReceiverConfig]
    default_receiver: str
    escalations: Mapping[str, EscalationConfig]
    intervals: Collection[str]

    def check(self, route: RouteConfig, place: str, above: _Inherited) -> None:
        here = above.override(route)
        if here.receiver not in {*self.receivers, self.default_receiver}:
            raise ValueError(f"{place} names the receiver {here.receiver!r}, which is not there")
        _check_intervals(place, route.mute_time_intervals, self.intervals)
        _check_intervals(place, route.active_time_intervals, self.intervals)
        _check_kinds(place, route.channels or ())
        receiver = self.receivers.get(here.receiver)
        _check_channels(place, here.channels, here.receiver, receiver)
        self._check_escalation(place, here, receiver)
        for index, child in enumerate(route.routes):
            self.check(child, f"{place}.routes[{index}]", here)

    def _check_escalation(
        self, place: str, here: _Inherited, receiver: ReceiverConfig | None
    ) -> None:
        if here.escalation == NO_ESCALATION:
            return
        escalation = self.escalations.get(here.escalation)
        if escalation is None:
            raise ValueError(
                f"{place} names the escalation {here.escalation!r}, which is not there"
            )
        if here.digest != "none":
            raise ValueError(
                f"{place} has both a digest and the escalation {here.escalation!r}: what waits"
                " for a digest cannot be escalated; say escalation: none, or digest: none"
            )
        for number, step in enumerate(escalation.steps, 1):
            if step.receiver is None:
                what = f"{place}: step {number} of the escalation {escalation.name!r}"
                _check_channels(what, step.channels, here.receiver, receiver)


def _check_kinds(place: str, channels: Iterable[str]) -> None:
    known = known_channels()
    for channel in channels:
        if channel not in known:
            raise ValueError(f"{place} names the channel {channel!r}; there are {', '.join(known)}")


def _check_channels(
    place: str, channels: Sequence[str], name: str, receiver: ReceiverConfig | None
) -> None:
    if receiver is None:
        return
    missing = [channel for channel in channels if channel not in channels_of(receiver)]
    if missing:
        raise ValueError(f"{place} names the channel {missing[0]!r}, which {name!r} does not have")


def _check_intervals(place: str, names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"{place} names the time interval {name!r}, which is not there")


def _refuse_twins(what: str, names: Iterable[str]) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ValueError(f"there are two {what} called {twice[0]!r}")


def _refuse_circle(name: str, fallbacks: Mapping[str, str]) -> None:
    seen = [name]
    while (following := fallbacks.get(seen[-1])) is not None:
        seen.append(following)
        if following in seen[:-1]:
            raise ValueError(f"receivers fall back in a circle: {' → '.join(seen)}")
