"""Makes an `Event` of what any SDK sends: nothing is rejected, what cannot be read is left out."""

import re
from dataclasses import replace
from typing import Any

from resumatch_monitor.errortracking.model import Event, ExceptionInfo, Frame
from resumatch_monitor.sentry.values import (
    as_bool,
    as_dict,
    as_int,
    as_list,
    as_text,
    is_dict,
    list_of_pairs,
    list_of_values,
)

LEVELS = ("fatal", "error", "warning", "info", "debug")
_LEVEL_ALIASES = {"critical": "fatal", "log": "info", "warn": "warning"}
_EXCEPTIONS_MAX = 20
_TAGS_MAX = 50
_TAG_KEY_MAX = 64
_TAG_VALUE_MAX = 200
_LABEL_MAX = 200

# Paths of code that is not the application's, for SDKs that do not say.
_LIBRARY_MARKS = (
    "site-packages/",
    "dist-packages/",
    "/lib/python",
    "<frozen",
    "node_modules/",
    "node:",
    "internal/",
    "webpack/bootstrap",
    "chrome-extension://",
    "moz-extension://",
    "/gems/",
    "/usr/lib/",
)


def normalise(raw: dict[str, Any]) -> Event:
    """Read an event of any platform."""
    exceptions = _read_exceptions(raw)
    message, template = _read_message(raw)
    sdk = as_dict(raw.get("sdk"))
    release = _label(raw.get("release"))
    environment = _label(raw.get("environment"))
    level = _read_level(raw.get("level"))
    return Event(
        platform=_label(raw.get("platform")) or "other",
        level=level,
        logger=_label(raw.get("logger")),
        message=message,
        message_template=template,
        transaction=_label(raw.get("transaction")),
        release=release,
        environment=environment,
        server_name=_label(raw.get("server_name")),
        sdk_name=_label(sdk.get("name")),
        sdk_version=_label(sdk.get("version")),
        exceptions=exceptions,
        tags=_read_tags(raw, level=level, release=release, environment=environment),
        fingerprint=_read_fingerprint(raw.get("fingerprint")),
        user=as_dict(raw.get("user")),
        raw=raw,
    )


def _read_level(value: object) -> str:
    level = as_text(value).lower()
    level = _LEVEL_ALIASES.get(level, level)
    return level if level in LEVELS else "error"


def _read_message(raw: dict[str, Any]) -> tuple[str, str]:
    entry = raw.get("logentry") or raw.get("sentry.interfaces.Message") or raw.get("message")
    if is_dict(entry):
        fields = as_dict(entry)
        template = as_text(fields.get("message"))
        return as_text(fields.get("formatted")) or template, template
    return as_text(entry), ""


def _read_exceptions(raw: dict[str, Any]) -> tuple[ExceptionInfo, ...]:
    value = raw.get("exception") or raw.get("sentry.interfaces.Exception")
    found = [_read_exception(as_dict(each)) for each in list_of_values(value) if as_dict(each)]
    if not found:
        frames = _find_loose_frames(raw)
        if frames:
            found = [ExceptionInfo("", "", "", None, "", frames)]
    return tuple(found[-_EXCEPTIONS_MAX:])


def _find_loose_frames(raw: dict[str, Any]) -> tuple[Frame, ...]:
    """Return the frames of an event that has a stack trace but no exception."""
    frames = _read_frames(raw.get("stacktrace"))
    if frames:
        return frames
    threads = [as_dict(each) for each in list_of_values(raw.get("threads"))]
    for thread in sorted(threads, key=_thread_rank):
        frames = _read_frames(thread.get("stacktrace"))
        if frames:
            return frames
    return ()


def _thread_rank(thread: dict[str, Any]) -> int:
    return 0 if thread.get("crashed") is True else 1 if thread.get("current") is True else 2


def _read_exception(value: dict[str, Any]) -> ExceptionInfo:
    mechanism = as_dict(value.get("mechanism"))
    return ExceptionInfo(
        type=_label(value.get("type")),
        value=as_text(value.get("value")),
        module=_label(value.get("module")),
        handled=as_bool(mechanism.get("handled")),
        mechanism=_label(mechanism.get("type")),
        frames=_read_frames(value.get("stacktrace") or value.get("raw_stacktrace")),
        exception_id=as_int(mechanism.get("exception_id")),
        parent_id=as_int(mechanism.get("parent_id")),
        source=_label(mechanism.get("source")),
        is_group=mechanism.get("is_exception_group") is True,
    )


def _read_frames(stacktrace: object) -> tuple[Frame, ...]:
    frames = [each for each in map(as_dict, as_list(as_dict(stacktrace).get("frames"))) if each]
    read = [_read_frame(frame) for frame in frames]
    if read and not any(frame.get("in_app") for frame in frames):
        return tuple(_guess_in_app(read, frames))
    return tuple(read)


def _guess_in_app(read: list[Frame], frames: list[dict[str, Any]]) -> list[Frame]:
    stated = [as_bool(frame.get("in_app")) for frame in frames]
    if all(answer is False for answer in stated):
        return read
    return [replace(frame, in_app=_is_application_path(frame)) for frame in read]


def _is_application_path(frame: Frame) -> bool:
    path = (frame.abs_path or frame.filename).replace("\\", "/")
    return not any(mark in path for mark in _LIBRARY_MARKS)


def _read_frame(value: dict[str, Any]) -> Frame:
    context_line = value.get("context_line")
    return Frame(
        function=_label(value.get("function")),
        module=_label(value.get("module")) or _label(value.get("package")),
        filename=as_text(value.get("filename")),
        abs_path=as_text(value.get("abs_path")),
        line=as_int(value.get("lineno")),
        column=as_int(value.get("colno")),
        in_app=value.get("in_app") is True,
        context_line=as_text(context_line) if context_line is not None else None,
        raw=value,
    )


def _read_tags(
    raw: dict[str, Any], *, level: str, release: str, environment: str
) -> tuple[tuple[str, str], ...]:
    tags = {
        _one_line(key)[:_TAG_KEY_MAX]: _one_line(as_text(value))[:_TAG_VALUE_MAX]
        for key, value in list_of_pairs(raw.get("tags"))[:_TAGS_MAX]
    }
    contexts = as_dict(raw.get("contexts"))
    request = as_dict(raw.get("request"))
    derived: dict[str, str] = {
        "http.method": _label(request.get("method")),
        "http.status_code": _label(as_dict(contexts.get("response")).get("status_code")),
        # Without the query, which differs from request to request.
        "url": re.split("[?#]", _label(request.get("url")), maxsplit=1)[0],
        "level": level,
        "release": release,
        "environment": environment,
        "server_name": _label(raw.get("server_name")),
        "transaction": _label(raw.get("transaction")),
        "logger": _label(raw.get("logger")),
        "runtime": _describe_context(contexts.get("runtime")),
        **_describe_client(contexts),
    }
    for key, value in derived.items():
        tags.setdefault(key, value)
    return tuple(sorted((key, value) for key, value in tags.items() if key and value))


def _describe_client(contexts: dict[str, Any]) -> dict[str, str]:
    described: dict[str, str] = {}
    for name in ("browser", "os", "client_os"):
        described[name] = _describe_context(contexts.get(name))
        described[f"{name}.name"] = _label(as_dict(contexts.get(name)).get("name"))
    device = as_dict(contexts.get("device"))
    described["device"] = _label(device.get("model"))
    described["device.family"] = _label(device.get("family"))
    return described


def _describe_context(value: object) -> str:
    context = as_dict(value)
    return f"{_label(context.get('name'))} {_label(context.get('version'))}".strip()[:_LABEL_MAX]


def _read_fingerprint(value: object) -> tuple[str, ...]:
    parts = [as_text(part)[:_LABEL_MAX] for part in as_list(value)[:32]]
    return () if [_squeeze(part) for part in parts] == ["{{default}}"] else tuple(parts)


def _squeeze(text: str) -> str:
    return text.replace(" ", "")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _label(value: object) -> str:
    if value is None:
        return ""
    text = as_text(value)
    if len(text) <= _LABEL_MAX and text.isprintable() and " " not in text:
        # No other white space is printable.
        return text
    return _one_line(text)[:_LABEL_MAX]
