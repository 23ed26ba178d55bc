"""PagerDuty's webhooks v3: what people do there, done here as well."""

from http import HTTPStatus
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Request

from resumatch_monitor.api.errors import ApiError, BadRequestError, NotFoundError
from resumatch_monitor.dispatch.handling.pagerduty_event import BadEventError, parse_event
from resumatch_monitor.dispatch.handling.pagerduty_hook import PagerDutyHook


def build_router(*, hook: PagerDutyHook) -> APIRouter:
    """Return the route that PagerDuty sends to; a signature stands in for a sign-in."""
    router = APIRouter(prefix="/api/monitor/hooks")

    @router.post("/pagerduty")
    async def take_event(
        request: Request,
        signature: Annotated[str, Header(alias="X-PagerDuty-Signature")] = "",
    ) -> dict[str, Any]:
        if not hook.is_configured:
            raise NotFoundError(
                "No secret of a webhook subscription is configured:"
                " set alerting.pagerduty_webhook_secret."
            )
        body = await request.body()
        if not hook.verify(body, signature):
            raise ApiError(
                HTTPStatus.UNAUTHORIZED,
                "bad_signature",
                "X-PagerDuty-Signature is not that of a known webhook subscription.",
            )
        try:
            event = parse_event(orjson.loads(body))
        except BadEventError as error:
            raise BadRequestError(str(error), code="bad_event") from None
        except ValueError:
            raise BadRequestError("The body is not JSON.", code="bad_event") from None
        answer = await hook.take(event)
        return {"outcome": answer.outcome.value, "changed": answer.changed}

    return router
