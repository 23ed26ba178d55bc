"""Metrics: what is scraped, collected and pushed, and the engine that answers queries."""

import asyncio
import os
import ssl

import httpx

from resumatch_monitor.app.base import Base, Loops
from resumatch_monitor.collectors.manager import CollectorManager, build_collectors
from resumatch_monitor.kit.http import build_client
from resumatch_monitor.metrics.discovery import Discovery
from resumatch_monitor.metrics.label_limits import LabelLimits
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.otlp.receiver import OtlpReceiver
from resumatch_monitor.metrics.pool import build_pool
from resumatch_monitor.metrics.receiver import PushTelemetry, RemoteWriteReceiver
from resumatch_monitor.metrics.scrape import ScrapeManager
from resumatch_monitor.metrics.status import TargetSource
from resumatch_monitor.promql.runner import QueryRunner
from resumatch_monitor.rules.sharing import SharedSelections

_FIRST_ROUND_TIMEOUT_SECONDS = 30.0
_QUERY_WORKERS = 2
_FORWARDED_QUERIES = 8
"""Threads for queries that another server evaluates: they mostly wait."""


class MetricParts:
    """Everything about metrics but the rules."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self.metadata = MetadataStore()
        self._build_queries()
        self._build_scraping()
        self._build_push()

    @property
    def target_sources(self) -> list[TargetSource]:
        """Everything that watches targets."""
        return [self.scraper, self.collectors]

    def count_targets_down(self) -> int:
        """Return how many targets do not answer."""
        return sum(
            target.health == "down"
            for source in self.target_sources
            for target in source.statuses()
        )

    def loops(self) -> Loops:
        """Return what runs."""
        return {
            "metrics: store": self._base.stores.samples.run,
            "metrics: discovery": self.discovery.run,
            "metrics: scraping": self.scraper.run,
        }

    async def wait_for_first_samples(self) -> None:
        """Wait until every target was asked once, lest a rule mistake a restart for silence."""
        await asyncio.gather(
            self.scraper.wait_until_first_round(_FIRST_ROUND_TIMEOUT_SECONDS),
            self.collectors.wait_until_first_round(_FIRST_ROUND_TIMEOUT_SECONDS),
        )

    async def stop_queries(self) -> None:
        """Let no query run any more."""
        if self._base.stores.external is not None:
            self._base.stores.external.reader.interrupt()
        await asyncio.to_thread(self.queries.stop)
        await asyncio.to_thread(self.rule_queries.stop)

    def _build_queries(self) -> None:
        base, config, metrics = self._base, self._base.config, self._base.config.metrics
        external = base.stores.external
        self.queries = QueryRunner(
            base.stores.queryable,
            clock=base.clock,
            telemetry=base.telemetry,
            timeout=metrics.query_timeout,
            max_samples=metrics.query_max_samples,
            subquery_step=config.global_.evaluation_interval,
            helpers=(os.cpu_count() or 1) - 1,
            features=frozenset(metrics.promql_features),
            workers=_QUERY_WORKERS if external is None else _FORWARDED_QUERIES,
            engine=external.reader if external is not None else None,
        )
        self.rule_selections = SharedSelections(
            base.stores.queryable, monotonic=base.clock.monotonic
        )
        self.rule_queries = self.queries.build_sibling(
            # Here more threads evaluate nothing faster; a server elsewhere is mostly waited for.
            workers=1 if external is None else config.rules.max_concurrent_evals,
            queryable=self.rule_selections,
        )

    def _build_scraping(self) -> None:
        base, config = self._base, self._base.config
        self.scraper = ScrapeManager(
            targets=(),
            sink=base.stores.samples,
            client=base.client,
            clock=base.clock,
            telemetry=base.telemetry,
            metadata=self.metadata,
            build_client=self._build_tls_client,
            exemplars=base.stores.exemplars,
            has_more_targets=True,
        )
        self.discovery = Discovery(
            [build_pool(each, config.global_, config.metrics) for each in config.scrape_configs],
            apply=self.scraper.replace_targets,
            get_access=self.scraper.get_access,
            clock=base.clock,
            telemetry=base.telemetry,
        )
        self.collectors = CollectorManager(
            collectors=build_collectors(config.collectors, allowed_hosts=base.allowed_hosts),
            sink=base.stores.samples,
            supervisor=base.supervisor,
            clock=base.clock,
            telemetry=base.telemetry,
        )

    def _build_push(self) -> None:
        base, metrics = self._base, self._base.config.metrics
        telemetry = PushTelemetry(base.telemetry)
        limits = LabelLimits(
            metrics.labels_per_series, metrics.label_name_bytes, metrics.label_value_bytes
        )
        self.remote_write = RemoteWriteReceiver(
            sink=base.stores.samples,
            exemplars=base.stores.exemplars,
            metadata=self.metadata,
            telemetry=telemetry,
            limits=limits,
        )
        self.otlp = OtlpReceiver(
            sink=base.stores.samples,
            exemplars=base.stores.exemplars,
            metadata=self.metadata,
            telemetry=telemetry,
            config=metrics.push,
            limits=limits,
            clock=base.clock,
        )

    def _build_tls_client(self, context: ssl.SSLContext) -> httpx.AsyncClient:
        return build_client(allowed_hosts=self._base.allowed_hosts, verify=context)
