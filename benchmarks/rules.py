"""CPU time of evaluating 200 alerting and recording rules over 10,000 live series.

Run with `python -m benchmarks.rules`. In process, over a real time-series store on disk; the rules
go the whole way: query, states, templates, `ALERTS` series, samples written durably.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.kit.clock import from_milliseconds, to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import METRIC_NAME, Labels
from resumatch_monitor.metrics.samples import RowLayout
from resumatch_monitor.promql.gathering import GatheringQuerier
from resumatch_monitor.promql.parse import parse
from resumatch_monitor.promql.runner import QueryRunner
from resumatch_monitor.rules.config import RulesConfig
from resumatch_monitor.rules.group import GroupRunner
from resumatch_monitor.rules.loader import parse_rule_file
from resumatch_monitor.rules.manager import RuleManager
from resumatch_monitor.rules.model import RuleGroup
from resumatch_monitor.rules.sharing import ForgettingSink, SharedSelections
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.rule_states import SqlRuleStates
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore

INTERVAL_MS = 15_000
INSTANCES = 50
HANDLERS = 10
STATUSES = ("200", "201", "400", "404", "500")
BUCKETS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "+Inf")
GROUPS = 10
RULES = 200


def make_labels(instance: int) -> list[Labels]:
    """Return the 200 series of one instance: 50 counters, 100 buckets, 50 gauges."""
    base = {"job": "api", "instance": f"10.0.0.{instance}:9090"}
    counters = [
        Labels.of(base, **{METRIC_NAME: "http_requests_total"}, handler=f"/h{h}", status=status)
        for h in range(HANDLERS)
        for status in STATUSES
    ]
    buckets = [
        Labels.of(
            base, **{METRIC_NAME: "http_request_duration_seconds_bucket"}, handler=f"/h{h}"
        ).with_labels({"le": le})
        for h in range(HANDLERS)
        for le in BUCKETS
    ]
    gauges = [
        Labels.of(base, **{METRIC_NAME: "process_gauge"}, kind=f"k{kind}") for kind in range(49)
    ]
    return [*counters, *buckets, *gauges, Labels.of(base, **{METRIC_NAME: "up"})]


def make_rules(groups: int = GROUPS) -> str:
    """Return a rule file of 200 rules, of the kinds that people write."""
    kinds = (
        # Thresholds on what each instance says.
        'process_gauge{{kind="k{n}"}} > {high}',
        'avg by (instance) (process_gauge{{kind=~"k{n}|k1"}}) > {high}',
        # Rates, by endpoint, of a part of the series.
        'sum by (handler) (rate(http_requests_total{{handler="/h{d}"}}[5m])) > {high}',
        'sum by (instance) (rate(http_requests_total{{status="{status}"}}[5m])) > {high}',
        # The share of errors.
        'sum by (instance) (rate(http_requests_total{{status=~"5..",handler="/h{d}"}}[5m]))'
        ' / sum by (instance) (rate(http_requests_total{{handler="/h{d}"}}[5m])) > 0.9',
        'sum(rate(http_requests_total{{status=~"5.."}}[5m]))'
        " / sum(rate(http_requests_total[5m])) > 0.{d}5",
        # Latency.
        "histogram_quantile(0.9{d}, sum by (le, handler)"
        ' (rate(http_request_duration_seconds_bucket{{handler="/h{d}"}}[5m]))) > 1e6',
        "histogram_quantile(0.9{d}, sum by (le)"
        " (rate(http_request_duration_seconds_bucket[5m]))) > 1e6",
        # Down, or silent.
        'up{{instance="10.0.0.{n}:9090"}} == 0',
        'increase(http_requests_total{{instance="10.0.0.{n}:9090",status="500"}}[10m]) > {high}',
    )
    lines = ["groups:"]
    for group in range(groups):
        lines += [f"  - name: group-{group}", "    interval: 15s", "    rules:"]
        for position in range(RULES // groups):
            n = group * (RULES // groups) + position
            expr = kinds[n % len(kinds)].format(
                n=n % 49, d=n // len(kinds) % 10, status=STATUSES[n % 5], high=10**9
            )
            if n % 40 == 39:  # one in forty fires for some instances
                expr = f'process_gauge{{kind="k{n % 49}"}} > 1.4e8'
            lines += [f"      - alert: Rule{n}", f"        expr: {json.dumps(expr)}"]
            lines += ["        for: 1m", "        labels: {severity: warning}"]
            lines += ["        annotations:"]
            lines += ['          summary: "{{ $labels.instance }} is at {{ $value | humanize }}"']
    return "\n".join(lines)


class Silence:
    """Takes alerts and tells nobody."""

    async def put(self, alerts: Sequence[Alert]) -> None:
        return None


class StandingClock:
    """Stands where the benchmark puts it; its monotonic time is the machine's."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Bench:
    """A store that is scraped every 15 s, and the rules over it."""

    def __init__(self, folder: Path, *, workers: int, groups: int) -> None:
        self.start = datetime(2026, 1, 5, 12, tzinfo=UTC)
        self.clock = StandingClock(self.start)
        telemetry = Telemetry()
        self.store = TimeSeriesStore(folder / "metrics", clock=self.clock, telemetry=telemetry)
        self.database = Database(folder / "monitor.sqlite3")
        queries = QueryRunner(
            self.store, clock=self.clock, telemetry=telemetry, max_samples=100_000_000
        )
        self.selections = SharedSelections(self.store, monotonic=time.monotonic)
        self.queries = queries.build_sibling(workers=workers, queryable=self.selections)
        self.interactive = queries
        loaded = parse_rule_file(
            make_rules(groups),
            file="bench.yml",
            check_expression=lambda expr: parse(expr) and None,
            default_interval=timedelta(seconds=15),
        )
        assert not loaded.errors, loaded.errors
        self.groups: Sequence[RuleGroup] = loaded.groups
        self.telemetry = telemetry
        self.layouts = [RowLayout(make_labels(instance)) for instance in range(INSTANCES)]
        self._rng = np.random.default_rng(3)
        self._values = [np.zeros(len(layout.labels)) for layout in self.layouts]

    async def scrape(self, at_ms: int, *, stagger_ms: int) -> None:
        for number, layout in enumerate(self.layouts):
            values = self._values[number]
            values[:50] += self._rng.poisson(3, 50)
            steps = self._rng.poisson(1, (HANDLERS, len(BUCKETS)))
            values[50:150] += np.cumsum(steps, axis=1).ravel()
            values[150:199] = 1e8 + self._rng.integers(0, 50_000_000, 49)
            values[199] = 1.0
            scraped_ms = at_ms - number * stagger_ms
            await self.store.append_row(f"api/{number}", layout, scraped_ms, values.copy())


def count_errors(runners: Sequence[GroupRunner]) -> list[str]:
    return [
        f"{status.rule.name}: {status.last_error}"
        for runner in runners
        for status in runner.status.rules
        if status.last_error
    ]


async def run(folder: Path, arguments: argparse.Namespace) -> None:
    bench = Bench(folder, workers=arguments.workers, groups=arguments.groups)
    bench.database.start()
    bench.store.open()
    never = asyncio.Event()

    async def wait_for_ever() -> None:
        await never.wait()

    manager = RuleManager(
        bench.groups,
        (),
        querier=GatheringQuerier(bench.queries, clock=bench.clock),
        sink=ForgettingSink(bench.store, bench.selections),
        alerts=Silence(),
        states=SqlRuleStates(bench.database),
        clock=bench.clock,
        telemetry=bench.telemetry,
        wait_until_ready=wait_for_ever,
        config=RulesConfig(max_concurrent_evals=arguments.concurrent),
    )
    await manager.start()
    runners = manager.group_runners
    at_ms = to_milliseconds(bench.start)
    cpu: list[float] = []
    wall: list[float] = []
    try:
        for scrape in range(arguments.history + arguments.evaluations):
            at_ms += INTERVAL_MS
            bench.clock.at = from_milliseconds(at_ms)
            await bench.scrape(at_ms, stagger_ms=arguments.stagger)
            if scrape < arguments.history:
                continue
            cpu_began, wall_began = time.process_time(), time.perf_counter()
            for number, runner in enumerate(runners):
                # Each group has its own moment, as the running monitor spreads them.
                await runner.evaluate(bench.clock.at + timedelta(milliseconds=number))
            cpu.append((time.process_time() - cpu_began) * 1000)
            wall.append((time.perf_counter() - wall_began) * 1000)
    finally:
        await manager.stop()
        bench.queries.stop()
        bench.interactive.stop()
        bench.store.close()
        bench.database.stop()
    for error in count_errors(runners)[:5]:
        print("error:", error)
    alerts = sum(len(status.alerts) for runner in runners for status in runner.status.rules)
    series = sum(len(layout.labels) for layout in bench.layouts)
    print(
        f"{RULES} rules in {arguments.groups} groups over {series} series; {alerts} alerts active"
    )
    steady = cpu[3:] or cpu
    print(
        f"CPU per evaluation of all: median {statistics.median(steady):.0f} ms,"
        f" least {min(steady):.0f} ms; wall: median {statistics.median(wall[3:] or wall):.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--history", type=int, default=80, help="scrapes before the first rule")
    parser.add_argument("--evaluations", type=int, default=15)
    parser.add_argument(
        "--stagger", type=int, default=0, help="milliseconds from one target's scrape to the next"
    )
    parser.add_argument("--groups", type=int, default=GROUPS, help="groups of the 200 rules")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--concurrent", type=int, default=RulesConfig().max_concurrent_evals)
    parser.add_argument("--print-rules", action="store_true", help="print the rule file and end")
    arguments = parser.parse_args()
    if arguments.print_rules:
        print(make_rules(arguments.groups))
        return
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder), arguments))


if __name__ == "__main__":
    main()
