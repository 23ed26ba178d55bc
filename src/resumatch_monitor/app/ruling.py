"""Rules: those of files and those made here, trying them, and drills."""

import logging

from resumatch_monitor.app.alerting import AlertingParts
from resumatch_monitor.app.base import Base
from resumatch_monitor.app.drills import build_drills
from resumatch_monitor.app.holding import HoldingQuerier
from resumatch_monitor.app.metering import MetricParts
from resumatch_monitor.config.check import build_expression_check, load_rules
from resumatch_monitor.promql.gathering import GatheringQuerier
from resumatch_monitor.rules.data import DataFinder
from resumatch_monitor.rules.managed import ManagedRules
from resumatch_monitor.rules.managed_groups import GroupBuilder
from resumatch_monitor.rules.manager import RuleManager
from resumatch_monitor.rules.preview.service import RulePreviewer
from resumatch_monitor.rules.sharing import ForgettingSink
from resumatch_monitor.storage.sql.managed_rules import SqlManagedRules
from resumatch_monitor.storage.sql.rule_states import SqlRuleStates

logger = logging.getLogger(__name__)


class RuleParts:
    """Everything about rules."""

    def __init__(self, base: Base, *, metrics: MetricParts, alerting: AlertingParts) -> None:
        loaded = load_rules(base.config)
        for error in loaded.errors:
            logger.warning("%s", error)
        self.manager = RuleManager(
            loaded.groups,
            loaded.errors,
            querier=HoldingQuerier(
                # A server elsewhere is asked one by one: there it is the waiting that costs.
                GatheringQuerier(metrics.rule_queries, clock=base.clock)
                if base.stores.external is None
                else metrics.rule_queries,
                refused_ago=base.stores.samples.refused_ago,
            ),
            sink=ForgettingSink(base.stores.samples, metrics.rule_selections),
            alerts=alerting.dispatcher,
            states=SqlRuleStates(base.stores.database),
            clock=base.clock,
            telemetry=base.telemetry,
            wait_until_ready=metrics.wait_for_first_samples,
            external_labels=base.config.global_.external_labels,
            external_url=base.external_url,
            config=base.config.rules,
            # Looking for missing series does not keep rules waiting.
            data=DataFinder(
                HoldingQuerier(metrics.queries, refused_ago=base.stores.samples.refused_ago)
            ),
        )
        self.previewer = RulePreviewer(
            queries=metrics.queries, renderer=self.manager.renderer, clock=base.clock
        )
        self.drills = build_drills(base, rules=self.manager, alerting=alerting)
        self.managed = ManagedRules(
            store=SqlManagedRules(base.stores.database),
            files=loaded,
            replace_groups=self.manager.replace_groups,
            builder=GroupBuilder(
                check_expression=build_expression_check(base.config),
                default_interval=base.config.global_.evaluation_interval,
                default_offset=base.config.global_.rule_query_offset,
            ),
            clock=base.clock,
            ids=base.ids,
        )

    async def start(self) -> None:
        """Begin to evaluate, once what they read is there."""
        await self.manager.start(await self.managed.load())

    async def stop(self) -> None:
        """End all evaluations."""
        await self.manager.stop()
