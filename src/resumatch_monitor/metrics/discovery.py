"""Finds targets, relabels them, and tells the scraper which there are."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from prometheus_client import Counter

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.access import AccessProvider
from resumatch_monitor.metrics.discovery_sources import (
    Discovered,
    DiscoverySource,
    FileSource,
    HTTPSource,
    StaticSource,
)
from resumatch_monitor.metrics.http_config import HTTPClientConfig
from resumatch_monitor.metrics.pool import ScrapePool
from resumatch_monitor.metrics.status import DroppedTarget, PoolStatus
from resumatch_monitor.metrics.targets import BuiltTargets, Target, build_pool_targets

logger = logging.getLogger(__name__)

Apply = Callable[[Sequence[Target], Mapping[ScrapePool, str], bool], Awaitable[None]]
"""Takes the targets, why pools are not scraped, and whether every source was looked at."""
GetAccess = Callable[[HTTPClientConfig], AccessProvider]
"""Gives access by a configuration."""

_RELABELLED_AT_ONCE = 200


class _PoolState:
    """One scrape configuration, its sources and what they made."""

    def __init__(self, pool: ScrapePool, sources: Sequence[DiscoverySource]) -> None:
        self.pool = pool
        self.sources = sources
        self.found: dict[int, Discovered] = {}
        self.built = BuiltTargets(())
        self.error = ""

    def build(self) -> None:
        """Relabel what the sources found."""
        discovered = [target for at in sorted(self.found) for target in self.found[at]]
        self.built = build_pool_targets(self.pool, discovered)

    @property
    def targets(self) -> Sequence[Target]:
        return self.built.targets

    @property
    def limit_error(self) -> str:
        """Why no target of the pool is scraped; empty if they are."""
        count, most = self.built.count_targets, self.pool.limits.targets
        if count <= most:
            return ""
        return f"the job has {count} targets, more than the {most} of target_limit"

    @property
    def status(self) -> PoolStatus:
        problems = list(self.built.problems)
        more = self.built.count_problems - len(problems)
        if more > 0:
            problems.append(f"and {more} more")
        return PoolStatus(
            pool=self.pool.name,
            dropped=self.built.count_dropped,
            target_limit=self.pool.limits.targets,
            error="; ".join(filter(None, (self.limit_error, *problems))),
            discoveries=[source.status for source in self.sources],
        )


class Discovery:
    """Looks at every source at its own pace; `run` it as a background loop."""

    def __init__(
        self,
        pools: Sequence[ScrapePool],
        *,
        apply: Apply,
        get_access: GetAccess,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        """Build every source; those that never change are looked at.

        Args:
            pools: The scrape configurations.
            apply: Takes the targets, again whenever they change.
            get_access: Gives credentials and TLS for HTTP endpoints.
            clock: For pauses.
            telemetry: Counts looks that failed.
        """
        self._failures = Counter(
            "resumatch_monitor_target_discovery_failures_total",
            "Looks at a source of targets that kept its targets as they were.",
            ["job", "kind"],
            registry=telemetry.registry,
        )
        self._apply = apply
        self._clock = clock
        self._lock = asyncio.Lock()
        self._states = [
            _PoolState(pool, build_sources(pool, get_access=get_access, clock=clock))
            for pool in pools
        ]
        for state in self._states:
            for at, source in enumerate(state.sources):
                if isinstance(source, StaticSource):
                    state.found[at] = source.list_targets()
                else:
                    self._failures.labels(state.pool.name, source.status.kind)
            state.build()
        self._unseen = {
            (state.pool, at)
            for state in self._states
            for at, source in enumerate(state.sources)
            if source.pause is not None
        }

    def pools(self) -> list[PoolStatus]:
        """Return each scrape configuration, in the configuration's order."""
        return [state.status for state in self._states]

    def dropped(self) -> list[DroppedTarget]:
        """Return the targets that relabelling dropped, as many as are kept to be shown."""
        return [
            DroppedTarget(state.pool.name, labels)
            for state in self._states
            for labels in state.built.dropped
        ]

    async def run(self) -> None:
        """Apply what is known, then look at the sources until cancelled."""
        await self._tell()
        watches = [
            self._watch(state, at, source)
            for state in self._states
            for at, source in enumerate(state.sources)
            if source.pause is not None
        ]
        async with asyncio.TaskGroup() as group:
            for watch in watches:
                group.create_task(watch)
            # The supervisor takes a loop that returns for one that is done.
            group.create_task(asyncio.Event().wait())

    async def _watch(self, state: _PoolState, at: int, source: DiscoverySource) -> None:
        while source.pause is not None:
            before = source.status.last_error
            found = await source.look()
            if source.status.last_error:
                self._failures.labels(state.pool.name, source.status.kind).inc()
            self._log_change(state, source, before)
            is_first = (state.pool, at) in self._unseen
            self._unseen.discard((state.pool, at))
            if found != state.found.get(at):
                state.found[at] = found
                await self._rebuild(state)
            elif is_first:
                await self._tell()
            await self._clock.sleep(source.pause.total_seconds())

    async def _rebuild(self, state: _PoolState) -> None:
        async with self._lock:
            if sum(map(len, state.found.values())) > _RELABELLED_AT_ONCE:
                await asyncio.to_thread(state.build)
            else:
                state.build()
        for problem in state.built.problems:
            logger.warning("Job %s: the target %s", state.pool.name, problem)
        await self._tell()

    async def _tell(self) -> None:
        async with self._lock:
            targets = [target for state in self._states for target in state.targets]
            errors = {state.pool: state.limit_error for state in self._states if state.limit_error}
            await self._apply(targets, errors, not self._unseen)

    def _log_change(self, state: _PoolState, source: DiscoverySource, before: str) -> None:
        error = source.status.last_error
        if error and error != before:
            logger.warning(
                "Job %s: the targets of %s stay as they were: %s",
                state.pool.name,
                source.status.name,
                error,
            )


def build_sources(
    pool: ScrapePool, *, get_access: GetAccess, clock: Clock
) -> list[DiscoverySource]:
    """Return where a scrape configuration's targets come from."""
    config = pool.config
    sources: list[DiscoverySource] = []
    if config.static_configs:
        sources.append(StaticSource(config.static_configs))
    sources += (FileSource(each, clock=clock) for each in config.file_sd_configs)
    sources += (
        HTTPSource(each, access=get_access(each), timeout=each.refresh_interval, clock=clock)
        for each in config.http_sd_configs
    )
    return sources
