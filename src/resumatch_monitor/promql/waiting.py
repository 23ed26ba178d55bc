"""Tells the time that a query takes apart from the time that it waits."""


class Waiting:
    """Adds up how long queries waited for a thread, for other queries and to be listened to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def add(self, *, passed_seconds: float, busy_seconds: float) -> None:
        """Count what passed between a question and its answer beyond what it was worked on."""
        self.seconds += max(0.0, passed_seconds - busy_seconds)
