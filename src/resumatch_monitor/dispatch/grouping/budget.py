"""How many messages a receiver gets in an hour, and what becomes of the others.

Who gets sixty messages in an hour reads none of them. What is beyond the limit is put together:
critical news at once, and at most every five minutes; everything else when the hour is over.
"""

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from resumatch_monitor.dispatch.routing.route import GroupId
from resumatch_monitor.dispatch.store import PastMessage

HOUR = timedelta(hours=1)
BETWEEN_SUMMARIES = timedelta(minutes=5)
"""Critical news beyond the limit comes at most so often."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A message that a group wants to send.

    Attributes:
        is_urgent: A critical alert has begun or ended, or something was escalated.
    """

    group_id: GroupId
    is_urgent: bool


@dataclass(frozen=True, slots=True)
class Division:
    """What becomes of the wishes of one moment, as positions in their list.

    Attributes:
        sent: As messages of their own.
        summarised: In one message.
        waiting: Not yet: until `waits_until`.
        capped_until: Until when the receiver gets summaries only; None if it gets everything.
    """

    sent: Sequence[int]
    summarised: Sequence[int] = ()
    waiting: Sequence[int] = ()
    waits_until: datetime | None = None
    capped_until: datetime | None = None


@dataclass(slots=True)
class _Account:
    sent_at: deque[datetime] = field(default_factory=deque[datetime])
    summarised_at: datetime | None = None
    capped_until: datetime | None = None
    waiting: set[GroupId] = field(default_factory=set[GroupId])


class Budget:
    """Counts the messages to each receiver."""

    def __init__(self, limit: int) -> None:
        """Begin at nothing.

        Args:
            limit: Messages to one receiver in an hour; 0 for as many as there are.
        """
        self.limit = limit
        self._accounts: dict[str, _Account] = {}

    def restore(self, messages: Iterable[PastMessage], now: datetime) -> None:
        """Count what was sent before a restart."""
        self._accounts.clear()
        for message in sorted(messages, key=lambda each: each.at):
            account = self._account(message.receiver)
            # A clock that was set back must not hold messages back for longer than an hour.
            at = min(message.at, now)
            if message.is_summary:
                account.summarised_at = at
            else:
                account.sent_at.append(at)

    def divide(self, receiver: str, wishes: Sequence[Wish], now: datetime) -> Division:
        """Return what becomes of `wishes`, the gravest of which comes first; nothing is counted."""
        everything = range(len(wishes))
        if not self.limit:
            return Division(everything)
        account = self._account(receiver)
        if account.capped_until is not None and now < account.capped_until:
            return self._exceed(account, wishes, [], [*everything], now)
        late: list[int] = []
        if account.capped_until is not None:
            late = [i for i in everything if wishes[i].group_id in account.waiting]
        # One message alone is its own summary.
        summarised = late if len(late) > 1 else []
        others = sorted(set(everything) - set(summarised))
        room = max(0, self.limit - sum(at > now - HOUR for at in account.sent_at))
        sent, over = others[:room], others[room:]
        if not over:
            return Division(sent, summarised)
        if summarised:
            return Division(sent, sorted([*summarised, *over]), (), None, _free_at(account, now))
        return self._exceed(account, wishes, sent, over, now)

    def _exceed(
        self,
        account: _Account,
        wishes: Sequence[Wish],
        sent: Sequence[int],
        over: Sequence[int],
        now: datetime,
    ) -> Division:
        capped_until = account.capped_until
        if capped_until is None or capped_until <= now:
            capped_until = _free_at(account, now)
        if not any(wishes[i].is_urgent for i in over):
            return Division(sent, (), over, capped_until, capped_until)
        last_at = account.summarised_at
        if last_at is None or now >= last_at + BETWEEN_SUMMARIES:
            return Division(sent, over, (), None, capped_until)
        waits_until = min(capped_until, last_at + BETWEEN_SUMMARIES)
        return Division(sent, (), over, waits_until, capped_until)

    def note_sent(self, receiver: str, now: datetime) -> None:
        """Count a message."""
        account = self._account(receiver)
        account.sent_at.append(now)
        while account.sent_at[0] <= now - HOUR:
            account.sent_at.popleft()

    def note_summary(self, receiver: str, group_ids: Collection[GroupId], now: datetime) -> None:
        """Note that the messages of some groups were put together."""
        account = self._account(receiver)
        account.summarised_at = now
        account.waiting.difference_update(group_ids)

    def note_cap(self, receiver: str, division: Division, waiting: Collection[GroupId]) -> None:
        """Note how a receiver stands after a division, and which groups wait."""
        account = self._account(receiver)
        account.capped_until = division.capped_until
        if division.capped_until is None:
            account.waiting.clear()
        account.waiting.update(waiting)

    def _account(self, receiver: str) -> _Account:
        account = self._accounts.get(receiver)
        if account is None:
            account = self._accounts[receiver] = _Account()
        return account


def _free_at(account: _Account, now: datetime) -> datetime:
    """Return when the first message that counts does so no more."""
    return min((at for at in account.sent_at if at > now - HOUR), default=now) + HOUR
