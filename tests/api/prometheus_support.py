"""What the routes of Prometheus' API are built over in their tests."""

from dataclasses import replace
from typing import Any

from resumatch_monitor.api.prometheus_metadata import Suppliers


def make_suppliers(**over: Any) -> Suppliers:
    """Return suppliers of nothing, but for those that are given."""
    empty = Suppliers(
        rules=lambda _: {"groups": []},
        alerts=lambda: {"alerts": []},
        targets=lambda: {"activeTargets": [], "droppedTargets": []},
        scrape_pools=list,
        target_metadata=list,
        metadata=list,
    )
    return replace(empty, **over)
