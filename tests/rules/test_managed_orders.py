"""No order of edits, switches, restarts and evaluations loses a message or tells one twice."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.promql.parse import parse
from resumatch_monitor.rules.draft import RuleDraft
from resumatch_monitor.rules.managed import ManagedRules
from resumatch_monitor.rules.managed_groups import GroupBuilder
from resumatch_monitor.rules.managed_store import ManagedRule
from resumatch_monitor.rules.model import LoadedRules, RuleFileError, RuleGroup
from tests.rules.support import INTERVAL, World, make_group, make_rule
from tests.support.clock import FakeClock

OPERATIONS = ("series", "no series", "edit", "edit another", "off", "on", "restart", "pause")


class MemoryRules:
    """Keeps rules in memory, over a restart as well."""

    def __init__(self) -> None:
        self.rules: dict[str, ManagedRule] = {}

    async def load(self) -> list[ManagedRule]:
        return list(self.rules.values())

    async def save(self, rules: Sequence[ManagedRule]) -> None:
        self.rules |= {rule.id: rule for rule in rules}

    async def list_versions(
        self, rule_id: str, *, before: int | None, limit: int
    ) -> list[ManagedRule]:
        raise NotImplementedError


class Story:
    """One managed rule among others, and what happens to it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.world = World(self.clock)
        self.store = MemoryRules()
        self.edits = 0
        self.rules = self._build()
        self.rule = self.other = ""

    async def begin(self) -> None:
        await self._start()
        self.rule = (await self.rules.create(self._draft("Watched", "watched"), by="a")).id
        self.other = (await self.rules.create(self._draft("Other", "other"), by="a")).id

    async def do(self, operation: str) -> None:
        match operation:
            case "series" | "no series":
                present = {Labels.of(instance="a"): 1.0} if operation == "series" else {}
                for number in range(40):
                    self.world.querier.answers[f"watched > {number}"] = present
                await self.world.evaluate(2)
            case "edit":
                await self._edit(self.rule, "Watched", "watched")
            case "edit another":
                await self._edit(self.other, "Other", "other")
            case "off" | "on":
                version = self.rules.find(self.rule).version
                await self.rules.set_enabled(
                    self.rule, is_enabled=operation == "on", version=version, by="a"
                )
                await self.world.evaluate(2)
            case "restart":
                await self.world.stop()
                self.rules = self._build()
                await self._start()
                await self.world.evaluate(4)
            case _:
                await self.world.evaluate(5)

    async def _edit(self, rule_id: str, name: str, metric: str) -> None:
        self.edits = (self.edits + 1) % 40
        rule = self.rules.find(rule_id)
        draft = self._draft(name, metric, is_enabled=rule.is_enabled)
        await self.rules.update(rule_id, draft, version=rule.version, by="a")

    def _draft(self, name: str, metric: str, *, is_enabled: bool = True) -> RuleDraft:
        text = f"alert: {name}\nexpr: {metric} > {self.edits}\n"
        return RuleDraft("web", text, is_enabled=is_enabled)

    def _build(self) -> ManagedRules:
        return ManagedRules(
            store=self.store,
            files=LoadedRules([make_group(make_rule())], []),
            replace_groups=self._replace,
            builder=GroupBuilder(check_expression=_check, default_interval=INTERVAL),
            clock=self.clock,
            ids=RandomIds(),
        )

    async def _start(self) -> None:
        await self.world.start(*(await self.rules.load()).groups)

    async def _replace(self, groups: Sequence[RuleGroup], errors: Sequence[RuleFileError]) -> None:
        assert self.world.manager is not None
        await self.world.manager.replace_groups(groups, errors)


def _check(expr: str) -> None:
    parse(expr)


async def _tell(operations: Sequence[str]) -> None:
    story = Story()
    await story.begin()
    for operation in operations:
        await story.do(operation)
    await story.do("pause")
    messages = [each for each in story.world.alerts.messages if each[1] == "Watched"]
    is_there = bool(story.world.querier.answers.get(f"watched > {story.edits}"))
    is_on = story.rules.find(story.rule).is_enabled
    await story.world.stop()

    assert all(before != after for before, after in pairwise(messages)), messages
    assert (messages[-1:] == [("firing", "Watched")]) is (is_there and is_on), messages


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(OPERATIONS), max_size=12))
def test_people_know_what_is_so(operations: list[str]) -> None:
    asyncio.run(_tell(operations))
