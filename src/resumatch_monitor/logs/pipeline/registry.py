"""Which function does the work of which step."""

from collections.abc import Callable, Mapping
from typing import Any

from resumatch_monitor.logs.pipeline.choosing import build_drop, build_sample
from resumatch_monitor.logs.pipeline.editing import (
    build_redact,
    build_remove,
    build_rename,
    build_set,
    build_severity,
    build_user_agent,
)
from resumatch_monitor.logs.pipeline.parsing import (
    Apply,
    Surroundings,
    build_combined,
    build_grok,
    build_json,
    build_logfmt,
    build_regex,
)
from resumatch_monitor.logs.pipeline.telling import build_count, build_event_order
from resumatch_monitor.logs.pipeline.times import build_timestamp

BUILDERS: Mapping[str, Callable[[Any, Surroundings], Apply]] = {
    "json": build_json,
    "logfmt": build_logfmt,
    "combined": build_combined,
    "regex": build_regex,
    "grok": build_grok,
    "timestamp": build_timestamp,
    "severity": build_severity,
    "rename": build_rename,
    "set": build_set,
    "remove": build_remove,
    "drop": build_drop,
    "sample": build_sample,
    "redact": build_redact,
    "user_agent": build_user_agent,
    "count": build_count,
    "event": build_event_order,
}
"""By the step's `type`; a builder takes the step's own model."""
