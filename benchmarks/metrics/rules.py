"""Evaluating 200 alerting rules over 10,000 series: processor time a round."""

import time

from benchmarks.metrics.data import COUNTERS, MINUTE_MS, make_dataset
from benchmarks.metrics.load import encode_bulk, load, now_ms
from benchmarks.metrics.plan import Plan, Result
from benchmarks.metrics.systems import OURS, Setup, System, run_system
from tests.support.peers import PROMETHEUS

_COUNTERS = {
    OURS: "resumatch_monitor_rule_evaluations_total",
    PROMETHEUS: "prometheus_rule_evaluations_total",
}
_AHEAD_MINUTES = 8
_BEHIND_MINUTES = 12
_START_SECONDS = 60

_EXPRESSIONS = {
    "ErrorRatio": 'sum(rate(http_requests_total{{{h},status=~"5.."}}[5m]))'
    " / sum(rate(http_requests_total{{{h}}}[5m])) > 0.25",
    "NoTraffic": "sum by (instance) (rate(http_requests_total{{{h}}}[5m])) == 0",
    "ManyClientErrors": "sum by (method)"
    ' (increase(http_requests_total{{{h},status=~"4.."}}[10m])) > 6000',
    "UnevenLoad": 'max by (instance) (rate(http_requests_total{{{h},method="GET"}}[5m]))'
    ' > on () group_left () (4 * avg(rate(http_requests_total{{{h},method="GET"}}[5m])))',
}


def measure(plan: Plan) -> Result:
    """Load samples around this moment, and let one system after the other evaluate rules."""
    rules = plan.folder / "rules.yml"
    rules.write_text(render_rules(plan.rule_count))
    found: Result = {"systems": {}, "rules": plan.rule_count}
    for name in _COUNTERS:
        if name not in plan.systems:
            continue
        folder = plan.folder / f"rules-{name}"
        # Some lie ahead, so that the windows are as full in the last round as in the first.
        dataset = make_dataset(
            COUNTERS,
            series=plan.series,
            samples=(_AHEAD_MINUTES + _BEHIND_MINUTES) * 4,
            end_ms=now_ms() + _AHEAD_MINUTES * MINUTE_MS,
        )
        with run_system(name, folder) as system:
            load(system, encode_bulk(dataset, plan))
        with run_system(name, folder) as system:
            system.meter().wait_until_quiet(least_seconds=3, most_seconds=60)
            idle = system.meter().measure_idle(plan.idle_seconds)
        with run_system(name, folder, Setup(rules=rules, rule_seconds=1)) as system:
            found["systems"][name] = _measure_rounds(system, plan, idle)
    return found


def _measure_rounds(system: System, plan: Plan, idle: float) -> Result:
    deadline = time.monotonic() + _START_SECONDS
    # The first rounds also parse, compile and make alerts pending.
    while _count_evaluations(system) < 3 * plan.rule_count and time.monotonic() < deadline:
        time.sleep(0.2)
    before, meter = _count_evaluations(system), system.meter()
    time.sleep(plan.rule_seconds)
    spent, evaluations = meter.read(), _count_evaluations(system) - before
    rounds = evaluations / plan.rule_count
    if not rounds:
        raise RuntimeError(f"{system.name} evaluated no rules")
    return {
        "rounds": rounds,
        "cpu_seconds_per_round": (spent.cpu - idle * spent.wall) / rounds,
        "wall_seconds": spent.wall,
        "idle_cpu_fraction": idle,
        "active_alerts": _count_alerts(system),
    }


def _count_evaluations(system: System) -> float:
    client = system.connect()
    text = client.fetch("/metrics").decode()
    client.close()
    name = _COUNTERS[system.name]
    return sum(
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith((f"{name}{{", f"{name} "))
    )


def _count_alerts(system: System) -> int:
    client = system.connect()
    found = client.fetch_json("/api/v1/alerts")["data"]["alerts"]
    client.close()
    return len(found)


def render_rules(count: int) -> str:
    """Return `count` alerting rules in one group, which together read every series."""
    lines = ["groups:", "  - name: api", "    interval: 1s", "    rules:"]
    for number in range(count):
        name = list(_EXPRESSIONS)[number % len(_EXPRESSIONS)]
        matcher = f'handler="/api/v1/resource/{number // len(_EXPRESSIONS)}"'
        expression = _EXPRESSIONS[name].format(h=matcher)
        lines += [
            f"      - alert: {name}{number}",
            f"        expr: '{expression}'",
            "        for: 1m",
            "        labels: {severity: warning}",
            "        annotations:",
            "          summary: '{{ $labels.instance }} has {{ $value | humanize }}'",
        ]
    return "\n".join(lines) + "\n"
