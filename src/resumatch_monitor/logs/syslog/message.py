"""Reads a syslog message: RFC 5424, RFC 3164, and what is sent in their stead."""

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo

FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
)  # fmt: skip
SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")

_MOST_PARAMETERS = 200
_PRIORITY = re.compile(r"<(\d{1,3})>")
_RFC5424 = re.compile(r"1 (\S{1,64}) (\S{1,255}) (\S{1,255}) (\S{1,255}) (\S{1,255}) ?")
_SD_BEGIN = re.compile(r'\[([^\s=\]"]{1,255})')
_SD_PARAMETER = re.compile(r'\s+([^\s=\]"]{1,255})="((?:[^"\\\]]|\\.)*)"', re.S)
_SD_ESCAPE = re.compile(r'\\(["\\\]])')
_RFC3164 = re.compile(r"([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))? ")
_ISO = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) ")
_HOST_AND_TAG = re.compile(r"(\S{1,255}) ([^\s:\[]{1,255})(?:\[([^\]\s]{1,64})\])?:(?: |$)")
_HOST = re.compile(r"(\S{1,255}) ")
_TAG = re.compile(r"([^\s:\[]{1,48})\[(\d{1,10})\]: ")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class SyslogMessage:
    """What a message says.

    Attributes:
        priority: Facility times 8 plus severity; None where none was sent.
        stated_at: By the sender's clock.
        structured: Parameters by the id of their element.
        text: The message itself.
    """

    text: str
    priority: int | None = None
    stated_at: datetime | None = None
    hostname: str = ""
    app_name: str = ""
    process_id: str = ""
    message_id: str = ""
    structured: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])

    @property
    def severity(self) -> str:
        """The severity's name; empty where no priority was sent."""
        return "" if self.priority is None else SEVERITIES[self.priority & 7]

    @property
    def facility(self) -> str:
        """The facility's name; empty where no priority was sent."""
        return "" if self.priority is None else FACILITIES[self.priority >> 3]


def parse_message(frame: str, *, received_at: datetime, zone: tzinfo = UTC) -> SyslogMessage:
    """Read a message; one that follows no rule is a text.

    Args:
        frame: Without what ended it.
        received_at: RFC 3164 writes no year: the one is meant that is nearest to this.
        zone: The zone of times that name none.
    """
    found = _PRIORITY.match(frame)
    if found is None or int(found[1]) > 191:
        return SyslogMessage(frame)
    rest = frame[found.end() :]
    message = _parse_rfc5424(rest)
    if message is None:
        message = _parse_rfc3164(rest, received_at, zone)
    return replace(message, priority=int(found[1]))


def _parse_rfc5424(rest: str) -> SyslogMessage | None:
    found = _RFC5424.match(rest)
    if found is None:
        return None
    stated, *names = found.groups()
    hostname, app_name, process_id, message_id = ("" if each == "-" else each for each in names)
    structured, end = _parse_structured(rest, found.end())
    text = rest[end:].removeprefix(" ").removeprefix("\ufeff")
    return SyslogMessage(
        text=text,
        stated_at=_parse_time(stated),
        hostname=hostname,
        app_name=app_name,
        process_id=process_id,
        message_id=message_id,
        structured=structured,
    )


def _parse_structured(rest: str, position: int) -> tuple[dict[str, dict[str, str]], int]:
    """Return the elements and where they end; what is malformed belongs to the text."""
    elements: dict[str, dict[str, str]] = {}
    if rest.startswith("-", position) and rest[position + 1 : position + 2] in ("", " "):
        return elements, position + 1
    count = 0
    while (found := _SD_BEGIN.match(rest, position)) is not None:
        parameters: dict[str, str] = {}
        end = found.end()
        while count < _MOST_PARAMETERS and (pair := _SD_PARAMETER.match(rest, end)) is not None:
            parameters[pair[1]] = _SD_ESCAPE.sub(r"\1", pair[2])
            end = pair.end()
            count += 1
        if not rest.startswith("]", end):
            break
        elements.setdefault(found[1], {}).update(parameters)
        position = end + 1
    return elements, position


def _parse_rfc3164(rest: str, received_at: datetime, zone: tzinfo) -> SyslogMessage:
    stated_at, position = _parse_legacy_time(rest, received_at, zone)
    if stated_at is None:
        # Python's SysLogHandler sends neither time nor host.
        tag = _TAG.match(rest)
        if tag is None:
            return SyslogMessage(rest)
        return SyslogMessage(rest[tag.end() :], app_name=tag[1], process_id=tag[2])
    found = _HOST_AND_TAG.match(rest, position)
    if found is not None:
        return SyslogMessage(
            text=rest[found.end() :],
            stated_at=stated_at,
            hostname=found[1],
            app_name=found[2],
            process_id=found[3] or "",
        )
    host = _HOST.match(rest, position)
    return SyslogMessage(
        text=rest[host.end() if host else position :],
        stated_at=stated_at,
        hostname=host[1] if host else "",
    )


def _parse_legacy_time(
    rest: str, received_at: datetime, zone: tzinfo
) -> tuple[datetime | None, int]:
    found = _ISO.match(rest)
    if found is not None:
        return _parse_time(found[1]), found.end()
    found = _RFC3164.match(rest)
    if found is None or found[1] not in _MONTHS:
        return None, 0
    month, day, time, fraction = found.groups()
    text = f"{_MONTHS.index(month) + 1:02}-{int(day):02}T{time}.{(fraction or '0').ljust(6, '0')}"
    candidates = [
        moment
        for year in (received_at.year - 1, received_at.year, received_at.year + 1)
        if (moment := _parse_time(f"{year}-{text}", zone)) is not None
    ]
    nearest = min(candidates, key=lambda each: abs(each - received_at), default=None)
    return nearest, found.end()


def _parse_time(text: str, zone: tzinfo = UTC) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        aware = moment.replace(tzinfo=zone) if moment.tzinfo is None else moment
        # Moments at either end of time cannot be compared with others.
        return aware.astimezone(UTC) if timedelta(0) <= aware - _EPOCH else None
    except (ValueError, OverflowError):
        return None


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
