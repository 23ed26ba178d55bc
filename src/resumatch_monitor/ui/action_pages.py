"""The pages behind the links in messages: one alert, one button, no sign-in and no script.

Mail scanners follow every link, so that GET shows and only POST acts.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader

from resumatch_monitor.dispatch.handling.actions import LONGEST_TEXT
from resumatch_monitor.dispatch.handling.link_actions import DrillReceipt, LinkActions, LinkView
from resumatch_monitor.dispatch.handling.links import ExpiredLinkError, InvalidLinkError, LinkAction
from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.ui.pages import find_theme

_FOLDER = Path(__file__).parent
_HEADERS = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
_WORDS = {
    LinkAction.ACKNOWLEDGE: ("Acknowledge this alert?", "Acknowledge", "Acknowledged"),
    LinkAction.SNOOZE: ("Snooze this alert for an hour?", "Snooze for 1 hour", "Snoozed"),
    LinkAction.SILENCE: ("Silence this alert for 4 hours?", "Silence for 4 hours", "Silenced"),
    LinkAction.RESOLVE: ("Resolve this alert?", "Resolve", "Resolved"),
}
_EFFECTS = {
    LinkAction.ACKNOWLEDGE: "Others see that you are on it. It is neither repeated nor escalated;"
    " when it ends, you hear of it.",
    LinkAction.SNOOZE: "Nobody hears of it until then. If it still fires, it is told anew.",
    LinkAction.SILENCE: "Alerts with exactly these labels are not told until then, whether they"
    " end and begin again or not.",
    LinkAction.RESOLVE: "Everybody who was told hears that it is over. If its condition just goes"
    " on, it stays quiet for a while, and is told again then.",
}
_MOST_LABELS = 12
# Line ends are two characters once they are sent.
_LONGEST_TYPED = LONGEST_TEXT // 2
_HIDDEN_LABELS = ("alertname", "severity")


def build_action_router(*, actions: LinkActions, stylesheets: Sequence[str]) -> APIRouter:
    """Return `/act/{token}`; it must be asked before the route that takes every path."""
    pages = _ActionPages(actions, stylesheets)
    router = APIRouter()
    router.add_api_route("/act/{token}", pages.show, methods=["GET"], response_model=None)
    router.add_api_route("/act/{token}", pages.carry_out, methods=["POST"], response_model=None)
    return router


class _ActionPages:
    """The handlers of the pages behind links."""

    def __init__(self, actions: LinkActions, stylesheets: Sequence[str]) -> None:
        self._actions = actions
        self._stylesheets = [*stylesheets, "/pages/pages.css"]
        self._templates = Environment(
            loader=FileSystemLoader(_FOLDER / "templates"), autoescape=True
        )

    async def show(self, request: Request, token: str) -> Response:
        return await self._answer(request, self._actions.show, token)

    async def carry_out(
        self,
        request: Request,
        token: str,
        text: Annotated[str, Form(max_length=LONGEST_TEXT)] = "",
        take: Annotated[str, Form(max_length=8)] = "",
    ) -> Response:
        async def act(token: str) -> LinkView:
            return await self._actions.carry_out(token, text=text, takes=bool(take))

        return await self._answer(request, act, token)

    async def _answer(
        self, request: Request, find: Callable[[str], Awaitable[LinkView]], token: str
    ) -> Response:
        try:
            view = await find(token)
        except InvalidLinkError:
            return self._render_problem(
                request,
                HTTPStatus.NOT_FOUND,
                "This link does not work",
                "It is not whole: some mail programs cut long links. Open the alert in the"
                " monitor instead, or use the link in the newest message.",
            )
        except ExpiredLinkError:
            return self._render_problem(
                request,
                HTTPStatus.GONE,
                "This link is too old",
                "Links in messages work for 7 days. What is open can be handled in the monitor.",
            )
        except StorageUnavailableError as error:
            return self._render_problem(
                request,
                HTTPStatus.SERVICE_UNAVAILABLE,
                "Nothing was changed",
                f"The monitor cannot store anything at the moment: {error}. Try again in a while.",
            )
        if view.drill is not None:
            return self._render_drill(request, view.link.recipient, view.drill)
        if view.handled is None:
            return self._render_problem(
                request,
                HTTPStatus.NOT_FOUND,
                "This is long over",
                "The monitor does not keep it any more.",
            )
        return self._render(request, view)

    def _render(self, request: Request, view: LinkView) -> Response:
        assert view.handled is not None
        question, button, done = _WORDS[view.link.action]
        alert, handling = view.handled.record.alert, view.handled.handling
        is_open = not view.is_done and not view.is_over
        labels = [pair for pair in alert.labels.pairs if pair[0] not in _HIDDEN_LABELS]
        return self._render_page(
            request,
            "action.html",
            HTTPStatus.OK,
            title=question if is_open else done if view.is_done else "This alert is over",
            button=button if is_open else "Comment",
            is_open=is_open,
            can_take=view.can_take,
            is_noted=view.is_noted,
            effect=_EFFECTS[view.link.action] if is_open else "",
            done=_describe(view) if not is_open else "",
            problem=view.problem,
            alert=alert,
            severity=alert.severity if alert.severity in ("critical", "info") else "warning",
            labels=labels[:_MOST_LABELS],
            hidden=max(len(labels) - _MOST_LABELS, 0),
            since=_format(alert.starts_at),
            assignee=handling.assignee if handling is not None else "",
            recipient=view.link.recipient,
            longest=_LONGEST_TYPED,
        )

    def _render_drill(self, request: Request, recipient: str, drill: DrillReceipt) -> Response:
        by = drill.confirmed_by.removeprefix("link: ")
        return self._render_page(
            request,
            "action_drill.html",
            HTTPStatus.OK,
            alert=drill.alert,
            started=_format(drill.started_at),
            confirmed=f"{by} has heard of it. Nothing else is to be done." if by else "",
            recipient=recipient,
        )

    def _render_problem(self, request: Request, status: int, title: str, text: str) -> Response:
        return self._render_page(request, "action_problem.html", status, title=title, text=text)

    def _render_page(
        self, request: Request, name: str, status: int, **values: object
    ) -> HTMLResponse:
        content = self._templates.get_template(name).render(
            theme=find_theme(request), stylesheets=self._stylesheets, **values
        )
        return HTMLResponse(content, status, headers=_HEADERS)


def _describe(view: LinkView) -> str:
    """Say how it stands, where there is nothing to press."""
    assert view.handled is not None
    alert, handling = view.handled.record.alert, view.handled.handling
    if view.link.action is LinkAction.RESOLVE and handling is not None and view.is_done:
        at = "" if handling.resolved_at is None else _format(handling.resolved_at)
        return f"Resolved by {handling.resolved_by.removeprefix('link: ')} at {at}."
    if view.is_over:
        end = alert.ends_at or alert.starts_at
        return f"It ended at {_format(end)}. Nothing is left to be done."
    if view.link.action is LinkAction.ACKNOWLEDGE and handling is not None:
        since = "" if handling.acknowledged_at is None else _format(handling.acknowledged_at)
        return f"Acknowledged by {handling.acknowledged_by.removeprefix('link: ')} at {since}."
    word = "Snoozed" if view.link.action is LinkAction.SNOOZE else "Silenced"
    return f"{word} until {_format(view.until)}."


def _format(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
