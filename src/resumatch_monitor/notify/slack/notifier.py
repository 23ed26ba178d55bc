"""Posts to a Slack incoming webhook: a fallback text and, beside a coloured bar, blocks."""

import orjson

from resumatch_monitor.notify.context import NotifierContext
from resumatch_monitor.notify.http import HttpSender
from resumatch_monitor.notify.notification import Notification
from resumatch_monitor.notify.notifier import Attempt, FailureReason, NotifyError, Receipt
from resumatch_monitor.notify.redaction import mask_url, url_secrets
from resumatch_monitor.notify.slack.config import SlackConfig
from resumatch_monitor.notify.slack.message import render_message

_SLACK_PREFIX = "https://hooks.slack.com/services/"


class SlackNotifier:
    """Sends to the channel behind an incoming webhook."""

    def __init__(self, config: SlackConfig, context: NotifierContext) -> None:
        url = config.webhook_url.get_secret_value()
        self.destination = f"{_SLACK_PREFIX}T…" if url.startswith(_SLACK_PREFIX) else mask_url(url)
        self._context = context
        self._sender = HttpSender(
            client=context.client, clock=context.clock, url=url, secrets=url_secrets(url)
        )

    async def notify(self, notification: Notification, attempt: Attempt) -> Receipt:
        context = self._context
        diagnosis = await context.find_diagnosis(notification)
        message = render_message(notification, diagnosis, context.links, context.actions)
        body = orjson.dumps(message)
        answer = await self._sender.post(body, {"Idempotency-Key": attempt.key})
        if answer.media_type == "text/html":
            # A sign-in page or a proxy's error page: Slack itself answers a plain "ok".
            raise NotifyError(
                "the destination answered with a web page: this is no Slack webhook",
                retryable=False,
                reason=FailureReason.CLIENT_ERROR,
            )
        return Receipt(f"{answer.status} {answer.text}".strip())
