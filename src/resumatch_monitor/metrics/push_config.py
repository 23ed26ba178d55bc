"""`metrics.push`: bounds for what remote write and OTLP bring."""

from datetime import timedelta

from pydantic import Field

from resumatch_monitor.kit.models import ConfigModel, Duration


class PushConfig(ConfigModel):
    """What is accepted of metrics that are pushed, by remote write and by OTLP."""

    body_size_limit_bytes: int = Field(default=16 * 1024 * 1024, gt=0)
    """A larger request of remote write, packed or unpacked, is refused."""
    otlp_body_size_limit_bytes: int = Field(default=4 * 1024 * 1024, gt=0)
    """The same for OTLP, whose messages take more memory once they are parsed."""
    promote_resource_attributes: list[str] = Field(
        default_factory=list[str],
        description=(
            "Attributes of OTLP resources that become labels of every series, not of `target_info`"
            " alone; `deployment.environment.name`, for example."
        ),
    )
    max_exemplars: int = Field(default=50_000, ge=0)
    """How many exemplars are kept; the oldest give way. 0 for none."""
    max_delta_series: int = Field(default=100_000, gt=0)
    """How many series that OTLP sends as deltas are summed up at a time."""
    delta_expiry: Duration = timedelta(hours=1)
    """A series of deltas that nothing came for is summed up from zero again."""
