"""`logs`: how long records are kept, how much of the disk they may take, what a door takes."""

from collections import Counter
from datetime import timedelta

from pydantic import Field, SecretStr, field_validator

from resumatch_monitor.kit.models import ConfigModel, Duration, Size
from resumatch_monitor.logs.alerting.config import LogRuleConfig
from resumatch_monitor.logs.files.config import LogFileConfig
from resumatch_monitor.logs.pipeline.config import PipelineConfig
from resumatch_monitor.logs.syslog.config import SyslogConfig

_MIB = 1024 * 1024


class VercelDrainConfig(ConfigModel):
    """A log drain of Vercel; its address is `/api/<project>/drain/vercel`."""

    project: str = Field(min_length=1)
    """The slug of the project that it belongs to."""
    secret: SecretStr = Field(min_length=8)
    """What Vercel signs with, as shown when the drain is made."""
    verification_code: str = ""
    """Shown by Vercel beside the address, which must answer with it (`x-vercel-verify`)."""


class LogsConfig(ConfigModel):
    """Logs: retention, room, bounds."""

    retention: Duration = timedelta(days=30)
    """How long records are kept, counted from their arrival."""
    max_bytes: Size = Field(
        default=20 * 1024 * _MIB,
        ge=64 * _MIB,
        description="How much of the disk logs may take; beyond it the oldest go.",
    )
    spool_max_bytes: Size = Field(
        default=1024 * _MIB,
        ge=_MIB,
        description="How much may wait to be indexed; beyond that senders are slowed down.",
    )
    body_max_bytes: Size = Field(default=64 * _MIB, gt=0)
    """A larger request, once it is unpacked, is refused with 413."""
    vercel: list[VercelDrainConfig] = Field(
        default_factory=list[VercelDrainConfig], description="Vercel's log drains, by project."
    )
    scrub_keys: list[str] = Field(
        default_factory=list[str],
        description="Attributes scrubbed beside the built-in ones and `errors.scrub_keys`.",
    )
    pipelines: list[PipelineConfig] = Field(
        default_factory=list[PipelineConfig],
        max_length=100,
        description="What is done with records before they are stored, in order.",
    )
    files: list[LogFileConfig] = Field(
        default_factory=list[LogFileConfig],
        max_length=100,
        description="Files that are followed; each belongs to the first pattern that it matches.",
    )
    syslog: list[SyslogConfig] = Field(
        default_factory=list[SyslogConfig],
        max_length=10,
        description="Where syslog is taken: with TLS from elsewhere, say, and in clear from here.",
    )
    rules: list[LogRuleConfig] = Field(
        default_factory=list[LogRuleConfig],
        max_length=200,
        description="Of which records people are told.",
    )

    @field_validator("rules")
    @classmethod
    def _check_names(cls, rules: list[LogRuleConfig]) -> list[LogRuleConfig]:
        names = Counter(rule.name for rule in rules)
        for name, count in names.items():
            if count > 1:
                raise ValueError(f"{count} rules are called {name!r}; their alerts would be one")
        return rules
