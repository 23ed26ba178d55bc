"""From discovered labels to targets."""

from typing import Any

import pytest

from resumatch_monitor.metrics.config import GlobalConfig, MetricsConfig, ScrapeConfig
from resumatch_monitor.metrics.pool import build_pool
from resumatch_monitor.metrics.targets import BuiltTargets, build_pool_targets


def build(*discovered: dict[str, str], **config: Any) -> BuiltTargets:
    scrape = ScrapeConfig.model_validate({"job_name": "app", **config})
    pool = build_pool(scrape, GlobalConfig(), MetricsConfig())
    return build_pool_targets(pool, discovered)


def test_labels_steer_the_scrape_and_are_gone_afterwards() -> None:
    (target,) = build(
        {
            "__address__": "a:80",
            "__scheme__": "https",
            "__metrics_path__": "m",
            "__param_module": "x y",
            "__scrape_interval__": "1m",
            "__scrape_timeout__": "20s",
            "__meta_zone": "eu",
            "__tmp": "1",
            "env": "test",
            "empty": "",
        },
        params={"module": ["one", "two"], "z": ["3"]},
    ).targets

    # As in Prometheus, what `params` says comes before what is discovered.
    assert target.url == "https://a:80/m?module=one&module=two&z=3"
    assert target.labels == {"job": "app", "instance": "a:80", "env": "test"}
    assert (target.interval.total_seconds(), target.timeout.total_seconds()) == (60, 20)
    assert target.discovered["__meta_zone"] == "eu"


def test_the_same_target_twice_is_one() -> None:
    built = build({"__address__": "a:80"}, {"__address__": "a:80", "__meta_x": "1"})
    assert len(built.targets) == 1


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"env": "x"}, "there is no __address__"),
        ({"__address__": "a/b"}, "is not host:port"),
        ({"__address__": "a", "__scheme__": "ftp"}, "__scheme__ is 'ftp', not http or https"),
        ({"__address__": "a", "__scrape_interval__": "soon"}, "__scrape_interval__: 'soon' is not"),
        ({"__address__": "a", "__scrape_interval__": "0s"}, "more than 0 and at most a year"),
        ({"__address__": "a", "__scrape_interval__": "2y"}, "more than 0 and at most a year"),
        ({"__address__": "a", "__scrape_interval__": "5ms", "__scrape_timeout__": "5ms"},
         "at least 100ms"),
        ({"__address__": "a", "__scrape_timeout__": "1h"},
         "__scrape_timeout__ 1h is longer than __scrape_interval__ 15s"),
    ],
)  # fmt: skip
def test_what_makes_no_target_costs_only_itself(labels: dict[str, str], message: str) -> None:
    built = build(labels, {"__address__": "fine:80"})

    assert [target.instance for target in built.targets] == ["fine:80"]
    assert built.count_problems == 1
    assert message in built.problems[0]


def test_only_the_first_problems_are_told() -> None:
    built = build(*({"__address__": f"a/{number}"} for number in range(50)))

    assert len(built.problems) == 10
    assert built.count_problems == 50
