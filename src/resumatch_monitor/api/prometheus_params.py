"""Parameters of Prometheus' HTTP API, from the query string and from a form body."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import parse_qsl

from fastapi import Request

from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.kit.durations import parse_duration
from resumatch_monitor.metrics.labels import Matcher
from resumatch_monitor.promql import ast
from resumatch_monitor.promql.parse import parse
from resumatch_monitor.promql.value import QueryError

MAX_BODY_BYTES = 1024 * 1024
_MOST_FIELDS = 1000
_WITH_BODY = frozenset({"POST", "PUT"})
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"", "0", "f", "F", "false", "FALSE", "False"})
_FURTHEST_SECONDS = (1 << 58) / 1000


@dataclass(frozen=True, slots=True)
class RuleFilter:
    """Which rules are asked for; what is empty asks for all.

    Attributes:
        kind: `alert` or `record`.
        has_alerts: Whether the rules are to come with their alerts.
        matcher_sets: A rule's own labels satisfy one of them, or there are none.
        group_limit: How many groups an answer holds at most; 0 for all.
        group_next_token: Where the answer before ended.
    """

    kind: str = ""
    rule_names: frozenset[str] = frozenset()
    group_names: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    has_alerts: bool = True
    matcher_sets: tuple[tuple[Matcher, ...], ...] = ()
    group_limit: int = 0
    group_next_token: str = ""


class PrometheusError(Exception):
    """An error that is answered in Prometheus' envelope."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message


def bad_data(message: str) -> PrometheusError:
    """Return the error for a request that cannot be understood."""
    return PrometheusError(HTTPStatus.BAD_REQUEST, "bad_data", message)


class Params:
    """The parameters of one request; a form's come before the query string's."""

    def __init__(
        self,
        pairs: list[tuple[str, str]],
        *,
        clock: Clock,
        path: Mapping[str, str] | None = None,
    ) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)
        self._clock = clock
        self._path = path or {}

    def path(self, name: str) -> str:
        """Return what stands in the path for `name`."""
        return self._path[name]

    def text(self, name: str) -> str:
        """Return the first value of `name`, empty if there is none."""
        return self._values.get(name, [""])[0]

    def time_ms(self, name: str, *, default_ms: int | None = None) -> int:
        """Return a time given as seconds or RFC 3339, in milliseconds.

        Raises:
            PrometheusError: If it cannot be read, or is missing and has no default.
        """
        text = self.text(name)
        if not text and default_ms is not None:
            return default_ms
        try:
            return _parse_time_ms(text)
        except ValueError:
            # So it is in Prometheus, word for word.
            context = "" if default_ms is None else f"Invalid time value for '{name}': "
            raise bad_data(
                f'invalid parameter "{name}": {context}'
                f'cannot parse "{_short(text)}" to a valid timestamp'
            ) from None

    def now_ms(self) -> int:
        """Return the present moment."""
        return to_milliseconds(self._clock.now())

    def duration(self, name: str, *, problem: str | None = None) -> timedelta | None:
        """Return a span given as seconds or as a Prometheus duration, None if it is missing.

        Args:
            name: The parameter.
            problem: How an error begins, where it does not begin with the parameter's name.

        Raises:
            PrometheusError: If it cannot be read.
        """
        text = self.text(name)
        if not text:
            return None
        begin = f'invalid parameter "{name}": ' if problem is None else problem
        try:
            return _parse_span(text)
        except OverflowError:
            raise bad_data(
                f'{begin}cannot parse "{_short(text)}" to a valid duration. It overflows int64'
            ) from None
        except ValueError:
            raise bad_data(f'{begin}cannot parse "{_short(text)}" to a valid duration') from None

    def step_ms(self) -> int:
        """Return the `step` of a range query.

        Raises:
            PrometheusError: If it is missing, cannot be read or is not positive.
        """
        step = self.duration("step")
        if step is None:
            raise bad_data('invalid parameter "step": cannot parse "" to a valid duration')
        milliseconds = round(step / timedelta(milliseconds=1))
        if milliseconds <= 0:
            raise bad_data(
                'invalid parameter "step": zero or negative query resolution step widths are not'
                " accepted. Try a positive integer"
            )
        return milliseconds

    def limit(self) -> int | None:
        """Return the most items to answer with, None for all.

        Raises:
            PrometheusError: If it is not a number or negative.
        """
        text = self.text("limit")
        if not text:
            return None
        if not text.isdecimal() or len(text) > 18:
            raise bad_data(f'invalid parameter "limit": cannot parse "{_short(text)}" to a limit')
        return int(text) or None

    def count(self, name: str) -> int | None:
        """Return a number of items where none is no limit: None if it is missing or negative.

        Raises:
            PrometheusError: If it is no number.
        """
        text = self.text(name)
        if not text:
            return None
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdecimal()) or len(digits) > 18:
            raise bad_data(f"{name} must be a number")
        return int(text) if digits == text else None

    def texts(self, name: str) -> frozenset[str]:
        """Return all values of `name`."""
        return frozenset(self._values.get(name, ()))

    def flag(self, name: str) -> bool:
        """Return a yes or no in any of the forms that Go reads, no if it is missing.

        Raises:
            PrometheusError: If it is neither.
        """
        text = self.text(name)
        if text not in _TRUE | _FALSE:
            raise bad_data(f'invalid parameter "{name}": "{_short(text)}" is not true or false')
        return text in _TRUE

    def rule_filter(self) -> RuleFilter:
        """Return which rules are asked for.

        Raises:
            PrometheusError: If one of the parameters cannot be read.
        """
        kind = self.text("type").lower()
        if kind not in ("", "alert", "record"):
            raise bad_data(f'invalid parameter "type": not supported value "{_short(kind)}"')
        return RuleFilter(
            kind=kind,
            rule_names=self.texts("rule_name[]"),
            group_names=self.texts("rule_group[]"),
            files=self.texts("file[]"),
            has_alerts=not self.flag("exclude_alerts"),
            matcher_sets=tuple(self.matcher_sets(required=False)),
            group_limit=self._group_limit(),
            group_next_token=self.text("group_next_token"),
        )

    def _group_limit(self) -> int:
        text = self.text("group_limit")
        if not text:
            if self.text("group_next_token"):
                raise bad_data("group_limit needs to be present in order to paginate over groups")
            return 0
        if not re.fullmatch(r"\d{1,9}", text):
            raise bad_data(f'invalid parameter "group_limit": "{_short(text)}" is no whole number')
        if int(text) == 0:
            raise bad_data("group_limit needs to be greater than 0")
        return int(text)

    def matcher_sets(self, *, required: bool) -> list[tuple[Matcher, ...]]:
        """Return the selectors given as `match[]`.

        Raises:
            PrometheusError: If one is malformed, or none is given and one is required.
        """
        texts = self._values.get("match[]", [])
        if required and not texts:
            raise bad_data("no match[] parameter provided")
        return [parse_matchers(text) for text in texts]


async def read_params(request: Request, *, clock: Clock) -> Params:
    """Read the parameters of a GET or form-encoded POST request.

    Raises:
        PrometheusError: If the body is too large or has too many fields.
    """
    pairs: list[tuple[str, str]] = []
    if request.method in _WITH_BODY:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise PrometheusError(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    "bad_data",
                    f"the body is larger than {MAX_BODY_BYTES:,} bytes",
                )
        try:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError:
            raise bad_data("error parsing form values") from None
    pairs.extend(request.query_params.multi_items())
    return Params(pairs, clock=clock, path=request.path_params)


def parse_matchers(text: str, *, name: str = "match[]") -> tuple[Matcher, ...]:
    """Parse a selector without range, offset or @.

    Raises:
        PrometheusError: If it is none, or selects everything; it names the parameter `name`.
    """
    try:
        node = parse(text)
    except QueryError as error:
        problem = str(error)
        if "at least one non-empty matcher" in problem:
            problem = f"{name} must contain at least one non-empty matcher"
        raise bad_data(f'invalid parameter "{name}": {problem}') from None
    if not isinstance(node, ast.VectorSelector) or node.offset_ms or node.at is not None:
        raise bad_data(f'invalid parameter "{name}": "{_short(text)}" is not a selector')
    return node.matchers


def _parse_time_ms(text: str) -> int:
    try:
        seconds = float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return to_milliseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if not math.isfinite(seconds) or abs(seconds) > _FURTHEST_SECONDS:
        raise ValueError(text)
    return round(seconds * 1000)


def _parse_span(text: str) -> timedelta:
    try:
        seconds = float(text)
    except ValueError:
        return parse_duration(text)
    return timedelta(seconds=seconds)


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:100]}…"
