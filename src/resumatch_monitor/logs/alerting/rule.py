"""A rule over records, ready to be asked; what its alerts are called and say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from resumatch_monitor.alerts.alert import ALERT_NAME, SEVERITY, Alert, AlertSource
from resumatch_monitor.alerts.state import ActiveAlert, Observation
from resumatch_monitor.kit.durations import format_duration
from resumatch_monitor.logs.alerting.config import LogRuleConfig
from resumatch_monitor.logs.fields import resolve_field
from resumatch_monitor.logs.query.parser import parse_query
from resumatch_monitor.logs.query.tree import And, Equals, Node
from resumatch_monitor.logs.record import LogRecord, name_severity
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.otlp.names import name_label

LONGEST_VALUE = 200
_LONGEST_LINE = 400
_LONGEST_TEXT = 2_000
_PLACEHOLDER = re.compile(r"\{\{ {0,4}\$(?:value|labels\.([A-Za-z_][A-Za-z0-9_]{0,99})) {0,4}\}\}")


@dataclass(frozen=True, slots=True)
class LogRule:
    """A rule.

    Attributes:
        field: By whose values records are grouped; empty without groups.
        label: What the field is called as a label.
    """

    config: LogRuleConfig
    node: Node
    field: str = ""
    label: str = ""

    @property
    def name(self) -> str:
        """The alert's name."""
        return self.config.name

    def holds(self, count: int) -> bool:
        """Tell whether so many records are what people are told of."""
        if self.config.above is not None:
            return count > self.config.above
        return self.config.below is not None and count < self.config.below

    def narrow(self, value: str) -> Node:
        """Return what finds the records of one group."""
        return And((self.node, Equals(self.field, value)))

    def label_alert(self, value: str) -> Labels:
        """Return the labels of the alert of a group, or of the rule's only one."""
        own = {ALERT_NAME: self.name, SEVERITY: self.config.severity}
        group = {self.label: value[:LONGEST_VALUE]} if self.label else {}
        return Labels.of({**self.config.labels, **group, **own})

    def observe(self, value: str, count: int, newest: LogRecord | None) -> Observation:
        """Return what is seen of a group for which the condition holds."""
        labels = self.label_alert(value)
        texts = {
            "summary": self._summarise(value, count),
            "description": describe_newest(newest) or "No record of it is there.",
            **self.config.annotations,
        }
        annotations = {name: _fill(text, labels, count) for name, text in texts.items()}
        return Observation(labels, annotations, float(count))

    def build_alert(self, alert: ActiveAlert, ends_at: datetime | None = None) -> Alert:
        """Return an alert as dispatch takes it; firing without `ends_at`."""
        return Alert(
            labels=alert.labels,
            annotations=alert.annotations,
            starts_at=alert.active_at,
            ends_at=None if ends_at is None else max(ends_at, alert.active_at),
            source=AlertSource.LOG,
            generator_path=self._render_path(alert.labels),
            value=alert.value,
        )

    def _summarise(self, value: str, count: int) -> str:
        records = "1 record" if count == 1 else f"{count:,} records"
        group = f" with {self.config.group_by} {value[:LONGEST_VALUE]}" if self.label else ""
        window = format_duration(self.config.window)
        return f"{records}{group} in {window} of: {self.config.query or 'all records'}"

    def _render_path(self, labels: Mapping[str, str]) -> str:
        query = self.config.query
        if self.label and self.label in labels:
            value = labels[self.label].replace("\\", "\\\\").replace('"', '\\"')
            group = f'{self.config.group_by}:"{value}"'
            query = f"({query}) {group}" if query.strip() else group
        return "/logs?" + urlencode({"query": query})


def build_rule(config: LogRuleConfig) -> LogRule:
    """Return the rule that a configuration describes."""
    node = parse_query(config.query)
    if config.group_by is None:
        return LogRule(config, node)
    field = resolve_field(config.group_by)
    label = name_label(config.group_by)
    # The severity of the alert is not that of the records.
    return LogRule(config, node, field, "level" if label == SEVERITY else label)


def describe_newest(record: LogRecord | None) -> str:
    """Return a line that shows a record; empty without one."""
    if record is None:
        return ""
    at = datetime.fromtimestamp(record.timestamp_us // 1_000_000, UTC)
    parts = (record.service, name_severity(record.severity))
    who = " ".join(part for part in parts if part)
    body = " ".join((record.body or record.stack_trace)[: 4 * _LONGEST_LINE].split())
    text = body if len(body) <= _LONGEST_LINE else f"{body[:_LONGEST_LINE]}…"
    return f"Newest, {at:%H:%M:%S} UTC{' ' + who if who else ''}: {text}"


def _fill(text: str, labels: Mapping[str, str], count: int) -> str:
    def replace(match: re.Match[str]) -> str:
        return str(count) if match[1] is None else labels.get(match[1], "")

    return _PLACEHOLDER.sub(replace, text)[:_LONGEST_TEXT]
