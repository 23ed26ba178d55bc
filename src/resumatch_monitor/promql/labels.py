"""Functions on label sets: label_replace, label_join, sorting by labels, absent's labels."""

import re
from collections.abc import Sequence

from resumatch_monitor.metrics.labels import METRIC_NAME, Labels, MatchOp
from resumatch_monitor.promql import ast
from resumatch_monitor.promql.value import ExecutionError
from resumatch_monitor.promql.vector import Vector, merge_equal

_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")
_NUMBERS = re.compile(r"(\d+)")


def label_replace(
    vector: Vector, *, target: str, replacement: str, source: str, pattern: str
) -> Vector:
    """Set label `target` to `replacement` where label `source` matches `pattern` entirely."""
    try:
        compiled = re.compile(pattern, re.DOTALL)
    except re.error:
        raise ExecutionError(f"invalid regular expression in label_replace(): {pattern}") from None
    _check_label_name(target, "invalid destination label name in label_replace()")
    changed: list[Labels] = []
    for labels in vector.visible_labels():
        match = compiled.fullmatch(labels.value(source))
        if match is None:
            changed.append(labels)
        else:
            changed.append(labels.with_labels({target: expand(match, replacement)}))
    return merge_equal(Vector(changed, vector.values, vector.present))


def expand(match: "re.Match[str]", template: str) -> str:
    """Fill `$1`, `${name}` and `$$` into `template`; what the pattern does not have is empty."""

    def fill(reference: "re.Match[str]") -> str:
        if reference[1]:
            return "$"
        name: str = reference[2] or reference[3]
        group: int | str = int(name) if name.isdigit() else name
        try:
            return match[group] or ""
        except IndexError:
            return ""

    return _REFERENCE.sub(fill, template)


def label_join(vector: Vector, *, target: str, separator: str, sources: Sequence[str]) -> Vector:
    """Set label `target` to the values of `sources`, joined."""
    for source in sources:
        _check_label_name(source, "invalid source label name in label_join()")
    _check_label_name(target, "invalid destination label name in label_join()")
    changed = [
        labels.with_labels({target: separator.join(labels.value(name) for name in sources)})
        for labels in vector.visible_labels()
    ]
    return merge_equal(Vector(changed, vector.values, vector.present))


def _check_label_name(name: str, complaint: str) -> None:
    try:
        name.encode()
        is_valid = name != "" and "�" not in name
    except UnicodeEncodeError:
        is_valid = False
    if not is_valid:
        raise ExecutionError(f"{complaint}: {name}")


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key by which `a2` comes before `a10`."""
    return tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in _NUMBERS.split(text)
        if part
    )


def order_by_labels(vector: Vector, names: Sequence[str], *, descending: bool) -> list[int]:
    """Return the order of the series by the labels `names`, ties by the whole label set."""
    labels = vector.visible_labels()

    def key(row: int) -> tuple[object, ...]:
        return (*(natural_key(labels[row].value(name)) for name in names), labels[row].pairs)

    return sorted(range(len(labels)), key=key, reverse=descending)


def labels_of_absence(expr: ast.Expr) -> Labels:
    """Return the labels that `absent` and `absent_over_time` can deduce: those matched exactly."""
    if isinstance(expr, ast.MatrixSelector):
        expr = expr.selector
    if not isinstance(expr, ast.VectorSelector):
        return Labels()
    pairs: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in expr.matchers:
        if matcher.name == METRIC_NAME:
            continue
        if matcher.op is MatchOp.EQUAL and matcher.name not in seen:
            pairs[matcher.name] = matcher.value
            seen.add(matcher.name)
        else:
            pairs.pop(matcher.name, None)
    return Labels(pairs.items())
