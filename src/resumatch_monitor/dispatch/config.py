"""`alerting`: receivers, and the route that leads an alert to them."""

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from resumatch_monitor.kit.models import ConfigModel, Duration
from resumatch_monitor.notify.config import ReceiverConfig


class RouteConfig(ConfigModel):
    """A node of the routing tree; a child inherits what it does not set."""

    receiver: str | None = None
    matchers: list[str] = Field(
        default_factory=list[str], description='For example severity="critical".'
    )
    group_by: list[str] | None = None
    group_wait: Duration | None = None
    group_interval: Duration | None = None
    repeat_interval: Duration | None = None
    continue_: bool = Field(default=False, alias="continue")
    routes: list["RouteConfig"] = Field(default_factory=list["RouteConfig"])


def _default_route() -> RouteConfig:
    return RouteConfig(
        receiver="default",
        group_by=["alertname"],
        group_wait=timedelta(seconds=15),
        group_interval=timedelta(minutes=1),
        repeat_interval=timedelta(hours=4),
        routes=[
            RouteConfig(matchers=['severity="critical"'], group_wait=timedelta(seconds=0)),
        ],
    )


class AlertingConfig(ConfigModel):
    """Who is told about an alert, and how alerts are put together."""

    receivers: list[ReceiverConfig] = Field(default_factory=list[ReceiverConfig])
    route: RouteConfig = Field(default_factory=_default_route)
    retention: Duration = timedelta(days=90)

    @model_validator(mode="after")
    def _check_receivers(self) -> Self:
        known = {receiver.name for receiver in self.receivers} | {"default"}
        pending = [self.route]
        while pending:
            route = pending.pop()
            if route.receiver is not None and route.receiver not in known:
                raise ValueError(f"route names the receiver {route.receiver!r}, which is not there")
            pending.extend(route.routes)
        return self
