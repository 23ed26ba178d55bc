"""Functions on label sets: label_replace, label_join, sorting by labels, absent's labels."""

import re
from collections.abc import Sequence

from resumatch_monitor.kit.regex import Regex, RegexError, RegexMatch
from resumatch_monitor.metrics.labels import METRIC_NAME, Labels, MatchOp
from resumatch_monitor.promql import ast
from resumatch_monitor.promql.value import ExecutionError, QueryLimitError
from resumatch_monitor.promql.vector import Vector, merge_equal

LONGEST_LABEL_VALUE = 16 * 1024

_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")
_NUMBERS = re.compile(r"([0-9]+)")


def label_replace(
    vector: Vector, *, target: str, replacement: str, source: str, pattern: str
) -> Vector:
    """Set label `target` to `replacement` where label `source` matches `pattern` entirely."""
    try:
        compiled = Regex(pattern, dot_matches_newline=True)
    except RegexError:
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


def expand(match: RegexMatch, template: str) -> str:
    """Fill `$1`, `${name}` and `$$` into `template`; what the pattern does not have is empty."""
    length = 0

    def fill(reference: "re.Match[str]") -> str:
        nonlocal length
        text = "$" if reference[1] else _read_group(match, reference[2] or reference[3])
        length += len(text)
        _check_length(length)
        return text

    return _REFERENCE.sub(fill, template)


def _read_group(match: RegexMatch, name: str) -> str:
    try:
        return match[int(name) if name.isdecimal() else name] or ""
    except (IndexError, ValueError):
        return ""


def label_join(vector: Vector, *, target: str, separator: str, sources: Sequence[str]) -> Vector:
    """Set label `target` to the values of `sources`, joined."""
    for source in sources:
        _check_label_name(source, "invalid source label name in label_join()")
    _check_label_name(target, "invalid destination label name in label_join()")
    changed: list[Labels] = []
    for labels in vector.visible_labels():
        values = [labels.value(name) for name in sources]
        _check_length(sum(map(len, values)) + len(separator) * len(values))
        changed.append(labels.with_labels({target: separator.join(values)}))
    return merge_equal(Vector(changed, vector.values, vector.present))


def _check_length(length: int) -> None:
    # A few calls inside one another could otherwise multiply a text beyond all memory.
    if length > LONGEST_LABEL_VALUE:
        raise QueryLimitError(f"a label value becomes longer than {LONGEST_LABEL_VALUE} characters")


def _check_label_name(name: str, complaint: str) -> None:
    try:
        name.encode()
        is_valid = name != "" and "�" not in name
    except UnicodeEncodeError:
        is_valid = False
    if not is_valid:
        raise ExecutionError(f"{complaint}: {name}")


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key by which `a2` comes before `a10`.

    A number and something else are compared as texts: what begins before `0` comes first.
    """
    return tuple(
        (1, int(part), "") if "0" <= part[0] <= "9" else (0 if part < "0" else 2, 0, part)
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
