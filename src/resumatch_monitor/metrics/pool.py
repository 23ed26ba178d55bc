"""One scrape configuration, worked out: intervals, limits, relabelling, what is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from resumatch_monitor.metrics.config import (
    GlobalConfig,
    MetricsConfig,
    ScrapeConfig,
    ScrapeProtocol,
)
from resumatch_monitor.metrics.relabel import Relabeller

_KEPT_DROPPED_TARGETS = 1_000
_MEDIA_TYPES: dict[ScrapeProtocol, str] = {
    "OpenMetricsText1.0.0": "application/openmetrics-text;version=1.0.0",
    "OpenMetricsText0.0.1": "application/openmetrics-text;version=0.0.1",
    "PrometheusText1.0.0": "text/plain;version=1.0.0",
    "PrometheusText0.0.4": "text/plain;version=0.0.4",
}
_ESCAPING_PROTOCOLS = frozenset(("OpenMetricsText1.0.0", "PrometheusText1.0.0"))
_HIGHEST_WEIGHT = 6


@dataclass(frozen=True, slots=True)
class SampleLimits:
    """What a target may expose; each is above 0.

    Attributes:
        body_bytes: Of an answer, unpacked.
        samples: Of a scrape, after relabelling.
        scraped_samples: Of a scrape, before relabelling.
        series_per_day: How many series it may begin in a day, if it has not more than half of them.
        labels: Of a series, its target's and its name included.
        name_bytes: Of a label's name.
        value_bytes: Of a label's value.
        targets: Of a job.
        kept_dropped_targets: Of those that relabelling dropped, how many are shown.
    """

    body_bytes: int
    samples: int
    scraped_samples: int
    series_per_day: int
    labels: int
    name_bytes: int
    value_bytes: int
    targets: int
    kept_dropped_targets: int


@dataclass(frozen=True, slots=True, eq=False)
class ScrapePool:
    """What all targets of a scrape configuration share."""

    config: ScrapeConfig
    interval: timedelta
    timeout: timedelta
    limits: SampleLimits
    relabel: Relabeller
    metric_relabel: Relabeller
    accept: str
    legacy_names: bool

    @property
    def name(self) -> str:
        """What the configuration calls it."""
        return self.config.job_name


def build_pool(
    config: ScrapeConfig, global_config: GlobalConfig, metrics: MetricsConfig
) -> ScrapePool:
    """Work out a scrape configuration.

    Raises:
        ValueError: If its time-out is longer than its interval.
    """
    interval = config.scrape_interval or global_config.scrape_interval
    timeout = config.scrape_timeout or min(global_config.scrape_timeout, interval)
    if timeout > interval:
        raise ValueError(
            f"scrape_configs, job {config.job_name!r}: scrape_timeout is longer than"
            " scrape_interval"
        )
    scheme = config.metric_name_validation_scheme or global_config.metric_name_validation_scheme
    legacy_names = scheme == "legacy"
    return ScrapePool(
        config=config,
        interval=interval,
        timeout=timeout,
        limits=_work_out_limits(config, global_config, metrics),
        relabel=Relabeller(config.relabel_configs, legacy_names=legacy_names),
        metric_relabel=Relabeller(config.metric_relabel_configs, legacy_names=legacy_names),
        accept=_render_accept(
            config.scrape_protocols or global_config.scrape_protocols or list(_MEDIA_TYPES),
            config.metric_name_escaping_scheme
            or global_config.metric_name_escaping_scheme
            or ("underscores" if legacy_names else "allow-utf-8"),
        ),
        legacy_names=legacy_names,
    )


def _work_out_limits(
    config: ScrapeConfig, global_config: GlobalConfig, metrics: MetricsConfig
) -> SampleLimits:
    def choose(own: int | None, everyones: int | None, default: int) -> int:
        return (everyones if own is None else own) or default

    samples = choose(config.sample_limit, global_config.sample_limit, metrics.series_per_target)
    return SampleLimits(
        body_bytes=choose(
            config.body_size_limit, global_config.body_size_limit, config.body_size_limit_bytes
        ),
        samples=samples,
        # What relabelling will drop has to be read first.
        scraped_samples=(
            max(samples, metrics.series_per_target) * (4 if config.metric_relabel_configs else 1)
        ),
        series_per_day=metrics.churn_per_target,
        labels=choose(config.label_limit, global_config.label_limit, metrics.labels_per_series),
        name_bytes=choose(
            config.label_name_length_limit,
            global_config.label_name_length_limit,
            metrics.label_name_bytes,
        ),
        value_bytes=choose(
            config.label_value_length_limit,
            global_config.label_value_length_limit,
            metrics.label_value_bytes,
        ),
        targets=choose(config.target_limit, global_config.target_limit, metrics.targets_per_job),
        kept_dropped_targets=min(
            choose(
                config.keep_dropped_targets,
                global_config.keep_dropped_targets,
                _KEPT_DROPPED_TARGETS,
            ),
            _KEPT_DROPPED_TARGETS,
        ),
    )


def _render_accept(protocols: Sequence[ScrapeProtocol], escaping: str) -> str:
    """Return the header `Accept` as Prometheus 3 writes it."""
    parts: list[str] = []
    for weight, protocol in enumerate(protocols):
        if protocol in _MEDIA_TYPES:
            suffix = f";escaping={escaping}" if protocol in _ESCAPING_PROTOCOLS else ""
            parts.append(f"{_MEDIA_TYPES[protocol]}{suffix};q=0.{_HIGHEST_WEIGHT - weight}")
    return ",".join((*parts, f"*/*;q=0.{_HIGHEST_WEIGHT - len(protocols)}"))
