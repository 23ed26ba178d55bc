"""Reads Prometheus rule files; what is wrong in one rule costs only that rule."""

import glob
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from resumatch_monitor.kit.yamltree import YamlError, YamlTree, parse_yaml
from resumatch_monitor.promql.value import QueryError
from resumatch_monitor.rules.fields import (
    InvalidError,
    Pairs,
    Steps,
    find_unknown_keys,
    take_count,
    take_duration,
    take_labels,
    take_list,
    take_mapping,
    take_text,
)
from resumatch_monitor.rules.model import (
    AlertingRule,
    LoadedRules,
    RecordingRule,
    Rule,
    RuleFileError,
    RuleGroup,
)
from resumatch_monitor.rules.policy import NO_DATA_KEY, NoDataPolicy
from resumatch_monitor.rules.template import TemplateError, parse_template

CheckExpression = Callable[[str], None]
"""Raises `QueryError` if its argument is not PromQL that can be evaluated."""

LARGEST_FILE_BYTES = 4 * 1024 * 1024
MOST_RULES = 10_000
_SHORTEST_INTERVAL = timedelta(seconds=1)

_FILE_KEYS = ("groups",)
_GROUP_KEYS = ("name", "interval", "limit", "query_offset", "labels", "rules")
_ALERT_KEYS = ("alert", "expr", "for", "keep_firing_for", "labels", "annotations", NO_DATA_KEY)
_RECORD_KEYS = ("record", "expr", "labels", NO_DATA_KEY)
_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def find_rule_files(patterns: Sequence[Path]) -> tuple[list[Path], list[RuleFileError]]:
    """Resolve `rule_files` as Prometheus does: each may be a glob pattern.

    A pattern that matches nothing is fine; a plain path that does not exist is an error.
    """
    found: dict[Path, None] = {}
    errors: list[RuleFileError] = []
    for pattern in patterns:
        text = str(pattern)
        if glob.has_magic(text):
            found.update((Path(name), None) for name in sorted(glob.glob(text)))
        elif pattern.is_file():
            found[pattern] = None
        else:
            errors.append(RuleFileError(text, 0, None, None, "there is no such file"))
    return list(found), errors


def load_rule_files(
    patterns: Sequence[Path],
    *,
    check_expression: CheckExpression,
    default_interval: timedelta,
    default_offset: timedelta = timedelta(0),
) -> LoadedRules:
    """Read all files that `patterns` name. It reads files: call it in a thread."""
    files, errors = find_rule_files(patterns)
    groups: list[RuleGroup] = []
    for path in files:
        loaded = _load_file(path, check_expression, default_interval, default_offset)
        groups.extend(loaded.groups)
        errors.extend(loaded.errors)
    return LoadedRules(groups, errors)


def parse_rule_file(
    text: str,
    *,
    file: str,
    check_expression: CheckExpression,
    default_interval: timedelta,
    default_offset: timedelta = timedelta(0),
) -> LoadedRules:
    """Parse the text of one rule file."""
    try:
        tree = parse_yaml(text, as_text=True)
    except YamlError as error:
        place = error.position
        broken = RuleFileError(file, place.line, None, None, error.message, place.column)
        return LoadedRules([], [broken])
    reader = _Reader(file, tree, check_expression, default_interval, default_offset)
    return LoadedRules(reader.read_groups(), reader.errors)


def parse_rule(
    tree: YamlTree, *, check_expression: CheckExpression
) -> tuple[Rule | None, list[RuleFileError]]:
    """Return the one rule that `tree` is, parsed `as_text`, and what is wrong with it."""
    reader = _Reader("", tree, check_expression, timedelta(0), timedelta(0))
    return reader.read_rule(), reader.errors


def _load_file(
    path: Path,
    check_expression: CheckExpression,
    default_interval: timedelta,
    default_offset: timedelta,
) -> LoadedRules:
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            message = f"the file is larger than {LARGEST_FILE_BYTES} bytes"
            return LoadedRules([], [RuleFileError(str(path), 0, None, None, message)])
        text = path.read_text("utf-8")
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        return LoadedRules([], [RuleFileError(str(path), 0, None, None, message)])
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text (byte {error.start})"
        return LoadedRules([], [RuleFileError(str(path), 0, None, None, message)])
    return parse_rule_file(
        text,
        file=str(path),
        check_expression=check_expression,
        default_interval=default_interval,
        default_offset=default_offset,
    )


class _Reader:
    """Reads one parsed file and collects what is wrong with it."""

    def __init__(
        self,
        file: str,
        tree: YamlTree,
        check_expression: CheckExpression,
        default_interval: timedelta,
        default_offset: timedelta,
    ) -> None:
        self._file = file
        self._tree = tree
        self._check_expression = check_expression
        self._default_interval = default_interval
        self._default_offset = default_offset
        self._rule_count = 0
        self.errors: list[RuleFileError] = []

    def read_groups(self) -> list[RuleGroup]:
        if self._tree.value is None:
            return []
        groups: list[RuleGroup] = []
        try:
            root = take_mapping(self._tree.value)
            for problem in find_unknown_keys(root, _FILE_KEYS):
                self._report(problem, ())
            items = take_list(root.get("groups"), "groups")
        except InvalidError as error:
            self._report(error, ())
            return []
        names: set[str] = set()
        for index, item in enumerate(items):
            group = self._read_group(item, ("groups", index), names)
            if group is not None:
                groups.append(group)
        return groups

    def read_rule(self) -> Rule | None:
        """Return the rule that the document is."""
        return self._read_rule(self._tree.value, (), None, ())

    def _read_group(self, item: object, at: Steps, names: set[str]) -> RuleGroup | None:
        name: str | None = None
        try:
            mapping = take_mapping(item)
            name = take_text(mapping, "name", is_required=True)
            _check_unique(name, names)
            for problem in find_unknown_keys(mapping, _GROUP_KEYS):
                self._report(problem, at, group=name)
            labels = take_labels(mapping, "labels")
            _check_template_texts("labels", labels)
            interval = _take_interval(mapping) or self._default_interval
            offset = self._take_offset(mapping)
            limit = take_count(mapping, "limit")
            items = take_list(mapping.get("rules"), "rules")
        except InvalidError as error:
            self._report(error, at, group=name)
            return None
        rules = [
            rule
            for index, each in enumerate(items)
            if (rule := self._read_rule(each, (*at, "rules", index), name, labels)) is not None
        ]
        return RuleGroup(
            name=name,
            file=self._file,
            interval=interval,
            rules=tuple(rules),
            limit=limit,
            query_offset=offset,
        )

    def _take_offset(self, mapping: Mapping[str, object]) -> timedelta:
        # `0s` is an offset of its own, against the general one.
        if take_text(mapping, "query_offset"):
            return take_duration(mapping, "query_offset")
        return self._default_offset

    def _read_rule(
        self, item: object, at: Steps, group: str | None, group_labels: Pairs
    ) -> Rule | None:
        name: str | None = None
        try:
            self._count_rule()
            mapping = take_mapping(item)
            kind = _find_kind(mapping)
            name = take_text(mapping, kind, is_required=True)
            known = _ALERT_KEYS if kind == "alert" else _RECORD_KEYS
            problems = find_unknown_keys(mapping, known)
            if problems:
                # A misspelt `for` or `labels` changes whom the alert wakes: the rule does not run.
                for problem in problems:
                    self._report(problem, at, group=group, rule=name)
                return None
            expr = self._take_expression(mapping)
            labels = _merge(group_labels, take_labels(mapping, "labels"))
            line = self._tree.position(at).line
            policy = _take_policy(mapping)
            if kind == "record":
                rule = _build_recording_rule(name, expr, labels, line)
            else:
                rule = _build_alerting_rule(name, expr, labels, line, mapping)
            return replace(rule, on_no_data=policy)
        except InvalidError as error:
            self._report(error, at, group=group, rule=name)
            return None

    def _count_rule(self) -> None:
        self._rule_count += 1
        if self._rule_count > MOST_RULES:
            raise InvalidError(f"a file may hold at most {MOST_RULES} rules")

    def _take_expression(self, mapping: Mapping[str, object]) -> str:
        expr = take_text(mapping, "expr", is_required=True).strip()
        try:
            self._check_expression(expr)
        except QueryError as error:
            raise InvalidError(f"expr: {error}", "expr") from error
        return expr

    def _report(
        self,
        error: InvalidError,
        at: Steps,
        *,
        group: str | None = None,
        rule: str | None = None,
    ) -> None:
        steps = (*at, *error.steps)
        tree = self._tree
        place = tree.key_position(steps) if error.at_key else tree.position(steps)
        self.errors.append(
            RuleFileError(
                self._file,
                place.line,
                group,
                rule,
                error.message,
                place.column,
                ".".join(map(str, error.steps)),
            )
        )


def _build_recording_rule(name: str, expr: str, labels: Pairs, line: int) -> RecordingRule:
    if not _METRIC_NAME.fullmatch(name):
        raise InvalidError(f"record: {name!r} is not a metric name", "record")
    return RecordingRule(name, expr, labels, line)


def _build_alerting_rule(
    name: str, expr: str, labels: Pairs, line: int, mapping: Mapping[str, object]
) -> AlertingRule:
    annotations = take_labels(mapping, "annotations")
    _check_template_texts("labels", labels)
    _check_template_texts("annotations", annotations)
    return AlertingRule(
        name=name,
        expr=expr,
        hold_duration=take_duration(mapping, "for"),
        keep_firing_for=take_duration(mapping, "keep_firing_for"),
        labels=labels,
        annotations=annotations,
        line=line,
    )


def _take_policy(mapping: Mapping[str, object]) -> NoDataPolicy | None:
    text = take_text(mapping, NO_DATA_KEY)
    if not text:
        return None
    try:
        return NoDataPolicy(text)
    except ValueError:
        known = ", ".join(NoDataPolicy)
        raise InvalidError(f"{NO_DATA_KEY}: is one of {known}", NO_DATA_KEY) from None


def _check_unique(name: str, names: set[str]) -> None:
    if name in names:
        raise InvalidError(f"name: the group {name!r} is there twice in this file", "name")
    names.add(name)


def _take_interval(mapping: Mapping[str, object]) -> timedelta:
    interval = take_duration(mapping, "interval")
    if timedelta(0) < interval < _SHORTEST_INTERVAL:
        raise InvalidError("interval: is shorter than a second", "interval")
    return interval


def _find_kind(mapping: Mapping[str, object]) -> str:
    kinds = [kind for kind in ("alert", "record") if kind in mapping]
    if len(kinds) == 2:
        raise InvalidError("a rule has either alert or record, not both", "record", at_key=True)
    if not kinds:
        problems = find_unknown_keys(mapping, (*_ALERT_KEYS, "record"))
        hint = f"; {problems[0].message}" if problems else ""
        raise InvalidError(f"a rule needs alert or record{hint}")
    return kinds[0]


def _check_template_texts(key: str, pairs: Pairs) -> None:
    for name, text in pairs:
        try:
            parse_template(text)
        except TemplateError as error:
            raise InvalidError(f"{key}.{name}: {error}", key, name) from error


def _merge(group_labels: Pairs, labels: Pairs) -> Pairs:
    return tuple({**dict(group_labels), **dict(labels)}.items())
