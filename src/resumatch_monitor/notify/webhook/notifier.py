"""Posts Alertmanager's version 4 payload, so that its receivers work unchanged."""

import hashlib
import hmac
from typing import Any

import orjson

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.kit.clock import isoformat
from resumatch_monitor.notify.context import NotifierContext
from resumatch_monitor.notify.http import HttpSender
from resumatch_monitor.notify.notification import Notification, notice_to_json
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
        self._clock = context.clock
        self._secret = config.secret.get_secret_value()
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._sender = HttpSender(
            client=context.client,
            clock=context.clock,
            url=url,
            secrets=[*url_secrets(url), token, self._secret],
        )

    async def notify(self, notification: Notification, attempt: Attempt) -> Receipt:
        body = orjson.dumps(render_payload(notification, self._links))
        headers = {**self._headers, "Idempotency-Key": attempt.key}
        if self._secret:
            headers |= sign(body, self._secret, at=int(self._clock.now().timestamp()))
        answer = await self._sender.post(body, headers)
        return Receipt(f"{answer.status} {answer.text}".strip())


def sign(body: bytes, secret: str, *, at: int) -> dict[str, str]:
    """Return the headers by which a destination knows that `body` is ours, and not an old one."""
    signed = b"%d.%b" % (at, body)
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return {"X-Signature-Timestamp": str(at), "X-Signature-256": f"sha256={digest}"}


def render_payload(notification: Notification, links: Links) -> dict[str, Any]:
    """Render https://prometheus.io/docs/alerting/latest/configuration/#webhook_config.

    What has no place there has keys of its own, and only where there is something to say.
    """
    payload: dict[str, Any] = {
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
    if notification.is_drill:
        payload["drill"] = True
    if notification.escalation:
        payload["escalation"] = notification.escalation
    if notification.dependents:
        payload["dependents"] = [
            _render_alert(alert, notification, links) for alert in notification.dependents
        ]
    if notification.notice is not None:
        payload["notice"] = notice_to_json(notification.notice)
    return payload


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
