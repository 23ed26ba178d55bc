"""What the evaluation of one query took."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statistics:
    """Times and samples of one query.

    Attributes:
        queue_seconds: How long it waited for a thread.
        prepare_seconds: Parsing and checking.
        evaluate_seconds: Reading samples and calculating.
        sort_seconds: Putting the result in order.
        samples: Samples that were loaded and made.
    """

    queue_seconds: float = 0.0
    prepare_seconds: float = 0.0
    evaluate_seconds: float = 0.0
    sort_seconds: float = 0.0
    samples: int = 0


NO_STATISTICS = Statistics()
