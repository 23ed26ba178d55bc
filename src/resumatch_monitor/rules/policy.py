"""What becomes of a rule that cannot be evaluated, or whose series are gone."""

from enum import StrEnum

NO_DATA_KEY = "on_no_data"
"""The key of a rule, in a rule file, for its own policy; Prometheus does not know it."""


class ErrorPolicy(StrEnum):
    """What is said when a rule cannot be evaluated; its alerts stay as they are in any case.

    `alert` raises RuleEvaluationFailing after five minutes; `ignore` shows it on the page only.
    """

    ALERT = "alert"
    IGNORE = "ignore"


class NoDataPolicy(StrEnum):
    """What a rule makes of it when nothing is left of the series that it reads.

    `ignore`: nothing is nothing to worry about, as in Prometheus; the page says it. `alert`: the
    same, and RuleWithoutData is raised. `keep`: its alerts besides stay as they are meanwhile.
    """

    IGNORE = "ignore"
    ALERT = "alert"
    KEEP = "keep"
