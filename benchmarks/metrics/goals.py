"""The goals, and whether what was measured meets them."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.metrics.plan import Result
from benchmarks.metrics.systems import OURS
from tests.support.peers import PROMETHEUS, VICTORIA_METRICS

_QUERY_RATIO = 8.0
_INSTANT_RATIO = 3.0
_BYTES = 0.7
_SCRAPED = 2_000_000
_WRITTEN = 300_000
_RULE_SHARE = 1 / 3
_SLOPE = 1.1
_START_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """One goal beside what was measured.

    Attributes:
        measured: In words, with the peer's figure beside it.
        factor: By how much the goal is met (1 or more) or missed (less than 1).
    """

    goal: str
    wanted: str
    measured: str
    factor: float

    @property
    def is_met(self) -> bool:
        return self.factor >= 1

    def describe(self) -> str:
        """Return whether it is met, and otherwise by how much it is missed."""
        return "met" if self.is_met else f"**missed**: {self.factor:.2f} of it"


def judge(found: Result) -> list[Verdict]:
    """Return a verdict for every goal whose section was measured on all that it compares."""
    verdicts: list[Verdict] = []
    for judge_section in _JUDGES:
        try:
            verdicts += judge_section(found)
        except KeyError:
            # The section, or the peer in it, was not measured.
            continue
    return verdicts


def list_ratios(found: Result, peer: str, *, is_range: bool) -> dict[str, float]:
    """Return how many times as long as ours the peer's median is, for each query."""
    return {
        name: query["systems"][peer]["median_seconds"] / query["systems"][OURS]["median_seconds"]
        for name, query in found["queries"]["queries"].items()
        if query["is_range"] == is_range and {peer, OURS} <= query["systems"].keys()
    }


def _judge_range(found: Result) -> list[Verdict]:
    ratios = list_ratios(found, PROMETHEUS, is_range=True)
    median = statistics.median(ratios.values())
    least = min(ratios, key=lambda name: ratios[name])
    return [
        Verdict(
            "range queries against Prometheus",
            f"≥ {_QUERY_RATIO:g}x faster in the median",
            f"{median:.1f}x in the median of {len(ratios)}, least {ratios[least]:.1f}x ({least})",
            median / _QUERY_RATIO,
        )
    ]


def _judge_victoria(found: Result) -> list[Verdict]:
    ratios = list_ratios(found, VICTORIA_METRICS, is_range=True)
    median = statistics.median(ratios.values())
    slower = [f"{name} {ratio:.2f}x" for name, ratio in ratios.items() if ratio < 1]
    tail = f"; slower in: {', '.join(slower)}" if slower else "; faster in each"
    return [
        Verdict(
            "range queries against VictoriaMetrics",
            "faster",
            f"{median:.1f}x in the median{tail}",
            min(ratios.values()),
        )
    ]


def _judge_instant(found: Result) -> list[Verdict]:
    ratios = list_ratios(found, PROMETHEUS, is_range=False)
    return [
        Verdict(
            "instant query over all series",
            f"≥ {_INSTANT_RATIO:g}x faster than Prometheus",
            ", ".join(f"{name.removeprefix('instant, ')} {r:.1f}x" for name, r in ratios.items()),
            min(ratios.values()) / _INSTANT_RATIO,
        )
    ]


def _judge_disk(found: Result) -> list[Verdict]:
    def per_sample(name: str) -> float:
        each = found["disk"][name]
        return float(each["sealed_bytes"] / each["samples"])

    return [
        Verdict(
            "bytes a sample on disk",
            f"≤ {_BYTES}",
            f"{per_sample(OURS):.2f}; Prometheus {per_sample(PROMETHEUS):.2f},"
            f" VictoriaMetrics {per_sample(VICTORIA_METRICS):.2f}",
            _BYTES / per_sample(OURS),
        )
    ]


def _judge_scrape(found: Result) -> list[Verdict]:
    stored = found["scrape"]["stored"]["samples_per_cpu_second"]
    rate = {name: found["scrape"][name]["samples_per_cpu_second"] for name in (OURS, PROMETHEUS)}
    return [
        Verdict(
            "scraping, parse to durable",
            f"≥ {_SCRAPED:,} samples a CPU second",
            f"{stored:,.0f}; with the fetching {rate[OURS]:,.0f}, Prometheus"
            f" {rate[PROMETHEUS]:,.0f}",
            stored / _SCRAPED,
        )
    ]


def _judge_write(found: Result) -> list[Verdict]:
    rate = {name: found["write"][name]["samples_per_cpu_second"] for name in (OURS, PROMETHEUS)}
    return [
        Verdict(
            "remote write, as an agent sends",
            f"≥ {_WRITTEN:,} samples a CPU second",
            f"{rate[OURS]:,.0f}; Prometheus {rate[PROMETHEUS]:,.0f}",
            rate[OURS] / _WRITTEN,
        )
    ]


def _judge_bulk(found: Result) -> list[Verdict]:
    loads = found["queries"]["loads"]["counters"]
    rate = {name: loads[name]["samples_per_cpu_second"] for name in (OURS, PROMETHEUS)}
    return [
        Verdict(
            "remote write, back-fill",
            f"≥ {_WRITTEN:,} samples a CPU second",
            f"{rate[OURS]:,.0f}; Prometheus {rate[PROMETHEUS]:,.0f}",
            rate[OURS] / _WRITTEN,
        )
    ]


def _judge_rules(found: Result) -> list[Verdict]:
    systems = found["rules"]["systems"]
    spent = {name: systems[name]["cpu_seconds_per_round"] for name in (OURS, PROMETHEUS)}
    share = spent[OURS] / spent[PROMETHEUS]
    return [
        Verdict(
            f"{found['rules']['rules']} alerting rules",
            "≤ a third of Prometheus' CPU time",
            f"{share:.2f} of it: {spent[OURS] * 1000:.0f} ms and"
            f" {spent[PROMETHEUS] * 1000:.0f} ms a round",
            _RULE_SHARE / share,
        )
    ]


def _judge_memory(found: Result) -> list[Verdict]:
    loads = found["queries"]["loads"]["counters"]
    written = loads[OURS]["samples"] / 1e6
    places = {
        "resident memory, scraped series live": found["scrape"],
        f"resident memory, {written:.1f} M samples written": loads,
    }
    verdicts: list[Verdict] = []
    for goal, systems in places.items():
        mine, theirs = (systems[name]["resident_bytes"] / 2**20 for name in (OURS, PROMETHEUS))
        peaks = (systems[name]["peak_bytes"] / 2**20 for name in (OURS, PROMETHEUS))
        verdicts.append(
            Verdict(
                goal,
                "≤ Prometheus'",
                f"{mine:.0f} MiB; Prometheus {theirs:.0f} MiB"
                f" (at most {next(peaks):.0f} and {next(peaks):.0f})",
                theirs / mine,
            )
        )
    return verdicts


def _judge_growth(found: Result) -> list[Verdict]:
    slopes = found["growth"]["systems"][OURS]["slopes"]
    worst = max(slopes, key=lambda key: slopes[key])
    sizes = found["growth"]["series"]
    return [
        Verdict(
            f"growth, {sizes[0]:,} to {sizes[-1]:,} series",
            f"no worse than linear (exponent ≤ {_SLOPE})",
            f"worst exponent {slopes[worst]:.2f} ({worst.replace('_', ' ')})",
            _SLOPE / slopes[worst] if slopes[worst] > 0 else 1.0,
        )
    ]


def _judge_start(found: Result) -> list[Verdict]:
    verdicts: list[Verdict] = []
    for shape in ("scraped", "pushed"):
        each = found["startup"][shape]
        samples = each["state"]["head_samples"]
        verdicts.append(
            Verdict(
                f"start-up on {samples / 1e6:.1f} M {shape} head samples",
                f"< {_START_SECONDS:g} s",
                f"{each['seconds']:.2f} s to ready, of it the store"
                f" {each['state']['open_duration_seconds']:.2f} s",
                _START_SECONDS / each["seconds"],
            )
        )
    return verdicts


_JUDGES: tuple[Callable[[Result], list[Verdict]], ...] = (
    _judge_range,
    _judge_victoria,
    _judge_instant,
    _judge_disk,
    _judge_scrape,
    _judge_write,
    _judge_bulk,
    _judge_rules,
    _judge_memory,
    _judge_growth,
    _judge_start,
)
