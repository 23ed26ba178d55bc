"""Results as series, named as blackbox_exporter names them."""

from collections.abc import Mapping
from datetime import datetime

import numpy as np

from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.metrics.labels import METRIC_NAME, Labels
from resumatch_monitor.metrics.samples import STALE, RowLayout, SampleSink
from resumatch_monitor.probes.http import PHASES
from resumatch_monitor.probes.probe import ProbeResult

JOB = "probe"


class ProbeSeries:
    """Writes a probe's results as rows of one target."""

    def __init__(
        self,
        *,
        sink: SampleSink,
        probe_id: str,
        name: str,
        target: str,
        is_http: bool,
        labels: Mapping[str, str],
    ) -> None:
        self._sink = sink
        self._target_key = f"{JOB}/{probe_id}"
        self._labels = {**labels, "job": JOB, "instance": target, "probe": name}
        self._is_http = is_http
        self._has_certificate = False
        self._layout = self._build_layout()
        self._last_ms = 0

    async def write(self, result: ProbeResult, at: datetime) -> None:
        """Append one row.

        Raises:
            StoreFullError: If the store refuses.
        """
        if result.certificate_expires_at is not None and not self._has_certificate:
            self._has_certificate = True
            self._layout = self._build_layout()
        # Rows of a target must ascend; a clock that was set back must not stop them.
        at_ms = max(to_milliseconds(at), self._last_ms + 1)
        values = np.array(self._list_values(result), dtype=np.float64)
        await self._sink.append_row(self._target_key, self._layout, at_ms, values)
        self._last_ms = at_ms

    def _build_layout(self) -> RowLayout:
        names: list[tuple[str, str]] = [("probe_success", ""), ("probe_duration_seconds", "")]
        if self._is_http:
            names.append(("probe_http_status_code", ""))
            names += [("probe_http_duration_seconds", phase) for phase in PHASES]
        if self._has_certificate:
            names.append(("probe_ssl_earliest_cert_expiry", ""))
        return RowLayout(
            [
                Labels.of({**self._labels, METRIC_NAME: name, "phase": phase})
                for name, phase in names
            ]
        )

    def _list_values(self, result: ProbeResult) -> list[float]:
        values = [float(result.is_success), result.duration_seconds]
        if self._is_http:
            values.append(float(result.status_code or 0))
            values += [result.phases.get(phase, 0.0) for phase in PHASES]
        if self._has_certificate:
            expiry = result.certificate_expires_at
            values.append(STALE if expiry is None else expiry.timestamp())
        return values
