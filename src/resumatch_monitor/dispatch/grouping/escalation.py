"""The clock of escalations: when which step's turn comes.

A step is a group of its own. An alert enters it once it was told for as long as the step waits,
if nobody has acknowledged it by then; the group does the rest, its end included.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from resumatch_monitor.dispatch.grouping.group import Group
from resumatch_monitor.dispatch.grouping.member import Member
from resumatch_monitor.dispatch.muting.mute import Mute, MuteKind
from resumatch_monitor.dispatch.routing.route import EscalationStep, GroupId, Target
from resumatch_monitor.kit.durations import format_duration


@dataclass(frozen=True, slots=True, order=True)
class Turn:
    """The moment at which an alert may enter a step."""

    due_at: datetime
    key: str
    base_id: GroupId
    step_id: GroupId


class Turns:
    """The turns that are to come, each once."""

    def __init__(self) -> None:
        self._heap: list[Turn] = []
        self._waiting: set[Turn] = set()

    @property
    def next_at(self) -> datetime | None:
        """When the first one comes."""
        return self._heap[0].due_at if self._heap else None

    def clear(self) -> None:
        """Forget all of them."""
        self._heap.clear()
        self._waiting.clear()

    def add(self, key: str, told_at: datetime, targets: Iterable[Target]) -> None:
        """Note the turns of an alert that was told at `told_at`, in the steps among `targets`."""
        for target in targets:
            if target.step is None:
                continue
            turn = Turn(told_at + target.step.after, key, target.base_id, target.group_id)
            if turn not in self._waiting:
                self._waiting.add(turn)
                heapq.heappush(self._heap, turn)

    def take(self, now: datetime) -> list[Turn]:
        """Return, and forget, those that have come."""
        taken: list[Turn] = []
        while self._heap and self._heap[0].due_at <= now:
            turn = heapq.heappop(self._heap)
            self._waiting.discard(turn)
            taken.append(turn)
        return taken


def find_start(base: Group, key: str) -> datetime | None:
    """Return since when an escalation's clock runs for a member of the group that told it at once.

    None if it does not run: people do not believe that it fires, or a person has muted it and it
    is told anew afterwards, from when the clock runs anew.
    """
    member = base.member(key)
    return None if member is None or not _is_running(member) else member.told_at


def _is_running(member: Member) -> bool:
    return member.is_told and not member.is_hushed


def hold_for_turn(step: EscalationStep, base: Group | None, key: str, now: datetime) -> Mute | None:
    """Return what keeps an alert from being told at `step` for now."""
    # Without that group nobody can tell whose turn it is: better told than forgotten.
    if base is None or base.member(key) is None:
        return None
    start = find_start(base, key)
    if start is not None and start + step.after <= now:
        return None
    until = None if start is None else start + step.after
    return Mute(MuteKind.WAITING, str(step.number), "an earlier step may acknowledge it", until)


def describe_step(step: EscalationStep) -> str:
    """Render why a message comes to the step's receiver, for people."""
    text = f"escalated: nobody acknowledged it within {format_duration(step.after)}"
    if step.is_last and step.number > 1:
        text += "; this is the last resort"
    return text
