"""Who has heard of a drill, in memory."""

from dataclasses import replace

from resumatch_monitor.dispatch.handling.link_actions import DrillReceipt
from tests.dispatch.builders import START

DRILL_ID = "00000000000000000000000000000001"


class Drills:
    """Knows one drill, and who has heard of it."""

    def __init__(self) -> None:
        self.receipt = DrillReceipt("HighErrorRate", START)

    async def find(self, drill_id: str) -> DrillReceipt | None:
        return self.receipt if drill_id == DRILL_ID else None

    async def confirm(self, drill_id: str, *, by: str) -> DrillReceipt | None:
        if drill_id != DRILL_ID:
            return None
        self.receipt = replace(self.receipt, confirmed_by=self.receipt.confirmed_by or by)
        return self.receipt
