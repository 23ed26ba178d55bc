"""Runs all rule groups: starts, reloads and stops them, and tells how they are doing."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from resumatch_monitor.alerts.alert import Alert, AlertSink
from resumatch_monitor.alerts.state import ActiveAlert, RuleState
from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.kit.loops import Supervisor
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import BatchSink
from resumatch_monitor.promql.runner import Querier
from resumatch_monitor.rules.alerting import AlertingRunner, build_alert
from resumatch_monitor.rules.config import RulesConfig
from resumatch_monitor.rules.data import DataFinder
from resumatch_monitor.rules.group import GroupRunner, GroupStatus, Readiness, Slots
from resumatch_monitor.rules.model import (
    AlertingRule,
    LoadedRules,
    Rule,
    RuleFileError,
    RuleGroup,
    RuleKey,
    assign_rule_keys,
)
from resumatch_monitor.rules.policy import NoDataPolicy
from resumatch_monitor.rules.recording import RecordingRunner
from resumatch_monitor.rules.render import AlertRenderer, TemplateWorld
from resumatch_monitor.rules.runner import RuleRunner
from resumatch_monitor.rules.store import RuleStateStore, StoredAlert
from resumatch_monitor.rules.telemetry import RuleTelemetry
from resumatch_monitor.rules.watch import RuleWatch
from resumatch_monitor.rules.writer import SeriesWriter

logger = logging.getLogger(__name__)

REMOVED_ANNOTATION = "resolved_because"
_REMOVED_TEXT = "The rule was removed or switched off."
_HOUSEKEEPING = "rules: housekeeping"
_HOUSEKEEPING_SECONDS = 60.0
_SETTLING_SECONDS = 2 * _HOUSEKEEPING_SECONDS


@dataclass(frozen=True, slots=True)
class RulesSnapshot:
    """How all rules are doing at one moment."""

    groups: tuple[GroupStatus, ...]
    errors: tuple[RuleFileError, ...]


class RuleManager:
    """Owns the groups. Start it when the database and the store of samples are started."""

    def __init__(
        self,
        groups: Sequence[RuleGroup],
        errors: Sequence[RuleFileError],
        *,
        querier: Querier,
        sink: BatchSink,
        alerts: AlertSink,
        states: RuleStateStore,
        clock: Clock,
        telemetry: Telemetry,
        wait_until_ready: Callable[[], Awaitable[None]],
        external_labels: Mapping[str, str] | None = None,
        external_url: str = "",
        config: RulesConfig | None = None,
        data: DataFinder | None = None,
    ) -> None:
        """Build everything; nothing runs yet. Without `data`, nobody looks for missing series."""
        self._groups = tuple(groups)
        self._errors = tuple(errors)
        self._querier = querier
        self._sink = sink
        self._alerts = alerts
        self._states = states
        self._clock = clock
        self._wait_until_ready = wait_until_ready
        self._config = config or RulesConfig()
        self._telemetry = RuleTelemetry(telemetry)
        self._supervisor = Supervisor(clock=clock, telemetry=telemetry)
        world = TemplateWorld(Labels.of(external_labels), external_url.rstrip("/"))
        self._renderer = AlertRenderer(querier=querier, world=world, telemetry=self._telemetry)
        self._slots = Slots(self._config.max_concurrent_evals - 1)
        self._readiness = Readiness()
        self._data = data
        self._watch = RuleWatch(
            self._each_labelled_rule,
            data=data,
            config=self._config,
            querier=querier,
            sink=sink,
            alerts=alerts,
            states=states,
            renderer=self._renderer,
            clock=clock,
        )
        self._runners: dict[str, GroupRunner] = {}
        self._orphans: list[StoredAlert] = []
        self._lock = asyncio.Lock()

    async def start(self, loaded: LoadedRules | None = None) -> None:
        """Restore the states from before and begin; evaluations wait until all is ready.

        With `loaded`, those are the rules, and not what the manager was made with.
        """
        if loaded is not None:
            self._groups, self._errors = tuple(loaded.groups), tuple(loaded.errors)
        self._orphans = self._watch.restore(await self._states.load())
        self._install({}, {}, assign_rule_keys(self._groups))
        self._supervisor.start(_HOUSEKEEPING, self._keep_house)

    async def stop(self) -> None:
        """End all loops; an evaluation that is under way is done again after the next start."""
        await self._supervisor.stop()

    async def replace_groups(
        self, groups: Sequence[RuleGroup], errors: Sequence[RuleFileError]
    ) -> None:
        """Go over to other rules; those that stay the same keep their alerts' states.

        A group that is the same in everything is not even interrupted. The alerts of a rule that
        is gone are resolved, unless the place where it was has an error.
        """
        async with self._lock:
            keys = assign_rule_keys(groups)
            kept = self._find_unchanged(groups, keys)
            old_rules: dict[RuleKey, RuleRunner] = {}
            for name, runner in self._runners.items():
                if name not in kept:
                    async with runner.lock:
                        await self._supervisor.stop(name)
                    old_rules.update((each.key, each) for each in runner.runners)
            old_labels = {runner.label for runner in self._runners.values()}
            self._groups, self._errors = tuple(groups), tuple(errors)
            self._install(old_rules, kept, keys)
            for label in old_labels - {runner.label for runner in self._runners.values()}:
                self._telemetry.remove_group(label)
            present = {each.key for each in self._each_rule()}
            await self._retire([each for key, each in old_rules.items() if key not in present])
        await self._settle_orphans()

    def snapshot(self) -> RulesSnapshot:
        """Return how all rules are doing."""
        return RulesSnapshot(
            groups=tuple(runner.status for runner in self._runners.values()),
            errors=self._errors,
        )

    @property
    def renderer(self) -> AlertRenderer:
        """What expands the templates of all rules."""
        return self._renderer

    @property
    def group_runners(self) -> tuple[GroupRunner, ...]:
        """The groups, for those who evaluate them at moments of their own."""
        return tuple(self._runners.values())

    def pending_alerts(self) -> list[Alert]:
        """Return the alerts whose `for` has not passed yet, the most recent first."""
        pending = [
            build_alert(rule, alert)
            for rule, alert in self._walk_alerts()
            if alert.state is RuleState.PENDING
        ]
        return sorted(pending, key=lambda alert: alert.starts_at, reverse=True)

    def find_expr(self, fingerprint: str) -> str | None:
        """Return the expression behind an alert that is active or has lately ended."""
        for runner in self._each_rule():
            if runner.knows(fingerprint):
                return runner.rule.expr
        return None

    def _walk_alerts(self) -> Iterable[tuple[AlertingRule, ActiveAlert]]:
        for runner in self._each_rule():
            if isinstance(runner.rule, AlertingRule):
                for alert in runner.alerts:
                    yield runner.rule, alert

    def _each_rule(self) -> Iterable[RuleRunner]:
        for group in self._runners.values():
            yield from group.runners

    def _find_unchanged(
        self, groups: Sequence[RuleGroup], keys_by_group: Sequence[Sequence[RuleKey]]
    ) -> dict[str, GroupRunner]:
        """Return, by name, the runners of `groups` that can go on as they are."""
        named = zip(_name_groups(groups), groups, keys_by_group, strict=True)
        return {
            name: runner
            for name, group, keys in named
            if (runner := self._runners.get(name)) is not None
            and runner.group == group
            and [each.key for each in runner.runners] == keys
            and [each.line for each in runner.group.rules] == [each.line for each in group.rules]
        }

    def _install(
        self,
        old_rules: Mapping[RuleKey, RuleRunner],
        kept: Mapping[str, GroupRunner],
        keys_by_group: Sequence[Sequence[RuleKey]],
    ) -> None:
        self._runners = {}
        orphans = self._index_orphans()
        named = zip(_name_groups(self._groups), self._groups, keys_by_group, strict=True)
        for name, group, keys in named:
            if name in kept:
                self._runners[name] = kept[name]
                continue
            runners = [
                self._build_runner(rule, key, old_rules, orphans.pop(key, []))
                for rule, key in zip(group.rules, keys, strict=True)
            ]
            runner = GroupRunner(
                group=group,
                runners=runners,
                readiness=self._readiness,
                clock=self._clock,
                telemetry=self._telemetry,
                config=self._config,
                slots=self._slots,
            )
            self._runners[name] = runner
            self._telemetry.add_group(runner.label, group.interval.total_seconds())
            self._supervisor.start(name, runner.run)
        self._orphans = [each for left in orphans.values() for each in left]
        self._telemetry.rules.set(sum(len(group.rules) for group in self._groups))
        self._telemetry.file_errors.set(len(self._errors))

    def _index_orphans(self) -> dict[RuleKey, list[StoredAlert]]:
        by_key: dict[RuleKey, list[StoredAlert]] = {}
        for orphan in self._orphans:
            by_key.setdefault(orphan.key, []).append(orphan)
        return by_key

    def _build_runner(
        self,
        rule: Rule,
        key: RuleKey,
        old_rules: Mapping[RuleKey, RuleRunner],
        stored: Sequence[StoredAlert],
    ) -> RuleRunner:
        writer = SeriesWriter(self._sink)
        runner: RuleRunner
        if isinstance(rule, AlertingRule):
            runner = AlertingRunner(
                rule=rule,
                key=key,
                writer=writer,
                querier=self._querier,
                alerts=self._alerts,
                states=self._states,
                renderer=self._renderer,
                data=self._data if self._keeps_without_data(rule) else None,
            )
            runner.restore(stored)
        else:
            runner = RecordingRunner(rule=rule, key=key, writer=writer, querier=self._querier)
        if key in old_rules:
            runner.take_over(old_rules[key])
        return runner

    def _keeps_without_data(self, rule: Rule) -> bool:
        return (rule.on_no_data or self._config.on_no_data) is NoDataPolicy.KEEP

    def _each_labelled_rule(self) -> Iterable[tuple[str, RuleRunner]]:
        for group in self._runners.values():
            for runner in group.runners:
                yield group.label, runner

    async def _retire(self, runners: Sequence[RuleRunner]) -> None:
        now = self._clock.now()
        for runner in runners:
            self._orphans.extend(runner.release(now))
            try:
                await runner.writer.write({}, to_milliseconds(now))
            except Exception:
                logger.exception("The series of the rule %s cannot be ended", runner.rule.name)

    async def _keep_house(self) -> None:
        await self._wait_until_ready()
        self._readiness.announce(self._clock.monotonic())
        while True:
            await self._settle_orphans()
            age = self._readiness.age_seconds(self._clock.monotonic())
            await self._watch.look(self._clock.now(), resolves_restored=age >= _SETTLING_SECONDS)
            await self._clock.sleep(_HOUSEKEEPING_SECONDS)

    async def _settle_orphans(self) -> None:
        """Resolve the alerts whose rule is gone; what fails is tried again a minute later."""
        async with self._lock:
            for orphan in [each for each in self._orphans if not self._is_excused(each.key)]:
                try:
                    await self._resolve_orphan(orphan)
                except Exception:
                    logger.exception("The alert of the removed rule %s stays", orphan.key.rule)
                    return
                self._orphans.remove(orphan)

    async def _resolve_orphan(self, orphan: StoredAlert) -> None:
        now = self._clock.now()
        alert = orphan.alert
        if alert.state is RuleState.FIRING:
            rule = AlertingRule(orphan.key.rule, expr="")
            added = {} if alert.resolved_at else {REMOVED_ANNOTATION: _REMOVED_TEXT}
            ends_at = alert.resolved_at or now
            message = build_alert(rule, alert, ends_at=ends_at, added_annotations=added)
            await self._alerts.put([message])
        await self._states.save(orphan.key, changed=[], removed=[alert], seen_at=now)

    def _is_excused(self, key: RuleKey) -> bool:
        """Tell whether the rule is missing only because its file has an error there."""
        return any(
            error.file.rpartition("/")[2] == key.file_name
            and error.group in (None, key.group)
            and error.rule in (None, key.rule)
            for error in self._errors
        )


def _name_groups(groups: Sequence[RuleGroup]) -> list[str]:
    """Return a name for the loop of each group, the same for the same group after a change."""
    counts: Counter[str] = Counter()
    names: list[str] = []
    for group in groups:
        label = f"{group.file_name};{group.name}"
        counts[label] += 1
        names.append(f"rules: {label}" + (f" {counts[label]}" if counts[label] > 1 else ""))
    return names
