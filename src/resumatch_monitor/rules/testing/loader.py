"""Reads a file of rule tests; everything wrong in it names its line."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from resumatch_monitor.alerts.alert import ALERT_NAME
from resumatch_monitor.kit.yamltree import YamlError, YamlTree, parse_yaml
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.rules.fields import (
    InvalidError,
    Steps,
    find_unknown_keys,
    render_scalar,
    take_duration,
    take_labels,
    take_list,
    take_mapping,
    take_text,
)
from resumatch_monitor.rules.model import RuleFileError
from resumatch_monitor.rules.testing.document import (
    AlertTest,
    ExpectedAlert,
    ExpectedSample,
    ExprTest,
    InputSeries,
    RuleTest,
    RuleTestDocument,
)
from resumatch_monitor.rules.testing.notation import MOST_VALUES, expand_values, parse_series

LARGEST_FILE_BYTES = 4 * 1024 * 1024
MOST_EVALUATIONS = 100_000
_DEFAULT_INTERVAL = timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_FILE_KEYS = ("rule_files", "evaluation_interval", "group_eval_order", "fuzzy_compare", "tests")
_TEST_KEYS = (
    "name",
    "interval",
    "input_series",
    "alert_rule_test",
    "promql_expr_test",
    "external_labels",
    "external_url",
    "start_timestamp",
)
_SERIES_KEYS = ("series", "values")
_ALERT_TEST_KEYS = ("eval_time", "alertname", "exp_alerts")
_ALERT_KEYS = ("exp_labels", "exp_annotations")
_EXPR_TEST_KEYS = ("expr", "eval_time", "exp_samples")
_SAMPLE_KEYS = ("labels", "value")

_Mapping = Mapping[str, object]
ItemT = TypeVar("ItemT")


class RuleTestFileError(Exception):
    """A file of tests cannot be used.

    Attributes:
        errors: Everything that is wrong in it, each with its place.
    """

    def __init__(self, errors: Sequence[RuleFileError]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = tuple(errors)


def load_test_file(path: Path) -> RuleTestDocument:
    """Read the tests in `path`; its `rule_files` are relative to its own folder.

    Raises:
        RuleTestFileError: If it cannot be read or something in it is wrong.
    """
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise _broken(path, f"the file is larger than {LARGEST_FILE_BYTES} bytes")
        text = path.read_text("utf-8")
    except OSError as error:
        raise _broken(path, f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise _broken(path, f"is not UTF-8 text (byte {error.start})") from None
    try:
        tree = parse_yaml(text, as_text=True)
    except YamlError as error:
        place = error.position
        raise RuleTestFileError(
            [RuleFileError(str(path), place.line, None, None, error.message, place.column)]
        ) from None
    reader = _Reader(path, tree)
    document = reader.read()
    if reader.errors or document is None:
        raise RuleTestFileError(reader.errors)
    return document


def _broken(path: Path, message: str) -> RuleTestFileError:
    return RuleTestFileError([RuleFileError(str(path), 0, None, None, message)])


class _Reader:
    """Reads one parsed file and collects what is wrong with it."""

    def __init__(self, path: Path, tree: YamlTree) -> None:
        self._path = path
        self._tree = tree
        self._evaluation_interval = _DEFAULT_INTERVAL
        self._value_count = 0
        self.errors: list[RuleFileError] = []

    def read(self) -> RuleTestDocument | None:
        return self._attempt(self._tree.value, (), self._read_document)

    def _read_document(self, root: _Mapping, at: Steps) -> RuleTestDocument:
        self._refuse_unknown(root, _FILE_KEYS, at)
        self._evaluation_interval = take_duration(root, "evaluation_interval") or _DEFAULT_INTERVAL
        order = [render_scalar(each) for each in _items(root, "group_eval_order")]
        for name in order:
            if order.count(name) > 1:
                message = f"group_eval_order: the group {name!r} is there twice"
                raise InvalidError(message, "group_eval_order")
        return RuleTestDocument(
            rule_files=[
                self._path.parent / render_scalar(each) for each in _items(root, "rule_files")
            ],
            evaluation_interval=self._evaluation_interval,
            group_order=order,
            is_fuzzy=_take_flag(root, "fuzzy_compare"),
            tests=self._read_each(root, "tests", at, self._read_test),
        )

    def _read_test(self, mapping: _Mapping, at: Steps) -> RuleTest:
        self._refuse_unknown(mapping, _TEST_KEYS, at)
        self._value_count = 0
        test = RuleTest(
            line=self._line(at),
            name=take_text(mapping, "name"),
            interval=take_duration(mapping, "interval") or self._evaluation_interval,
            series=self._read_each(mapping, "input_series", at, self._read_series),
            alert_tests=self._read_each(mapping, "alert_rule_test", at, self._read_alert_test),
            expr_tests=self._read_each(mapping, "promql_expr_test", at, self._read_expr_test),
            external_labels=dict(take_labels(mapping, "external_labels")),
            external_url=take_text(mapping, "external_url"),
            start_at=_take_moment(mapping, "start_timestamp"),
        )
        if test.duration / self._evaluation_interval > MOST_EVALUATIONS:
            raise InvalidError(
                f"the last eval_time is more than {MOST_EVALUATIONS:,} evaluations away"
            )
        return test

    def _read_series(self, mapping: _Mapping, at: Steps) -> InputSeries:
        self._refuse_unknown(mapping, _SERIES_KEYS, at)
        labels = _parse(mapping, "series", parse_series)
        values = _parse(mapping, "values", expand_values)
        self._value_count += len(values)
        if self._value_count > MOST_VALUES:
            raise InvalidError(f"a test may have at most {MOST_VALUES:,} values", "values")
        return InputSeries(labels, values)

    def _read_alert_test(self, mapping: _Mapping, at: Steps) -> AlertTest:
        self._refuse_unknown(mapping, _ALERT_TEST_KEYS, at)
        name = take_text(mapping, "alertname", is_required=True)

        def read_alert(alert: _Mapping, alert_at: Steps) -> ExpectedAlert:
            self._refuse_unknown(alert, _ALERT_KEYS, alert_at)
            labels = {**dict(take_labels(alert, "exp_labels")), ALERT_NAME: name}
            annotations = dict(take_labels(alert, "exp_annotations"))
            return ExpectedAlert(Labels.of(labels), Labels.of(annotations))

        return AlertTest(
            line=self._line(at),
            eval_time=take_duration(mapping, "eval_time"),
            alert_name=name,
            expected=self._read_each(mapping, "exp_alerts", at, read_alert),
        )

    def _read_expr_test(self, mapping: _Mapping, at: Steps) -> ExprTest:
        self._refuse_unknown(mapping, _EXPR_TEST_KEYS, at)
        return ExprTest(
            line=self._line(at),
            expr=take_text(mapping, "expr", is_required=True),
            eval_time=take_duration(mapping, "eval_time"),
            expected=self._read_each(mapping, "exp_samples", at, self._read_sample),
        )

    def _read_sample(self, mapping: _Mapping, at: Steps) -> ExpectedSample:
        if "histogram" in mapping:
            message = "histogram: native histograms are not supported"
            raise InvalidError(message, "histogram", at_key=True)
        self._refuse_unknown(mapping, _SAMPLE_KEYS, at)
        value = _parse(mapping, "value", _parse_number) if "value" in mapping else 0.0
        return ExpectedSample(_parse(mapping, "labels", parse_series), value)

    def _read_each(
        self,
        mapping: _Mapping,
        key: str,
        at: Steps,
        read: Callable[[_Mapping, Steps], ItemT],
    ) -> list[ItemT]:
        found = [
            self._attempt(item, (*at, key, index), read)
            for index, item in enumerate(take_list(mapping.get(key), key))
        ]
        return [each for each in found if each is not None]

    def _attempt(
        self, item: object, at: Steps, read: Callable[[_Mapping, Steps], ItemT]
    ) -> ItemT | None:
        try:
            return read(take_mapping(item), at)
        except InvalidError as error:
            self._report(error, at)
            return None

    def _refuse_unknown(self, mapping: _Mapping, known: Collection[str], at: Steps) -> None:
        for problem in find_unknown_keys(mapping, known):
            self._report(problem, at)

    def _line(self, at: Steps) -> int:
        return self._tree.position(at).line

    def _report(self, error: InvalidError, at: Steps) -> None:
        steps = (*at, *error.steps)
        tree = self._tree
        place = tree.key_position(steps) if error.at_key else tree.position(steps)
        self.errors.append(
            RuleFileError(str(self._path), place.line, None, None, error.message, place.column)
        )


def _items(mapping: _Mapping, key: str) -> list[object]:
    return take_list(mapping.get(key), key)


def _parse(mapping: _Mapping, key: str, parse: Callable[[str], ItemT]) -> ItemT:
    text = take_text(mapping, key)
    try:
        return parse(text)
    except ValueError as error:
        raise InvalidError(f"{key}: {error}", key) from None


def _parse_number(text: str) -> float:
    # YAML writes `.inf` and `.nan`.
    bare = text.replace(".", "", 1) if text.lower().lstrip("+-") in (".inf", ".nan") else text
    return float(bare)


def _take_flag(mapping: _Mapping, key: str) -> bool:
    text = take_text(mapping, key) or "false"
    if text not in ("true", "false"):
        raise InvalidError(f"{key}: true or false is expected", key)
    return text == "true"


def _take_moment(mapping: _Mapping, key: str) -> datetime:
    """Return the moment at `key`: RFC 3339 or seconds since the epoch, which is the default."""
    text = take_text(mapping, key)
    if not text:
        return _EPOCH
    try:
        moment = _parse_moment(text)
    except (ValueError, OverflowError):
        message = f"{key}: write 2026-01-31T12:00:00Z or seconds since the epoch"
        raise InvalidError(message, key) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _parse_moment(text: str) -> datetime:
    try:
        return _EPOCH + timedelta(seconds=float(text))
    except ValueError:
        return datetime.fromisoformat(text)
