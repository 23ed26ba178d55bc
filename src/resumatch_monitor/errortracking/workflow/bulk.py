"""A decision about many issues: batch by batch, so that nobody waits long for the one writer."""

from collections.abc import Sequence
from dataclasses import dataclass

from resumatch_monitor.errortracking.workflow.decisions import Decision
from resumatch_monitor.errortracking.workflow.model import DecisionError
from resumatch_monitor.errortracking.workflow.store import (
    MOST_ISSUES,
    MOST_MATCHING,
    IssueWorkflow,
    Undone,
)
from resumatch_monitor.kit.clock import Clock

MOST_BATCHES = MOST_MATCHING // MOST_ISSUES


@dataclass(frozen=True, slots=True)
class BulkDecided:
    """What became of a decision about many issues; `undo_ids` take its batches back."""

    updated: int
    undo_ids: tuple[int, ...]


class BulkDesk:
    """Applies one decision to many issues, and takes it back."""

    def __init__(self, *, workflow: IssueWorkflow, clock: Clock) -> None:
        self._workflow = workflow
        self._clock = clock

    async def decide(
        self, issue_ids: Sequence[int], decision: Decision, *, actor: str
    ) -> BulkDecided:
        """Apply a decision to the issues that exist; each batch is one transaction.

        Args:
            issue_ids: At most `MOST_MATCHING`.
            decision: What is wanted of them.
            actor: Who wants it.

        Raises:
            DecisionError: If it makes no sense for one of them; then none is changed.
        """
        at = self._clock.now()
        ids = list(dict.fromkeys(issue_ids))[:MOST_MATCHING]
        updated, undo_ids = 0, list[int]()
        for start in range(0, len(ids), MOST_ISSUES):
            batch = ids[start : start + MOST_ISSUES]
            try:
                decided = await self._workflow.decide(batch, decision, actor=actor, at=at)
            except DecisionError:
                await self.undo(undo_ids, actor=actor)
                raise
            updated += decided.updated
            if decided.undo_id is not None:
                undo_ids.append(decided.undo_id)
        return BulkDecided(updated, tuple(undo_ids))

    async def undo(self, undo_ids: Sequence[int], *, actor: str) -> Undone | None:
        """Take batches back, the last one first; None if none of them is there any more."""
        restored, kept, is_found = 0, 0, False
        for undo_id in list(reversed(undo_ids))[:MOST_BATCHES]:
            undone = await self._workflow.undo(undo_id, actor=actor, at=self._clock.now())
            if undone is not None:
                is_found = True
                restored, kept = restored + undone.restored, kept + undone.kept
        return Undone(restored, kept) if is_found else None
