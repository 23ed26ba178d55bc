"""Receivers: through which channels they are told, how those are doing, and a test of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from resumatch_monitor.accounts.model import Principal
from resumatch_monitor.api.errors import ApiError, NotFoundError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.dispatch.practice.trial import ChannelTester, TooManyTrialsError, Trial
from resumatch_monitor.dispatch.reading import DeliveryLog, LastFailure
from resumatch_monitor.kit.clock import isoformat, isoformat_or_none
from resumatch_monitor.notify.config import ReceiverConfig
from resumatch_monitor.notify.notifier import Integration, IntegrationId

_Kind = Annotated[str, Query(max_length=50)]
_Index = Annotated[int | None, Query(ge=0, le=10_000)]


def build_router(
    *,
    receivers: Sequence[ReceiverConfig],
    tester: ChannelTester,
    log: DeliveryLog,
    guard: Guard,
) -> APIRouter:
    """Return the routes under `/api/monitor/receivers`.

    Args:
        receivers: As configured.
        tester: Tries them.
        log: Knows how deliveries went.
        guard: Lets viewers read and editors try.
    """
    router = APIRouter(prefix="/api/monitor/receivers")

    @router.get("", dependencies=[Depends(guard.viewer)])
    async def list_receivers() -> dict[str, Any]:
        state = _State(
            await log.last_sent_at(), await log.last_failures(), await log.count_waiting()
        )
        return {
            "items": [
                {
                    "name": each.name,
                    "fallback": each.fallback or None,
                    "fallback_after_seconds": each.fallback_after.total_seconds(),
                    "integrations": [state.render(one) for one in tester.find(each.name)],
                }
                for each in receivers
            ]
        }

    @router.post("/{name}/test")
    async def test(
        name: str,
        principal: Annotated[Principal, Depends(guard.editor)],
        integration: _Kind = "",
        index: _Index = None,
    ) -> dict[str, Any]:
        wanted = tester.find(name, integration, index)
        if not wanted:
            raise NotFoundError(f"The receiver {name!r} has no such integration.")
        try:
            trials = await tester.test(wanted, by=principal.name)
        except TooManyTrialsError as error:
            raise ApiError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too_many_tests",
                f"Channels were tried often within the last minute: {error}.",
                headers={"Retry-After": str(error.retry_after_seconds)},
            ) from None
        return {"items": [_render_trial(each) for each in trials]}

    return router


class _State:
    def __init__(
        self,
        sent_at: Mapping[IntegrationId, datetime],
        failures: Mapping[IntegrationId, LastFailure],
        waiting: Mapping[IntegrationId, int],
    ) -> None:
        self._sent_at = sent_at
        self._failures = failures
        self._waiting = waiting

    def render(self, integration: Integration) -> dict[str, Any]:
        failure = self._failures.get(integration.id)
        return {
            **_render_id(integration.id, integration.notifier.destination),
            "send_resolved": integration.send_resolved,
            "last_success_at": isoformat_or_none(self._sent_at.get(integration.id)),
            "last_failure": None
            if failure is None
            else {"at": isoformat(failure.at), "error": failure.error},
            "waiting": self._waiting.get(integration.id, 0),
        }


def _render_trial(trial: Trial) -> dict[str, Any]:
    return {
        **_render_id(trial.integration, trial.destination),
        "accepted": trial.is_accepted,
        "detail": trial.detail,
        "retryable": trial.is_retryable,
        "duration_seconds": round(trial.duration_seconds, 3),
    }


def _render_id(integration: IntegrationId, destination: str) -> dict[str, Any]:
    return {
        "id": str(integration),
        "integration": integration.kind,
        "index": integration.index,
        "destination": destination,
    }
