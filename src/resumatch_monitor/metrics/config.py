"""`global`, `scrape_configs` and `metrics`: what is scraped, how often, and how long it is kept."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from resumatch_monitor.kit.models import ConfigModel, Duration, Size, Text, drop_nothings
from resumatch_monitor.metrics.discovery_config import (
    FileSDConfig,
    HTTPSDConfig,
    StaticConfig,
    check_address,
)
from resumatch_monitor.metrics.http_config import (
    HTTP_IDLE_KEYS,
    HTTP_REFUSED_KEYS,
    HTTPClientConfig,
)
from resumatch_monitor.metrics.push_config import PushConfig
from resumatch_monitor.metrics.relabel import RelabelConfig
from resumatch_monitor.metrics.store_config import ExternalStoreConfig

ScrapeProtocol = Literal[
    "PrometheusProto",
    "OpenMetricsText1.0.0",
    "OpenMetricsText0.0.1",
    "PrometheusText1.0.0",
    "PrometheusText0.0.4",
]
_DEFAULT_PROTOCOLS: tuple[ScrapeProtocol, ...] = (
    "OpenMetricsText1.0.0",
    "OpenMetricsText0.0.1",
    "PrometheusText1.0.0",
    "PrometheusText0.0.4",
)
_DISCOVERIES = "static_configs, file_sd_configs and http_sd_configs"
_OTHER_DISCOVERIES = (
    "azure consul digitalocean dns docker dockerswarm ec2 eureka gce hetzner ionos kubernetes kuma"
    " lightsail linode marathon nerve nomad openstack ovhcloud puppetdb scaleway serverset"
    " stackit triton uyuni vultr"
)
_HISTOGRAMS = "histograms are scraped in the text formats, which have only classic ones"


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _find_problem(address: str, place: tuple[int | str, ...]) -> Iterator[InitErrorDetails]:
    try:
        check_address(address)
    except ValueError as error:
        # The text is no template, whatever braces it has.
        shown = PydanticCustomError("address", "{message}", {"message": str(error)})
        yield InitErrorDetails(type=shown, loc=place, input=address)


Limit = Annotated[int, Field(ge=0)]


class ScrapeLimits(ConfigModel):
    """What a job may be at most; in `global` for every job that does not say it itself."""

    body_size_limit: Size | None = Field(
        default=None, ge=0, description="As Prometheus writes it: `10MB`."
    )
    sample_limit: Limit | None = Field(
        default=None,
        description="Samples after relabelling; more are a failed scrape. 0 for"
        " `metrics.series_per_target`.",
    )
    label_limit: Limit | None = Field(
        default=None, description="Labels of a series. 0 for `metrics.labels_per_series`."
    )
    label_name_length_limit: Limit | None = Field(
        default=None, description="Bytes of a label's name. 0 for `metrics.label_name_bytes`."
    )
    label_value_length_limit: Limit | None = Field(
        default=None, description="Bytes of a label's value. 0 for `metrics.label_value_bytes`."
    )
    target_limit: Limit | None = Field(
        default=None,
        description="Targets of a job; with more, all its scrapes fail. 0 for"
        " `metrics.targets_per_job`.",
    )
    keep_dropped_targets: Limit | None = Field(
        default=None, description="How many targets that relabelling dropped are shown. 0 for 1000."
    )
    metric_name_validation_scheme: Literal["legacy", "utf8"] | None = Field(
        default=None,
        description="`legacy`: a scrape with a name beyond letters, digits, underscores and colons"
        " fails. By default every name is taken as it is.",
    )
    metric_name_escaping_scheme: Literal["allow-utf-8", "underscores", "dots", "values"] | None = (
        Field(default=None, description="How a target is asked to write names beyond ASCII.")
    )
    scrape_protocols: list[ScrapeProtocol] | None = Field(
        default=None,
        min_length=1,
        description="What a target is asked for, first choice first; protobuf is not spoken.",
    )
    scrape_classic_histograms: bool = Field(default=False, description=f"Accepted; {_HISTOGRAMS}.")
    always_scrape_classic_histograms: bool = Field(
        default=False, description=f"Accepted; {_HISTOGRAMS}."
    )
    scrape_native_histograms: bool = Field(default=False, description=f"Accepted; {_HISTOGRAMS}.")
    convert_classic_histograms_to_nhcb: bool = Field(
        default=False, description=f"Accepted; {_HISTOGRAMS}."
    )

    _skip_nothings = model_validator(mode="before")(drop_nothings)

    @field_validator("scrape_protocols")
    @classmethod
    def _check_protocols(cls, protocols: list[str] | None) -> list[str] | None:
        for name in protocols or ():
            if (protocols or []).count(name) > 1:
                raise ValueError(f"{name} occurs twice")
        if protocols == ["PrometheusProto"]:
            raise ValueError("PrometheusProto is not spoken; name a text format beside it")
        return protocols


_IDLE_KEYS = {
    "scrape_classic_histograms": _HISTOGRAMS,
    "always_scrape_classic_histograms": _HISTOGRAMS,
    "scrape_native_histograms": _HISTOGRAMS,
    "convert_classic_histograms_to_nhcb": _HISTOGRAMS,
}


class GlobalConfig(ScrapeLimits):
    """Prometheus' `global`."""

    idle_keys: ClassVar[Mapping[str, str]] = {
        **_IDLE_KEYS,
        "query_log_file": "queries are not logged to a file",
    }

    scrape_interval: Duration = timedelta(seconds=15)
    """How often targets are scraped."""
    scrape_timeout: Duration = timedelta(seconds=10)
    """How long a scrape may take."""
    evaluation_interval: Duration = timedelta(seconds=15)
    """How often rules are evaluated."""
    rule_query_offset: Duration = timedelta(0)
    """How far in the past rules look, where their group has no `query_offset`."""
    external_labels: dict[str, Text] = Field(default_factory=dict[str, str])
    """Added to the alerts in every message; `$externalLabels` in rule templates."""
    query_log_file: str = Field(default="", description="Accepted; no such file is written.")


class ScrapeConfig(HTTPClientConfig, ScrapeLimits):
    """Prometheus' `scrape_config`: a job and how its targets are scraped."""

    refused_keys: ClassVar[Mapping[str, str]] = {
        **HTTP_REFUSED_KEYS,
        **{
            f"{name}_sd_configs": f"is not supported; targets come from {_DISCOVERIES}"
            for name in _OTHER_DISCOVERIES.split()
        },
    }
    idle_keys: ClassVar[Mapping[str, str]] = {
        **HTTP_IDLE_KEYS,
        **_IDLE_KEYS,
        "native_histogram_bucket_limit": _HISTOGRAMS,
        "native_histogram_min_bucket_factor": _HISTOGRAMS,
        "scrape_failure_log_file": "failures are on the targets page",
    }

    job_name: Text = Field(min_length=1)
    """The label `job` of its series."""
    scrape_interval: Duration | None = None
    """Instead of `global.scrape_interval`."""
    scrape_timeout: Duration | None = None
    """Instead of `global.scrape_timeout`."""
    metrics_path: str = "/metrics"
    """The path that is scraped."""
    scheme: Literal["http", "https"] = "http"
    """How the target is reached."""
    params: dict[str, Annotated[list[Text], BeforeValidator(_one_or_many)]] = Field(
        default_factory=dict[str, list[str]]
    )
    """Query parameters."""
    honor_labels: bool = False
    """Whether labels of the target win over `job`, `instance` and the configured ones."""
    honor_timestamps: bool = True
    """Whether the target's own timestamps are used."""
    track_timestamps_staleness: bool = Field(
        default=False,
        description="Whether a series with the target's own timestamps is marked when it is gone.",
    )
    enable_compression: bool = True
    """Whether a target is asked to compress its answer."""
    scrape_fallback_protocol: ScrapeProtocol | None = Field(
        default=None, description="How an answer is read whose Content-Type says nothing useful."
    )
    # Room for the 50,000 series of `series_per_target`; several targets may answer at once.
    body_size_limit_bytes: int = Field(
        default=16 * 1024 * 1024,
        gt=0,
        description="A larger answer, unpacked, is a failed scrape; where `body_size_limit` does"
        " not say it.",
    )
    relabel_configs: list[RelabelConfig] = Field(
        default_factory=list[RelabelConfig], description="Applied to what is discovered."
    )
    metric_relabel_configs: list[RelabelConfig] = Field(
        default_factory=list[RelabelConfig], description="Applied to every sample that is scraped."
    )
    static_configs: list[StaticConfig] = Field(default_factory=list[StaticConfig])
    file_sd_configs: list[FileSDConfig] = Field(default_factory=list[FileSDConfig])
    http_sd_configs: list[HTTPSDConfig] = Field(default_factory=list[HTTPSDConfig])
    native_histogram_bucket_limit: Limit = Field(default=0, description=f"Accepted; {_HISTOGRAMS}.")
    native_histogram_min_bucket_factor: float = Field(
        default=0, description=f"Accepted; {_HISTOGRAMS}."
    )
    scrape_failure_log_file: str = Field(
        default="", description="Accepted; failures are on the targets page."
    )

    @property
    def protocols(self) -> tuple[ScrapeProtocol, ...]:
        """What a target is asked for, first choice first."""
        return tuple(self.scrape_protocols or _DEFAULT_PROTOCOLS)

    @field_validator("static_configs")
    @classmethod
    def _check_addresses(
        cls, groups: list[StaticConfig], info: ValidationInfo
    ) -> list[StaticConfig]:
        # With relabelling an address may be anything: what to probe, say.
        if not info.data.get("relabel_configs"):
            problems = [
                problem
                for at, group in enumerate(groups)
                for number, address in enumerate(group.targets)
                for problem in _find_problem(address, (at, "targets", number))
            ]
            if problems:
                raise ValidationError.from_exception_data("static_configs", problems)
        return groups

    @model_validator(mode="after")
    def _check_timeout(self) -> Self:
        if (
            self.scrape_interval is not None
            and self.scrape_timeout is not None
            and self.scrape_timeout > self.scrape_interval
        ):
            raise ValueError("scrape_timeout is longer than scrape_interval")
        return self


PromQLFeature = Literal[
    "promql-experimental-functions",
    "promql-binop-fill-modifiers",
    "promql-duration-expr",
    "type-and-unit-labels",
]


class MetricsConfig(ConfigModel):
    """Where samples are kept and how long, and how much a target may send."""

    store: ExternalStoreConfig | None = Field(
        default=None,
        description="A server that speaks Prometheus' API, instead of the monitor's own store.",
    )
    retention: Duration = timedelta(days=30)
    """How long samples are kept; a server under `store` has its own."""
    retention_size_bytes: int = Field(default=0, ge=0, description="0 for no limit.")
    series_per_target: int = Field(default=50_000, gt=0)
    """A target with more series is a failed scrape."""
    churn_per_target: int = Field(
        default=50_000,
        gt=0,
        description="How many series a target may begin within a day, or twice those that it has"
        " if that is more; beyond that its scrapes fail until there is room again.",
    )
    targets_per_job: int = Field(default=10_000, gt=0)
    """A job with more targets is not scraped."""
    labels_per_series: int = Field(default=64, gt=0)
    """A series with more labels is a failed scrape, or refused if it is pushed."""
    label_name_bytes: int = Field(default=1024, gt=0)
    """A longer name of a label is a failed scrape, or refused."""
    label_value_bytes: int = Field(default=16 * 1024, gt=0)
    """A longer value of a label is a failed scrape, or refused."""
    max_series: int = Field(default=1_000_000, gt=0)
    """How many series there may be at all; each takes about 1 kB of memory."""
    page_cache_bytes: int = Field(default=96 * 1024 * 1024, ge=0)
    """How much memory decoded samples of sealed blocks may take, so that the next query is fast."""
    query_timeout: Duration = timedelta(seconds=30)
    """How long a query may take."""
    query_max_samples: int = Field(default=20_000_000, gt=0)
    """How many samples a query may load and make; each takes 8 bytes, for a while several times."""
    promql_features: list[PromQLFeature] = Field(
        default=[],
        description="Experimental parts of PromQL to allow, by Prometheus' names; see promql.md.",
    )
    push: PushConfig = Field(default_factory=PushConfig)
