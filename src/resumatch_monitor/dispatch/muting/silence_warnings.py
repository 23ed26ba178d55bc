"""Tells people that a silence which holds something back ends soon."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.muting.silence import Silence, SilenceState
from resumatch_monitor.dispatch.muting.silences import Silences
from resumatch_monitor.dispatch.occurrences.firing import FiringAlerts
from resumatch_monitor.dispatch.store import NewDelivery
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.metrics.labels import NO_LABELS, Labels, render_labels
from resumatch_monitor.notify.notification import Notice, NoticeSection, Notification, build_notice
from resumatch_monitor.notify.notifier import Integration

AHEAD = timedelta(minutes=15)
"""How long before its end people hear of it."""

_PAUSE_SECONDS = 30.0
_MOST_LISTED = 20
# Nobody wants to be woken because something may be told in a while.
_PAGING = frozenset({"pagerduty"})


class WarningStore(Protocol):
    """Keeps which silences people were warned of."""

    async def warn(
        self,
        silence: Silence,
        *,
        at: datetime,
        messages: Sequence[tuple[Notification, Sequence[NewDelivery]]],
    ) -> bool:
        """Note that people were told that `silence` ends soon, and put that into the outbox.

        Both or nothing; False if they have been told, or if it ends at another time.
        """
        ...


class SilenceWarnings:
    """Warns once of a silence's end those who will hear of the alerts that it holds back."""

    def __init__(
        self,
        *,
        silences: Silences,
        firing: FiringAlerts,
        receivers_of: Callable[[Labels], Sequence[str]],
        integrations: Sequence[Integration],
        store: WarningStore,
        on_outbox_change: Callable[[], None],
        clock: Clock,
        ids: Ids,
        external_labels: Labels = NO_LABELS,
    ) -> None:
        self._silences = silences
        self._firing = firing
        self._receivers_of = receivers_of
        self._integrations = [each for each in integrations if each.id.kind not in _PAGING]
        self._store = store
        self._on_outbox_change = on_outbox_change
        self._clock = clock
        self._ids = ids
        self._external_labels = external_labels

    async def run(self) -> None:
        """Warn of what ends, for ever."""
        while True:
            await self.tick()
            await self._clock.sleep(_PAUSE_SECONDS)

    async def tick(self) -> None:
        """Warn of the silences that end soon."""
        now = self._clock.now()
        for silence in self._silences.list_silences():
            if silence.state(now) is not SilenceState.ACTIVE or silence.ends_at - now > AHEAD:
                return  # They come sorted by their end.
            # Of a short one everybody has just been told when it ends.
            if silence.warned_at is None and silence.ends_at - silence.starts_at > AHEAD:
                await self._warn(silence, now)

    async def _warn(self, silence: Silence, now: datetime) -> None:
        held = [
            each for each in self._firing.find(silence.matchers) if self._is_freed(each, silence)
        ]
        messages = list(self._compose(silence, held, now))
        if not messages:
            return
        if await self._store.warn(silence, at=now, messages=messages):
            self._on_outbox_change()
        await self._silences.note_warned(silence, now)

    def _is_freed(self, alert: Alert, silence: Silence) -> bool:
        """Tell whether no other silence holds `alert` back for longer."""
        longest, *_ = self._silences.silences_of(alert.labels) or [silence]
        return longest.ends_at <= silence.ends_at

    def _compose(
        self, silence: Silence, held: Sequence[Alert], now: datetime
    ) -> Iterator[tuple[Notification, list[NewDelivery]]]:
        by_receiver: dict[str, list[Alert]] = {}
        for alert in held:
            for receiver in self._receivers_of(alert.labels):
                by_receiver.setdefault(receiver, []).append(alert)
        for receiver, alerts in by_receiver.items():
            deliveries = [
                NewDelivery(each.id, each.notifier.destination)
                for each in self._integrations
                if each.id.receiver == receiver
            ]
            if not deliveries:
                continue
            notification = build_notice(
                _describe(silence, alerts),
                notification_id=self._ids.uuid(),
                receiver=receiver,
                group_key=f"silence/{silence.id}",
                created_at=now,
                external_labels=self._external_labels,
            )
            yield notification, deliveries


def _describe(silence: Silence, held: Sequence[Alert]) -> Notice:
    ends_at = silence.ends_at.strftime("%H:%M UTC")
    count = "1 alert" if len(held) == 1 else f"{len(held)} alerts"
    fires = "still fires" if len(held) == 1 else "still fire"
    why = f" ({silence.comment})" if silence.comment else ""
    lines = [render_labels(each.labels) for each in held[:_MOST_LISTED]]
    if len(held) > _MOST_LISTED:
        lines.append(f"and {len(held) - _MOST_LISTED} more")
    return Notice(
        title=f"A silence ends at {ends_at}, and {count} of it {fires}",
        text=(
            f"The silence of {silence.created_by or 'somebody'}{why} ends at {ends_at}."
            f" What then still fires is told as usual. Extend the silence if that is too early."
        ),
        sections=(
            NoticeSection("Held back", tuple(lines)),
            NoticeSection("Silence", tuple(map(repr, silence.matchers))),
        ),
        severity="warning",
        path=f"/silences/{silence.id}",
    )
