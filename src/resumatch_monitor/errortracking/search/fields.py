"""The fields that a search knows beside tags, under Sentry's names for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """What values a field takes."""

    CHOICE = auto()
    FLAG = auto()
    NUMBER = auto()
    TIME = auto()
    TEXT = auto()


@dataclass(frozen=True, slots=True)
class Field:
    """Something of an issue or its events that can be searched.

    Attributes:
        name: As queries are written back.
        help: For people, one line.
        choices: All values, or some to propose.
        is_of_event: Whether one event alone tells; else it takes the issue.
        tags: The tags that hold it; empty if no tag does.
    """

    name: str
    kind: Kind
    help: str
    choices: tuple[str, ...] = ()
    is_of_event: bool = True
    tags: tuple[str, ...] = ()


LEVELS = ("fatal", "error", "warning", "info", "debug")
_FLAGS = ("true", "false")
_STATES = (
    *("unresolved", "resolved", "archived", "ignored", "new", "regressed", "escalating"),
    *("ongoing", "for_review", "assigned", "unassigned", "unhandled"),
)
CATEGORIES = ("error", "performance", "db_query", "http_client")
TYPES = (
    *("error", "performance_n_plus_one_db_queries", "performance_slow_db_query"),
    "performance_consecutive_http",
)
_PEOPLE = ("me", "none")
_RELEASES = ("latest",)
_SINCE = ("-1h", "-24h", "-7d", "-14d", "-30d")

FIELDS: tuple[Field, ...] = (
    Field("is", Kind.CHOICE, "What became of the issue", _STATES, is_of_event=False),
    Field("assigned", Kind.TEXT, "Who looks after it", _PEOPLE, is_of_event=False),
    Field("project", Kind.TEXT, "The project's slug or number"),
    Field("issue", Kind.TEXT, "The short id: RESUMATCH-API-C", is_of_event=False),
    Field("issue.category", Kind.CHOICE, "Errors, or what is slow", CATEGORIES, is_of_event=False),
    Field("issue.type", Kind.CHOICE, "What is slow in which way", TYPES, is_of_event=False),
    Field("release", Kind.TEXT, "A release in which it was met", _RELEASES),
    Field("firstRelease", Kind.TEXT, "The release in which it began", _RELEASES, is_of_event=False),
    Field("lastRelease", Kind.TEXT, "Of the latest event", _RELEASES, is_of_event=False),
    Field("environment", Kind.TEXT, "Where it was met", tags=("environment",)),
    Field("level", Kind.CHOICE, "How bad an event was", LEVELS, tags=("level",)),
    Field("platform", Kind.TEXT, "What it is written in", ("python", "javascript", "node")),
    Field("error.type", Kind.TEXT, "The exception's class"),
    Field("error.value", Kind.TEXT, "The exception's message"),
    Field("error.handled", Kind.FLAG, "The application caught it", _FLAGS),
    Field("error.unhandled", Kind.FLAG, "Nothing caught it", _FLAGS),
    Field("message", Kind.TEXT, "Part of title, culprit or message"),
    Field("title", Kind.TEXT, "Type and message, from begin to end"),
    Field("culprit", Kind.TEXT, "Module and function in which it happened"),
    Field("transaction", Kind.TEXT, "Route or task", tags=("transaction",)),
    Field("user.id", Kind.TEXT, "A user by id"),
    Field("user.email", Kind.TEXT, "A user who has no id or name, by e-mail address"),
    Field("user.username", Kind.TEXT, "A user who has no id, by name"),
    Field("user.ip", Kind.TEXT, "A user of whom only the address is known"),
    Field("timesSeen", Kind.NUMBER, "How many events", is_of_event=False),
    Field("users", Kind.NUMBER, "How many users", is_of_event=False),
    Field("firstSeen", Kind.TIME, "When it began: -24h, >2026-01-31", _SINCE, is_of_event=False),
    Field("lastSeen", Kind.TIME, "When it was last met", _SINCE, is_of_event=False),
    Field("age", Kind.TIME, "The same as firstSeen", _SINCE, is_of_event=False),
    Field("http.url", Kind.TEXT, "The request's address", tags=("url",)),
    Field(
        "http.method",
        Kind.TEXT,
        "The request's method",
        ("GET", "POST", "PUT", "PATCH", "DELETE"),
        tags=("http.method",),
    ),
    Field(
        "http.status",
        Kind.TEXT,
        "The response's status",
        tags=("http.status_code", "http.status", "http.response.status_code"),
    ),
)
_BY_NAME = {field.name.lower(): field for field in FIELDS}
_ALIASES = {
    "assigned_to": "assigned",
    "assigned_or_suggested": "assigned",
    "first-release": "firstrelease",
    "first_release": "firstrelease",
    "last_release": "lastrelease",
    "times_seen": "timesseen",
    "first_seen": "firstseen",
    "last_seen": "lastseen",
    "user_count": "users",
    "usersseen": "users",
    "http.status_code": "http.status",
    "url": "http.url",
    "location": "culprit",
    "project.name": "project",
    "platform.name": "platform",
}
UNSUPPORTED = {
    "stack.": "frames are not indexed; culprit: has the application's innermost call",
    "error.mechanism": "mechanisms are not indexed",
    "error.main_thread": "threads are not indexed",
    "bookmarks": "there are no bookmarks",
    "release.version": "releases are compared as text: release:web@9*",
    "release.build": "releases are compared as text: release:web@9*",
    "release.package": "releases are compared as text: release:web@*",
    "release.stage": "adoption is on the release's page",
    "event.timestamp": "issues are found by firstSeen: and lastSeen:",
    "timestamp": "issues are found by firstSeen: and lastSeen:",
}
"""What Sentry can search and this does not, and what does instead."""


def find_field(name: str) -> Field | None:
    """Return the field that a key names, whatever its case; None for a tag."""
    key = name.lower()
    return _BY_NAME.get(_ALIASES.get(key, key))


def explain_unsupported(name: str) -> str | None:
    """Return why a key of Sentry's is not searched here; None if it is, or is a tag."""
    key = name.lower()
    found = UNSUPPORTED.get(key)
    return UNSUPPORTED["stack."] if key.startswith("stack.") else found


def get_field(name: str) -> Field:
    """Return the field of that name, as queries are written back."""
    return _BY_NAME[name.lower()]


def field_names() -> Sequence[str]:
    """Return the names of all fields."""
    return [field.name for field in FIELDS]
