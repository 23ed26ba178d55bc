"""`tracing`: how long spans are kept, how much of the disk they may take, what is cut."""

from datetime import timedelta

from pydantic import Field

from resumatch_monitor.kit.models import ConfigModel, Duration, Size

_MIB = 1024 * 1024


class SpanLimits(ConfigModel):
    """What is cut off spans; nothing is refused for being larger."""

    spans_per_segment: int = Field(default=10_000, gt=0, le=100_000)
    """Later spans of a segment are dropped and counted."""
    spans_per_request: int = Field(default=20_000, gt=0, le=1_000_000)
    """Later spans of an OTLP request are refused, as a partial success."""
    attributes_per_span: int = Field(default=128, gt=0, le=1_000)
    """Further attributes of a span are left out."""
    attribute_value_length: int = Field(default=2_048, gt=0, le=65_536)
    """Longer texts are cut."""
    events_per_span: int = Field(default=32, ge=0, le=1_000)
    """Further events of a span (OpenTelemetry's) are left out."""
    links_per_span: int = Field(default=32, ge=0, le=1_000)
    """Further links of a span are left out."""


class TracingConfig(ConfigModel):
    """Traces: retention, room, limits."""

    retention: Duration = timedelta(days=30)
    """How long traces are kept."""
    max_bytes: Size = Field(
        default=5 * 1024 * _MIB,
        ge=16 * _MIB,
        description="How much of the disk traces may take. Beyond it, of the oldest days only the"
        " valuable traces are kept (those with an error, the slowest of each name, and a tenth of"
        " the rest), and when that is not enough, the oldest days go.",
    )
    spool_max_bytes: Size = Field(default=512 * _MIB, ge=_MIB)
    """How much may wait to be digested; beyond that senders are told to slow down."""
    settle: Duration = Field(
        default=timedelta(seconds=10),
        description="How long what belongs to a request may arrive after its root, to be counted"
        " in performance figures.",
    )
    scrub_keys: list[str] = Field(
        default_factory=list[str],
        description="Attributes scrubbed beside the built-in ones and `errors.scrub_keys`.",
    )
    limits: SpanLimits = Field(default_factory=SpanLimits)
