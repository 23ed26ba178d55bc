"""Where Prometheus 2.42, the one in Debian, and Prometheus 3, which this engine follows, differ.

Some differences are kept out of the questions, the others recognised in the answers.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.promql.differential.compare import Result
from tests.promql.differential.queries import Query

KEPT_OUT = {
    "a range and the look-back leave out the sample at their very beginning; 2.42 takes it in": (
        "no sample's time has 0 or 500 as milliseconds, and every range begins on such a moment"
    ),
    "sum and avg compensate rounding; 2.42 adds up plainly": (
        "values that cancel each other out are compared absolutely, huge ones never added up"
    ),
    "rate and increase halve the average interval before they look for a counter's zero": (
        "counters with gaps never come near zero"
    ),
    "functions and aggregations that 2.42 does not have": (
        "they are not asked; scripts of our own hold them"
    ),
    "2.42 mixes up the labels of count_values by (…) unless the new one comes last": (
        "there it comes last"
    ),
    "which of equal values topk keeps is left to chance in either": (
        "topk is asked about values that differ"
    ),
    "a dot in a regular expression stands for a newline too; in 2.42 only with (?s)": (
        "values with a newline are matched with (?s)"
    ),
    "which of two zeros min and max return is left to chance in either": (
        "a zero is added to what they are asked about"
    ),
    "the variance of an infinite value is NaN, in 2.42 only if there are others": "it is not asked",
    "holt_winters is called double_exponential_smoothing": "each is asked by its own name",
}


@dataclass(frozen=True)
class Difference:
    """A known difference, and how to tell that it is at work."""

    reason: str
    applies: Callable[[Query, Result, Result], bool]


def _only_ours_fails_with(message: str) -> Callable[[Query, Result, Result], bool]:
    def applies(query: Query, ours: Result, theirs: Result) -> bool:
        return theirs.error is None and ours.error == "execution" and message in ours.message

    return applies


def _differs_in_names_of_atan2(query: Query, ours: Result, theirs: Result) -> bool:
    return " atan2 " in query.text


KNOWN = (
    Difference("2.42 keeps the metric's name after atan2", _differs_in_names_of_atan2),
    Difference(
        "a comparison's ambiguous matches are an error even where it does not hold",
        lambda query, ours, theirs: (
            re.search(r"[=!<>]=?", query.text) is not None
            and _only_ours_fails_with("multiple matches for labels")(query, ours, theirs)
        ),
    ),
    Difference(
        "2.42 loses samples under @ in a range function whose other argument changes",
        lambda query, ours, theirs: (
            re.search(r"(?:predict_linear|quantile_over_time)\(.* @ ", query.text) is not None
        ),
    ),
    Difference(
        "Prometheus works the parameter of an aggregation of something with @ out once",
        lambda query, ours, theirs: (
            re.search(r"(?:topk|bottomk|quantile)\b.* @ ", query.text) is not None
        ),
    ),
    Difference(
        "Prometheus looks at another moment for an @ inside a subquery whose first step is the"
        " query's own",
        lambda query, ours, theirs: (
            re.search(r" @ .*\[[^\]]+:[^\]]*\]|^[^[]*\[[^\]]+:[^\]]*\][^[)]* @ ", query.text)
            is not None
        ),
    ),
    Difference(
        "of a subquery within another Prometheus works out steps that nobody looks at, and fails",
        lambda query, ours, theirs: (
            theirs.error == "execution"
            and ours.error is None
            and len(re.findall(r"\[[^\]]+:[^\]]*\]", query.text)) > 1
        ),
    ),
    Difference(
        "Prometheus forgets the offset in timestamp() of a selector with @",
        lambda query, ours, theirs: (
            re.search(r"timestamp\(.* (?:@ .* offset|offset .* @)", query.text) is not None
        ),
    ),
    Difference(
        "the parser drops a plus sign, and timestamp(+x) is that of x's sample",
        lambda query, ours, theirs: re.search(r"timestamp\(\+", query.text) is not None,
    ),
    Difference("a k of NaN is an error", _only_ours_fails_with("Parameter value is NaN")),
)


def find_known_difference(query: Query, ours: Result, theirs: Result) -> Difference | None:
    """Return the known difference that explains why the answers are not the same."""
    for difference in KNOWN:
        if difference.applies(query, ours, theirs):
            return difference
    return None
