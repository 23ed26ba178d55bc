import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.promql.parse import parse
from resumatch_monitor.rules.draft import GroupSettings, InvalidRuleError, RuleDraft
from resumatch_monitor.rules.loader import parse_rule_file
from resumatch_monitor.rules.managed import GroupExistsError, ManagedRules, NoSuchRuleError
from resumatch_monitor.rules.managed_groups import GroupBuilder
from resumatch_monitor.rules.managed_store import ManagedRule, VersionConflictError
from resumatch_monitor.rules.model import LoadedRules, RuleFileError, RuleGroup
from resumatch_monitor.rules.policy import NoDataPolicy
from resumatch_monitor.rules.runner import RuleStatus
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.managed_rules import SqlManagedRules
from tests.rules.support import INTERVAL, World, make_group, make_rule
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio

RULE = """
alert: Slow
expr: latency > 3
for: 30s
labels:
  severity: warning
annotations:
  summary: it takes {{ $value }}
"""


class CountingIds:
    def __init__(self) -> None:
        self._numbers = count(1)

    def uuid(self) -> str:
        return f"id-{next(self._numbers)}"

    def token(self) -> str:
        return self.uuid()


class Keeper:
    """Managed rules over a real database, evaluated by a real manager."""

    def __init__(self, world: World, database: Database) -> None:
        self.world = world
        self.database = database
        self.store = SqlManagedRules(database)
        self.files: Sequence[RuleGroup] = ()
        self.ids = CountingIds()

    async def start(self, *files: RuleGroup) -> ManagedRules:
        self.files = files or self.files
        rules = ManagedRules(
            store=self.store,
            files=LoadedRules(self.files, []),
            replace_groups=self._replace,
            builder=GroupBuilder(check_expression=_check, default_interval=INTERVAL),
            clock=self.world.clock,
            ids=self.ids,
        )
        loaded = await rules.load()
        await self.world.start(*loaded.groups, errors=loaded.errors)
        return rules

    async def _replace(self, groups: Sequence[RuleGroup], errors: Sequence[RuleFileError]) -> None:
        assert self.world.manager is not None
        await self.world.manager.replace_groups(groups, errors)

    def status(self, name: str) -> RuleStatus:
        assert self.world.manager is not None
        return next(
            status
            for group in self.world.manager.snapshot().groups
            for status in group.rules
            if status.rule.name == name
        )

    def names(self) -> list[tuple[str, str, str]]:
        assert self.world.manager is not None
        return [
            (group.group.file, group.group.name, status.rule.name)
            for group in self.world.manager.snapshot().groups
            for status in group.rules
        ]


def _check(expr: str) -> None:
    parse(expr)


@pytest.fixture
async def keeper(clock: FakeClock, database: Database) -> AsyncIterator[Keeper]:
    keeper = Keeper(World(clock), database)
    yield keeper
    await keeper.world.stop()


def draft(text: str = RULE, group: str = "web", **more: Any) -> RuleDraft:
    return RuleDraft(group, text, **more)


async def test_a_rule_is_evaluated_as_soon_as_it_is_made(keeper: Keeper) -> None:
    rules = await keeper.start(make_group(make_rule()))
    keeper.world.querier.answers["latency > 3"] = {Labels.of(instance="a"): 4.0}

    made = await rules.create(draft(), by="ada")
    await keeper.world.evaluate(4)

    assert (made.version, made.name, made.updated_by) == (1, "Slow", "ada")
    assert keeper.names() == [("rules.yml", "group", "Broken"), ("managed", "web", "Slow")]
    assert keeper.world.alerts.messages == [("firing", "Slow")]
    assert keeper.world.alerts.puts[0].annotations == {"summary": "it takes 4"}
    assert keeper.status("Slow").rule.managed_id == made.id


async def test_an_edit_keeps_the_states_of_the_rule_and_of_all_others(keeper: Keeper) -> None:
    rules = await keeper.start(make_group(make_rule()))
    keeper.world.querier.answers |= {
        "broken > 0": {Labels.of(instance="a"): 1.0},
        "latency > 3": {Labels.of(instance="a"): 4.0},
        "latency > 2": {Labels.of(instance="a"): 4.0},
    }
    made = await rules.create(draft(), by="ada")
    await keeper.world.evaluate(4)

    changed = await rules.update(made.id, draft(RULE.replace("> 3", "> 2")), version=1, by="bob")
    await keeper.world.evaluate(2)

    assert (changed.version, changed.updated_by) == (2, "bob")
    assert keeper.status("Slow").rule.expr == "latency > 2"
    assert keeper.world.alerts.messages == [("firing", "Broken"), ("firing", "Slow")]


async def test_an_edit_of_what_somebody_else_has_changed_is_refused(keeper: Keeper) -> None:
    rules = await keeper.start()
    made = await rules.create(draft(), by="ada")
    await rules.update(made.id, draft(RULE.replace("> 3", "> 2")), version=1, by="bob")

    with pytest.raises(VersionConflictError):
        await rules.update(made.id, draft(), version=1, by="ada")
    with pytest.raises(VersionConflictError):
        await rules.delete(made.id, version=1, by="ada")
    with pytest.raises(VersionConflictError):
        await rules.set_enabled(made.id, is_enabled=False, version=1, by="ada")

    assert rules.find(made.id).body["expr"] == "latency > 2"


async def test_a_rule_that_is_switched_off_or_deleted_resolves_its_alerts(keeper: Keeper) -> None:
    rules = await keeper.start()
    keeper.world.querier.answers["latency > 3"] = {Labels.of(instance="a"): 4.0}
    made = await rules.create(draft(RULE.replace("for: 30s", "")), by="ada")
    await keeper.world.evaluate()
    off = await rules.set_enabled(made.id, is_enabled=False, version=1, by="ada")
    await keeper.world.evaluate()
    after_off = list(keeper.world.alerts.messages)
    on = await rules.set_enabled(made.id, is_enabled=True, version=2, by="ada")
    await keeper.world.evaluate()
    await rules.delete(made.id, version=3, by="bob")
    await keeper.world.evaluate()

    assert (off.version, on.version) == (2, 3)
    assert after_off == [("firing", "Slow"), ("resolved", "Slow")]
    assert keeper.world.alerts.messages == after_off * 2
    assert rules.list_rules() == []
    with pytest.raises(NoSuchRuleError):
        rules.find(made.id)


async def test_everything_is_there_after_a_restart(keeper: Keeper) -> None:
    rules = await keeper.start()
    settings = GroupSettings(interval="30s", query_offset="1m", limit=7)
    first = await rules.create(draft(settings=settings, on_no_data=NoDataPolicy.KEEP), by="ada")
    second = await rules.create(draft(RULE.replace("Slow", "B"), is_enabled=False), by="ada")
    await keeper.world.stop()

    again = await keeper.start()

    assert again.list_rules() == [first, second]
    assert second.settings == settings
    (group,) = [each for each in _groups(keeper) if each.file == "managed"]
    assert (group.interval, group.query_offset, group.limit) == (
        timedelta(seconds=30),
        timedelta(minutes=1),
        7,
    )
    assert [rule.on_no_data for rule in group.rules] == [NoDataPolicy.KEEP]


async def test_a_firing_alert_is_neither_forgotten_nor_told_again_after_a_restart(
    keeper: Keeper,
) -> None:
    rules = await keeper.start()
    keeper.world.querier.answers["latency > 3"] = {Labels.of(instance="a"): 4.0}
    await rules.create(draft(), by="ada")
    await keeper.world.evaluate(4)
    await keeper.world.stop()

    await keeper.start()
    await keeper.world.evaluate(4)

    assert keeper.world.alerts.messages == [("firing", "Slow")]


async def test_keeps_the_history_and_goes_back_in_it(keeper: Keeper) -> None:
    rules = await keeper.start()
    made = await rules.create(draft(), by="ada")
    await rules.update(made.id, draft(RULE.replace("> 3", "> 2")), version=1, by="bob")

    back = await rules.revert(made.id, to=1, version=2, by="eve")

    assert (back.version, back.body, back.updated_by) == (3, made.body, "eve")
    versions = await rules.list_versions(made.id, limit=10)
    assert [(each.version, each.updated_by, each.body["expr"]) for each in versions] == [
        (3, "eve", "latency > 3"),
        (2, "bob", "latency > 2"),
        (1, "ada", "latency > 3"),
    ]
    assert [each.version for each in await rules.list_versions(made.id, before=3, limit=1)] == [2]
    with pytest.raises(NoSuchRuleError):
        await rules.revert(made.id, to=9, version=3, by="eve")
    with pytest.raises(VersionConflictError):
        await rules.revert(made.id, to=1, version=2, by="eve")


async def test_a_deleted_rule_comes_back_from_its_history(keeper: Keeper) -> None:
    rules = await keeper.start()
    made = await rules.create(draft(), by="ada")
    await rules.delete(made.id, version=1, by="ada")
    (deleted, _) = await rules.list_versions(made.id, limit=10)

    back = await rules.revert(made.id, to=1, version=2, by="ada")

    assert deleted.is_deleted
    assert (back.id, back.version, back.is_deleted) == (made.id, 3, False)
    assert keeper.names() == [("managed", "web", "Slow")]
    with pytest.raises(NoSuchRuleError):
        await rules.list_versions("nosuch", limit=10)


@pytest.mark.parametrize(
    ("text", "line", "field", "message"),
    [
        ("alert: A\nexpr: up ==", 2, "expr", "expr: "),
        ("alert: A\nexpr: up\nfor: soon", 3, "for", "for: 'soon' is not a duration"),
        ("alert: A\nexpr: up\nlabels:\n  a-b: x", 4, "labels.a-b", "not a name for a label"),
        (
            "alert: A\nexpr: up\nannotations:\n  summary: '{{ nosuch }}'",
            4,
            "annotations.summary",
            "there is no function 'nosuch'",
        ),
        ("alert: A\nexpr: up\nexprr: up", 3, "exprr", "did you mean expr"),
        ("expr: up", 1, "", "a rule needs alert or record"),
        ("record: 'a b'\nexpr: up", 1, "record", "not a metric name"),
        ("- alert: A", 1, "", "keys and values are expected"),
        ("alert: [", 2, "", ""),
        ("", 1, "", "keys and values"),
        ("{" * 200, 1, "", "nested too deeply"),
        ("alert: A\nexpr: " + "x" * 70_000, 0, "", "at most 65536 bytes"),
    ],
)
async def test_says_what_is_wrong_and_where(
    keeper: Keeper, text: str, line: int, field: str, message: str
) -> None:
    rules = await keeper.start()

    with pytest.raises(InvalidRuleError) as raised:
        await rules.create(draft(text), by="ada")

    problem = raised.value.problems[0]
    assert (problem.line, problem.field) == (line, field)
    assert message in problem.message
    assert rules.list_rules() == []


async def test_a_json_object_is_a_rule_as_well(keeper: Keeper) -> None:
    rules = await keeper.start()

    made = await rules.create(draft('{"record": "a:b", "expr": "sum(a)"}'), by="ada")

    assert made.body == {"record": "a:b", "expr": "sum(a)"}


async def test_a_group_has_one_interval(keeper: Keeper) -> None:
    rules = await keeper.start()
    await rules.create(draft(settings=GroupSettings(interval="1m")), by="ada")
    with pytest.raises(InvalidRuleError, match="has other settings"):
        await rules.create(draft(settings=GroupSettings(interval="5m")), by="ada")
    second = await rules.create(draft(), by="ada")
    with pytest.raises(InvalidRuleError, match="from 1s to 1d"):
        await rules.change_group("web", GroupSettings(interval="10ms"), by="ada")
    with pytest.raises(NoSuchRuleError):
        await rules.change_group("nosuch", GroupSettings(), by="ada")

    await rules.change_group("web", GroupSettings(interval="5m"), by="bob")

    assert second.settings.interval == "1m"
    assert [(each.settings.interval, each.version) for each in rules.list_rules()] == [
        ("5m", 2),
        ("5m", 2),
    ]
    assert _groups(keeper)[0].interval == timedelta(minutes=5)


FILE = """
groups:
  - name: web
    interval: 1m
    labels: {team: web}
    rules:
      - alert: Slow
        expr: |
          latency
            > 3
        for: 30s
        labels: {severity: warning}
      - {record: a:b, expr: sum(a)}
  - name: more
    rules:
      - {alert: Down, expr: up == 0, annotations: {summary: "été: {{ $labels.job }}"}}
"""


async def test_imports_a_file_and_exports_the_same(keeper: Keeper) -> None:
    rules = await keeper.start()

    imported = await rules.import_file(FILE, replaces=False, by="ada")
    text = await rules.export(only_managed=True)

    def parse_again(source: str) -> Sequence[RuleGroup]:
        loaded = parse_rule_file(
            source, file="managed", check_expression=_check, default_interval=INTERVAL
        )
        assert loaded.errors == []
        return sorted(loaded.groups, key=lambda group: group.name)

    assert (len(imported.added), imported.changed, imported.removed) == (3, [], [])
    assert parse_again(text) == parse_again(FILE)
    assert "    expr: |-\n      latency\n        > 3\n" in text
    exported = sorted((replace(each, rules=()) for each in _groups(keeper)), key=lambda g: g.name)
    assert exported == [replace(each, rules=()) for each in parse_again(FILE)]


async def test_an_import_replaces_a_group_only_if_told_to(keeper: Keeper) -> None:
    rules = await keeper.start()
    await rules.import_file(FILE, replaces=False, by="ada")
    slow = next(rule for rule in rules.list_rules() if rule.name == "Slow")
    changed = FILE.replace("> 3", "> 2").replace("      - {record: a:b, expr: sum(a)}\n", "")

    with pytest.raises(GroupExistsError, match="'web'"):
        await rules.import_file(changed, replaces=False, by="ada")
    imported = await rules.import_file(changed, replaces=True, by="bob")

    assert [rule.id for rule in imported.changed] == [slow.id]
    assert [rule.name for rule in imported.removed] == ["a:b"]
    assert imported.added == []
    assert [(rule.name, rule.version) for rule in rules.list_rules()] == [("Down", 1), ("Slow", 2)]


async def test_an_import_with_a_mistake_imports_nothing(keeper: Keeper) -> None:
    rules = await keeper.start()

    with pytest.raises(InvalidRuleError) as raised:
        await rules.import_file(FILE.replace("up == 0", "up =="), replaces=False, by="ada")
    with pytest.raises(InvalidRuleError, match="no rules"):
        await rules.import_file("groups: []", replaces=False, by="ada")

    assert [(each.line, each.rule) for each in raised.value.problems] == [(16, "Down")]
    assert rules.list_rules() == []


async def test_what_prometheus_does_not_know_is_exported_if_asked_for(keeper: Keeper) -> None:
    rules = await keeper.start()
    text = FILE.replace("      - {record", "        on_no_data: keep\n      - {record")

    await rules.import_file(text, replaces=False, by="ada")
    extended = await rules.export(only_managed=True, is_extended=True)
    plain = await rules.export(only_managed=True)
    await rules.import_file(plain, replaces=True, by="ada")

    kept = {rule.name: rule.on_no_data for rule in rules.list_rules()}
    assert kept == {"Slow": NoDataPolicy.KEEP, "Down": None, "a:b": None}
    assert all("on_no_data" not in rule.body for rule in rules.list_rules())
    assert extended.count("    on_no_data: keep\n") == 1
    assert not extended.startswith("#")
    assert plain.count("on_no_data") == 1
    assert plain.startswith("# not in Prometheus' format: web / Slow: on_no_data: keep\n")
    await keeper.world.stop()
    again = await keeper.start()
    assert await again.export(only_managed=True, is_extended=True) == extended


async def test_the_text_of_a_rule_may_say_what_no_data_means(keeper: Keeper) -> None:
    rules = await keeper.start()

    said = await rules.create(draft(RULE + "on_no_data: alert\n"), by="ada")
    draft_wins = draft(RULE + "on_no_data: alert\n", on_no_data=NoDataPolicy.KEEP, group="g")
    told = await rules.create(draft_wins, by="ada")

    assert (said.on_no_data, told.on_no_data) == (NoDataPolicy.ALERT, NoDataPolicy.KEEP)
    assert "on_no_data" not in said.body
    with pytest.raises(InvalidRuleError, match="one of ignore, alert, keep"):
        await rules.create(draft(RULE + "on_no_data: panic\n"), by="ada")


async def test_exports_the_rules_of_files_too_and_says_what_it_leaves_out(keeper: Keeper) -> None:
    rules = await keeper.start(make_group(make_rule(labels={"severity": "critical"}), name="web"))
    await rules.create(draft(on_no_data=NoDataPolicy.KEEP), by="ada")
    await rules.create(draft(RULE.replace("Slow", "Off"), is_enabled=False), by="ada")

    text = await rules.export(only_managed=False)

    loaded = parse_rule_file(text, file="x", check_expression=_check, default_interval=INTERVAL)
    assert [group.name for group in loaded.groups] == ["web", "managed: web"]
    assert text.splitlines()[:2] == [
        "# left out, switched off: web / Off",
        "# not in Prometheus' format: web / Slow: on_no_data: keep",
    ]


async def test_a_rule_that_can_be_used_no_more_is_an_error_and_keeps_its_alerts(
    keeper: Keeper, database: Database
) -> None:
    store = SqlManagedRules(database)
    rule = ManagedRule(
        id="old",
        group="web",
        position=0,
        name="Slow",
        body={"alert": "Slow", "expr": "up =="},
        settings=GroupSettings(),
        on_no_data=None,
        is_enabled=True,
        version=1,
        updated_at=keeper.world.clock.now(),
        updated_by="ada",
    )
    await store.save([rule])

    await keeper.start()

    assert keeper.world.manager is not None
    (error,) = keeper.world.manager.snapshot().errors
    assert (error.file, error.group, error.rule) == ("managed", "web", "Slow")
    assert error.message.startswith("expr: ")


async def test_a_failed_save_changes_nothing(keeper: Keeper, database: Database) -> None:
    store = SqlManagedRules(database)
    rules = await keeper.start()
    made = await rules.create(draft(), by="ada")
    other = replace(made, id="other", version=1)
    conflicting = replace(made, version=5)

    with pytest.raises(VersionConflictError):
        await store.save([other, conflicting])

    assert await store.load() == [made]


async def test_who_goes_away_leaves_nothing_half_done(keeper: Keeper) -> None:
    class Impatient(SqlManagedRules):
        async def save(self, rules: Sequence[ManagedRule]) -> None:
            await super().save(rules)
            saving.cancel()
            await asyncio.sleep(0)

    keeper.store = Impatient(keeper.database)
    rules = await keeper.start()

    saving = asyncio.create_task(rules.create(draft(), by="ada"))
    with pytest.raises(asyncio.CancelledError):
        await saving

    made = await SqlManagedRules(keeper.database).load()
    assert [each.name for each in made] == ["Slow"]
    assert rules.list_rules() == made
    assert keeper.status("Slow")


def _groups(keeper: Keeper) -> list[RuleGroup]:
    assert keeper.world.manager is not None
    return [each.group for each in keeper.world.manager.snapshot().groups]
