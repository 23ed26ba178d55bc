"""Payloads to train a dictionary with."""

_ENOUGH_PAYLOADS = 1_000
_ENOUGH_BYTES = 8 * 1024 * 1024
_LARGEST_PAYLOAD = 32 * 1024


class PayloadSample:
    """Gathers payloads from a part's beginning until there are enough, once."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self._is_taken = False

    def start_over(self) -> None:
        """Gather anew: what applications send changes."""
        self.payloads.clear()
        self._is_taken = False

    def take_if_enough(self) -> list[bytes]:
        """Return the sample the first time that there is enough of it, else nothing."""
        if self._is_taken:
            self.payloads.clear()
            return []
        is_enough = (
            len(self.payloads) >= _ENOUGH_PAYLOADS or sum(map(len, self.payloads)) >= _ENOUGH_BYTES
        )
        if not is_enough:
            return []
        taken = [payload[:_LARGEST_PAYLOAD] for payload in self.payloads]
        self.payloads.clear()
        self._is_taken = True
        return taken
