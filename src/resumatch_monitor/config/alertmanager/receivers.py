"""Receivers of an `alertmanager.yml` in the monitor's words."""

from collections.abc import Callable
from typing import Any

from resumatch_monitor.config.alertmanager.section import Section, UnreadableError, keep_dollars

Converted = dict[str, Any]

_MESSAGE = "what a message says is the monitor's own"
_IMPLICIT_TLS_PORT = 465
_DEFAULT_SMTP_PORT = 587

_BY_APPRISE = {
    "opsgenie_configs": "opsgenie://",
    "victorops_configs": "splunk://",
    "pushover_configs": "pover://",
    "telegram_configs": "tgram://",
    "webex_configs": "wxteams://",
    "discord_configs": "discord://",
    "msteams_configs": "msteams://",
    "msteamsv2_configs": "workflows://",
    "sns_configs": "sns://",
    "wechat_configs": "wecombot://",
    "rocketchat_configs": "rocket://",
}


def convert_receiver(receiver: Section, settings: Section) -> Converted:
    """Return a receiver as `alerting.receivers` holds it.

    Args:
        receiver: Its section.
        settings: The section `global`.
    """
    name = receiver.text("name")
    if not name:
        raise UnreadableError(
            "a receiver needs a name", receiver.notes.tree.position(receiver.path)
        )
    converted: Converted = {"name": name}
    for key, (kind, convert) in _KINDS.items():
        found = [convert(each, settings, name) for each in receiver.sections(key)]
        if taken := [each for each in found if each is not None]:
            converted[kind] = taken
    for key, scheme in _BY_APPRISE.items():
        if key in receiver.values:
            receiver.remark(key, f"not taken along; apprise has it: apprise: [{{url: {scheme}…}}]")
    receiver.remark_unless("name", *_KINDS, *_BY_APPRISE)
    return converted


def _convert_webhook(config: Section, _: Section, owner: str) -> Converted | None:
    url = config.text("url")
    if not url and config.text("url_file"):
        url = config.secret("url", name="WEBHOOK_URL", owner=owner)
    converted: Converted = {"url": url if url.startswith("${") else keep_dollars(url)}
    token = _find_token(config.section("http_config"), owner)
    if token:
        converted["bearer_token"] = token
    if config.text("max_alerts", "0") != "0":
        config.remark("max_alerts", "a notification lists up to 1,000 alerts")
    config.remark_unless("url", "url_file", "send_resolved", "http_config", "max_alerts")
    return _with_resolved(config, converted, default=True)


def _convert_email(config: Section, settings: Section, owner: str) -> Converted | None:
    smarthost = config.text("smarthost") or settings.text("smtp_smarthost")
    host, _, port = smarthost.rpartition(":")
    number = int(port) if port.isascii() and port.isdigit() else _DEFAULT_SMTP_PORT
    converted: Converted = {
        "to": [each.strip() for each in config.text("to").split(",") if each.strip()],
        "from": config.text("from") or settings.text("smtp_from"),
        "host": host or smarthost,
        "port": number,
    }
    username = config.text("auth_username") or settings.text("smtp_auth_username")
    if username:
        converted["username"] = keep_dollars(username)
    password = config.secret("auth_password", name="SMTP_PASSWORD", owner=owner)
    password = password or settings.secret("smtp_auth_password", name="SMTP_PASSWORD", owner=owner)
    if password:
        converted["password"] = password
    needs_tls = config.flag("require_tls", settings.flag("smtp_require_tls", True))
    if number == _IMPLICIT_TLS_PORT:
        converted["tls"] = "implicit"
    elif needs_tls:
        converted["tls"] = "starttls"
    for key in ("auth_secret", "auth_identity", "tls_config", "hello"):
        if key in config.values:
            config.remark(key, "there is nothing like it")
    for key in ("headers", "html", "text"):
        if key in config.values:
            config.remark(key, _MESSAGE)
    config.remark_unless(
        *("to", "from", "smarthost", "send_resolved", "require_tls", "headers", "html", "text"),
        *("auth_username", "auth_password", "auth_password_file"),
        *("auth_secret", "auth_identity", "tls_config", "hello"),
    )
    return _with_resolved(config, converted, default=False)


def _convert_slack(config: Section, settings: Section, owner: str) -> Converted | None:
    url = config.secret("api_url", name="SLACK_WEBHOOK_URL", owner=owner)
    url = url or settings.secret("slack_api_url", name="SLACK_WEBHOOK_URL", owner=owner)
    if "channel" in config.values:
        config.remark("channel", "an incoming webhook posts where it was made for")
    shown = [
        key
        for key in config.values
        if key not in ("api_url", "api_url_file", "channel", "send_resolved", "http_config")
    ]
    for key in shown:
        config.remark(key, _MESSAGE)
    _find_token(config.section("http_config"), owner)
    return _with_resolved(config, {"webhook_url": url}, default=False)


def _convert_pagerduty(config: Section, settings: Section, owner: str) -> Converted | None:
    key = config.secret("routing_key", name="PAGERDUTY_ROUTING_KEY", owner=owner)
    if not key:
        name = "service_key" if "service_key" in config.values else "routing_key"
        config.remark(name, "not taken along; PagerDuty's Events API v2 needs a routing_key")
        return None
    converted: Converted = {"routing_key": key}
    url = config.text("url") or settings.text("pagerduty_url")
    if url:
        converted["url"] = url.removesuffix("/").removesuffix("/v2/enqueue")
    for other in config.values:
        if other not in ("routing_key", "routing_key_file", "send_resolved", "url", "http_config"):
            config.remark(other, _MESSAGE)
    _find_token(config.section("http_config"), owner)
    return _with_resolved(config, converted, default=True)


def _find_token(http: Section, owner: str) -> str:
    """Return a placeholder for the bearer token; what else there is gets a remark."""
    token = http.secret("bearer_token", name="WEBHOOK_TOKEN", owner=owner)
    authorization = http.section("authorization")
    if authorization.text("type", "Bearer").lower() == "bearer":
        token = authorization.secret("credentials", name="WEBHOOK_TOKEN", owner=owner) or token
    elif authorization.values:
        http.remark("authorization", "only the type Bearer is there")
    http.remark_unless(
        *("authorization", "bearer_token", "bearer_token_file", "follow_redirects", "enable_http2")
    )
    return token


def _with_resolved(config: Section, converted: Converted, *, default: bool) -> Converted:
    # What Alertmanager takes for granted differs from channel to channel; here it is true.
    if not config.flag("send_resolved", default):
        converted["send_resolved"] = False
    return converted


_KINDS: dict[str, tuple[str, Callable[[Section, Section, str], Converted | None]]] = {
    "email_configs": ("email", _convert_email),
    "slack_configs": ("slack", _convert_slack),
    "webhook_configs": ("webhook", _convert_webhook),
    "pagerduty_configs": ("pagerduty", _convert_pagerduty),
}
