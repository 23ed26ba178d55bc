"""Identifiers that count up."""


class SequentialIds:
    """`uuid` and `token` are numbered from 1."""

    def __init__(self) -> None:
        self._count = 0

    def uuid(self) -> str:
        self._count += 1
        return f"{self._count:032x}"

    def token(self) -> str:
        self._count += 1
        return f"{self._count:04d}-invented-token-of-a-test"
