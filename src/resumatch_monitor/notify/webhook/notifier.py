"""Posts Alertmanager's version 4 payload, so that its receivers work unchanged."""

from typing import Any

import orjson

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.kit.clock import isoformat
from resumatch_monitor.notify.context import NotifierContext
from resumatch_monitor.notify.http import HttpSender
from resumatch_monitor.notify.notification import Notification
from resumatch_monitor.notify.notifier import Attempt, Receipt
from resumatch_monitor.notify.redaction import mask_url, url_secrets
from resumatch_monitor.notify.webhook.config import WebhookConfig
from resumatch_monitor.notify.wording import Links

# What Go's zero time looks like; Alertmanager sends it for an alert that has not ended.
_NO_TIME = "0001-01-01T00:00:00Z"


class WebhookNotifier:
    """Sends to a URL."""

    def __init__(self, config: WebhookConfig, context: NotifierContext) -> None:
        url = config.url.get_secret_value()
        token = config.bearer_token.get_secret_value()
        self.destination = mask_url(url)
        self._links = context.links
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._sender = HttpSender(
            client=context.client, clock=context.clock, url=url, secrets=[*url_secrets(url), token]
        )

    async def notify(self, notification: Notification, attempt: Attempt) -> Receipt:
        body = orjson.dumps(render_payload(notification, self._links))
        headers = {**self._headers, "Idempotency-Key": attempt.key}
        answer = await self._sender.post(body, headers)
        return Receipt(f"{answer.status} {answer.text}".strip())


def render_payload(notification: Notification, links: Links) -> dict[str, Any]:
    """Render https://prometheus.io/docs/alerting/latest/configuration/#webhook_config."""
    return {
        "receiver": notification.receiver,
        "status": notification.kind.value,
        "alerts": [_render_alert(alert, notification, links) for alert in notification.alerts],
        "groupLabels": dict(notification.group_labels),
        "commonLabels": dict(notification.common_labels),
        "commonAnnotations": notification.common_annotations,
        "externalURL": links.base,
        "version": "4",
        "groupKey": notification.group_key,
        "truncatedAlerts": notification.truncated_count,
    }


def _render_alert(alert: Alert, notification: Notification, links: Links) -> dict[str, Any]:
    return {
        "status": alert.status.value,
        "labels": dict(notification.labels_of(alert)),
        "annotations": dict(alert.annotations),
        "startsAt": isoformat(alert.starts_at),
        "endsAt": _NO_TIME if alert.ends_at is None else isoformat(alert.ends_at),
        "generatorURL": links.to(alert.generator_path),
        "fingerprint": alert.fingerprint,
    }
