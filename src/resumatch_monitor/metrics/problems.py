"""What of a request is refused while the rest is taken."""

_MOST_NAMED = 3


class Problems:
    """Counts refusals and names the first ones."""

    def __init__(self) -> None:
        self._named: list[str] = []
        self.count = 0

    def add(self, message: str, *, count: int = 1) -> None:
        """Note that something is refused, `count` times."""
        self.count += count
        if len(self._named) < _MOST_NAMED and message not in self._named:
            self._named.append(message)

    def __str__(self) -> str:
        return "; ".join(self._named)
