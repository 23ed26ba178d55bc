"""A reader of spans with one project."""

import pytest

from resumatch_monitor.sentry.scrub import Scrubber
from resumatch_monitor.tracing.config import SpanLimits
from resumatch_monitor.tracing.reading import SpanReader
from tests.tracing.items import RETENTION


class OneProject:
    """Knows project 1, `web`."""

    def slug(self, number: int) -> str:
        return "web" if number == 1 else f"project-{number}"

    def number(self, slug: str) -> int | None:
        return 1 if slug == "web" else None


@pytest.fixture
def reader() -> SpanReader:
    return SpanReader(
        scrubber=Scrubber(["tenant_secret"]),
        projects=OneProject(),
        limits=SpanLimits(attribute_value_length=300, attributes_per_span=40),
        retention=RETENTION,
    )
