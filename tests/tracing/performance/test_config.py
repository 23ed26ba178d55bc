"""Whose Apdex threshold applies."""

from datetime import timedelta

import pytest

from resumatch_monitor.tracing.performance.config import PerformanceConfig

CONFIG = PerformanceConfig.model_validate(
    {
        "apdex_thresholds": [
            {"project": "web", "endpoint": "/blog/[slug]", "threshold": "1s"},
            {"endpoint": "GET /reports/*", "threshold": "5s"},
        ]
    }
)


@pytest.mark.parametrize(
    ("project", "endpoint", "op", "seconds"),
    [
        ("web", "/blog/[slug]", "pageload", 1),
        ("api", "/blog/[slug]", "pageload", 2.5),
        ("web", "/blog/s", "http.server", 0.3),
        ("api", "GET /reports/{id}", "http.server", 5),
        ("api", "GET /users", "http.server", 0.3),
    ],
)
def test_the_first_threshold_that_matches_counts(
    project: str, endpoint: str, op: str, seconds: float
) -> None:
    found = CONFIG.find_apdex_threshold(project, endpoint, op)

    assert found == timedelta(seconds=seconds)
