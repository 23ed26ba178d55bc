"""What a link in a message does when its button is pressed, and what its page shows before."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from resumatch_monitor.alerts.alert import ALERT_NAME, Alert
from resumatch_monitor.dispatch.handling.actions import LONGEST_TEXT, Action, ActionKind, Actor, Via
from resumatch_monitor.dispatch.handling.handled import HandledAlert, HandledReader
from resumatch_monitor.dispatch.handling.handlings import Handlings, Request
from resumatch_monitor.dispatch.handling.links import Link, LinkAction, SignedLinks
from resumatch_monitor.dispatch.muting.silence import MOST_MATCHERS, SilenceDraft
from resumatch_monitor.dispatch.muting.silences import Silences
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.metrics.labels import Matcher, MatchOp

SNOOZE = timedelta(hours=1)
SILENCE = timedelta(hours=4)

_MOST_SAID = 200


@dataclass(frozen=True, slots=True)
class DrillReceipt:
    """A drill that somebody heard of, or may have heard of.

    Attributes:
        alert: The name of what was tried.
        confirmed_by: Who has said that they heard of it; empty if nobody has.
    """

    alert: str
    started_at: datetime
    confirmed_by: str = ""


class DrillReceipts(Protocol):
    """Keeps who has heard of drills."""

    async def find(self, drill_id: str) -> DrillReceipt | None:
        """Return what is known of a drill; None if it is not there any more."""
        ...

    async def confirm(self, drill_id: str, *, by: str) -> DrillReceipt | None:
        """Note, durably, that somebody has heard of it; the first one counts."""
        ...


@dataclass(frozen=True, slots=True)
class LinkView:
    """What the page of a link shows.

    Attributes:
        handled: The occurrence; None if it is not known any more.
        is_done: What the link does is so already.
        is_over: The occurrence has ended: nothing is left to do.
        until: Until when the snooze or silence lasts, or would last.
        problem: Why it could not be done; empty if nothing is wrong.
        is_noted: What somebody said was added to the alert's timeline.
        can_take: Whoever got the link may be the one that the alert is assigned to.
        drill: Of the link in a drill's message, the drill; then there is no occurrence.
    """

    link: Link
    handled: HandledAlert | None
    is_done: bool
    is_over: bool
    until: datetime
    problem: str = ""
    is_noted: bool = False
    can_take: bool = False
    drill: DrillReceipt | None = None


class LinkActions:
    """Reads links and does what they say."""

    def __init__(
        self,
        *,
        links: SignedLinks,
        reader: HandledReader,
        handlings: Handlings,
        silences: Silences,
        drills: DrillReceipts,
        clock: Clock,
    ) -> None:
        self._links = links
        self._reader = reader
        self._handlings = handlings
        self._silences = silences
        self._drills = drills
        self._clock = clock
        self._do: dict[LinkAction, Callable[[Link, Alert, str], Awaitable[str]]] = {
            LinkAction.ACKNOWLEDGE: self._acknowledge,
            LinkAction.SNOOZE: self._snooze,
            LinkAction.SILENCE: self._silence,
            LinkAction.RESOLVE: self._resolve,
        }

    async def show(self, token: str) -> LinkView:
        """Return what the page of a link shows; changes nothing.

        Raises:
            InvalidLinkError: If it was not made here.
            ExpiredLinkError: If it is too old.
        """
        link = self._links.read(token)
        if link.action is LinkAction.CONFIRM_DRILL:
            return self._show_drill(link, await self._drills.find(link.occurrence_id.fingerprint))
        return await self._view(link)

    async def carry_out(self, token: str, *, text: str = "", takes: bool = False) -> LinkView:
        """Do what a link says, durably; once done, doing it again changes nothing.

        Args:
            token: The link's.
            text: Why, or what somebody sees; said again where there is nothing else to do.
            takes: Whether the alert is assigned to whom the link was sent to.

        Raises:
            InvalidLinkError: If it was not made here.
            ExpiredLinkError: If it is too old.
        """
        link = self._links.read(token)
        if link.action is LinkAction.CONFIRM_DRILL:
            drill_id = link.occurrence_id.fingerprint
            return self._show_drill(link, await self._drills.confirm(drill_id, by=_name(link)))
        before = await self._view(link)
        if before.handled is None:
            return before
        text = text.strip()[:LONGEST_TEXT]
        problem = ""
        if takes and before.can_take:
            problem = await self._say(link, Action(ActionKind.ASSIGN, link.recipient))
        if not before.is_over and not before.is_done:
            alert = before.handled.record.alert
            problem = problem or await self._do[link.action](link, alert, text)
        elif text:
            problem = problem or await self._comment(link, text)
        return replace(await self._view(link, problem), is_noted=bool(text) and not problem)

    def _show_drill(self, link: Link, drill: DrillReceipt | None) -> LinkView:
        is_done = drill is not None and bool(drill.confirmed_by)
        return LinkView(link, None, is_done, is_over=False, until=self._clock.now(), drill=drill)

    async def _view(self, link: Link, problem: str = "") -> LinkView:
        handled = await self._reader.get(
            link.occurrence_id.fingerprint, link.occurrence_id.starts_at
        )
        now = self._clock.now()
        if handled is None:
            return LinkView(link, None, is_done=False, is_over=False, until=now)
        alert, handling = handled.record.alert, handled.handling
        is_over = alert.is_event or alert.ends_at is not None
        is_done, until = False, now
        match link.action:
            case LinkAction.ACKNOWLEDGE:
                is_done = handling is not None and handling.acknowledged_at is not None
            case LinkAction.SNOOZE:
                until = now + SNOOZE
                if handling is not None and handling.snoozed_until is not None:
                    is_done = handling.is_snoozed(now)
                    until = handling.snoozed_until if is_done else until
            case LinkAction.SILENCE:
                silences = self._silences.silences_of(alert.labels)
                is_done = bool(silences)
                until = silences[0].ends_at if silences else now + SILENCE
            case LinkAction.RESOLVE:
                is_done = handling is not None and handling.resolved_at is not None
            case LinkAction.CONFIRM_DRILL:
                pass
        # Many read a chat: an alert is nobody's by being assigned to one.
        is_person = "@" in link.recipient
        assignee = "" if handling is None else handling.assignee
        can_take = is_person and not is_over and assignee != link.recipient
        return LinkView(link, handled, is_done, is_over, until, problem, can_take=can_take)

    async def _acknowledge(self, link: Link, _alert: Alert, text: str) -> str:
        return await self._act(link, Action(ActionKind.ACKNOWLEDGE, text))

    async def _snooze(self, link: Link, _alert: Alert, text: str) -> str:
        until = self._clock.now() + SNOOZE
        return await self._act(link, Action(ActionKind.SNOOZE, text, until))

    async def _resolve(self, link: Link, _alert: Alert, text: str) -> str:
        return await self._act(link, Action(ActionKind.RESOLVE, text))

    async def _comment(self, link: Link, text: str) -> str:
        return await self._say(link, Action(ActionKind.COMMENT, text))

    async def _say(self, link: Link, action: Action) -> str:
        # Whoever has the link needs no sign-in: what they can write is bounded.
        about = link.occurrence_id
        said = await self._reader.list_journal(about.fingerprint, about.starts_at, limit=_MOST_SAID)
        if len(said) == _MOST_SAID:
            return "Enough was said here. Open the alert in the monitor to say more."
        return await self._act(link, action)

    async def _silence(self, link: Link, alert: Alert, text: str) -> str:
        now = self._clock.now()
        pairs = sorted(alert.labels.pairs, key=lambda pair: pair[0] != ALERT_NAME)
        draft = SilenceDraft(
            matchers=tuple(
                Matcher(name, MatchOp.EQUAL, value) for name, value in pairs[:MOST_MATCHERS]
            ),
            starts_at=now,
            ends_at=now + SILENCE,
            created_by=_name(link)[:200],
            comment=text or "by the link in a message",
        )
        try:
            await self._silences.set(draft)
        except ValueError as error:
            return str(error)
        return ""

    async def _act(self, link: Link, action: Action) -> str:
        occurrence_id = link.occurrence_id
        actor = Actor(_name(link), Via.LINK)
        request = Request(occurrence_id.fingerprint, action, actor, occurrence_id.starts_at)
        (result,) = await self._handlings.act([request])
        return result.message


def _name(link: Link) -> str:
    return f"link: {link.recipient}"
