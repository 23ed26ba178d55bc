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
        samples_loaded: Samples that came from the store.
        samples: Those, and the ones that were made of them.
    """

    queue_seconds: float = 0.0
    prepare_seconds: float = 0.0
    evaluate_seconds: float = 0.0
    sort_seconds: float = 0.0
    samples_loaded: int = 0
    samples: int = 0


NO_STATISTICS = Statistics()
