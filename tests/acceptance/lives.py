"""Lives of alerts: each begins, is heard of, perhaps acknowledged, and ends, whatever breaks."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import httpx

from tests.acceptance.messages import Catcher, Message
from tests.acceptance.monitor import MonitorProcess

_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.15
_VALID = timedelta(hours=1)


@dataclass(slots=True)
class Life:
    """An alert and what was answered for it.

    Attributes:
        acknowledged_at: When it was answered that it is acknowledged; only warnings are.
        is_over: Whether its end was taken.
    """

    name: str
    severity: str
    acknowledged_at: datetime | None = None
    is_over: bool = False


class Ears(threading.Thread):
    """Listens to what the catcher took, for all who wait for something."""

    def __init__(self, catcher: Catcher) -> None:
        super().__init__(name="ears", daemon=True)
        self._catcher = catcher
        self._is_over = threading.Event()
        self._heard = threading.Condition()
        self._messages: list[Message] = []

    def run(self) -> None:
        while not self._is_over.wait(_PAUSE_SECONDS):
            messages = self._catcher.messages()
            with self._heard:
                self._messages = messages
                self._heard.notify_all()

    def stop(self) -> None:
        self._is_over.set()
        self.join(20)

    def wait_for(self, channel: str, name: str, kind: str) -> None:
        """Wait until an alert was told by a channel.

        Raises:
            TimeoutError: If it was not.
        """
        with self._heard:
            if not self._heard.wait_for(
                lambda: bool(find_told(self._messages, channel, name, kind)),
                timeout=_PATIENCE_SECONDS,
            ):
                raise TimeoutError(f"{name} was not told as {kind} by {channel}")


def find_told(messages: list[Message], channel: str, name: str, kind: str) -> list[Message]:
    """Return what a channel told of an alert; `kind` is `firing` or `resolved`."""
    words = {
        "email": {"firing": "[FIRING:1]", "resolved": "[RESOLVED]"},
        "webhook": {"firing": "firing", "resolved": "resolved"},
        "pagerduty": {"firing": "trigger", "resolved": "resolve"},
    }
    start = f"{words[channel][kind]} "
    return [
        each
        for each in messages
        if each["channel"] == channel
        and each["title"].startswith(start)
        and (f" {name}" in each["title"] or f'"{name}"' in each["title"])
    ]


class Teller(threading.Thread):
    """Lets alerts live, one after another, until it is told to stop; the last one stays."""

    def __init__(self, monitor: MonitorProcess, ears: Ears, *, number: int, seed: int) -> None:
        super().__init__(name=f"teller {number}", daemon=True)
        self._monitor = monitor
        self._ears = ears
        self._number = number
        self._rng = random.Random(f"{seed}/{number}")
        self._must_end = threading.Event()
        self.lives: list[Life] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._must_end.is_set():
                self._live(is_last=False)
            self._live(is_last=True)
        except BaseException as error:  # noqa: BLE001 - whoever waits for the end raises it
            self.error = error

    def finish(self) -> list[Life]:
        """Let the present life end and one more begin.

        Raises:
            BaseException: What went wrong.
        """
        self._must_end.set()
        self.join(2 * _PATIENCE_SECONDS)
        assert not self.is_alive(), f"{self.name} still waits"
        if self.error is not None:
            raise self.error
        return self.lives

    def _live(self, *, is_last: bool) -> None:
        severity = "warning" if self._rng.random() < 0.4 else "critical"
        # Ends with a letter, so that no name begins with another.
        life = Life(f"Life{self._number}x{len(self.lives)}end", severity)
        self.lives.append(life)
        self._push(life, ends_in=_VALID)
        # A message that still waits when its alert ends would be replaced by that of the end.
        for channel in (
            ("webhook", "email", "pagerduty") if severity == "critical" else ("webhook",)
        ):
            self._ears.wait_for(channel, life.name, "firing")
        if severity == "warning":
            self._escalate_or_acknowledge(life)
        time.sleep(self._rng.uniform(0.0, 1.5))
        if not is_last:
            self._push(life, ends_in=timedelta(0))
            life.is_over = True

    def _escalate_or_acknowledge(self, life: Life) -> None:
        if self._rng.random() < 0.5:
            self._ears.wait_for("pagerduty", life.name, "firing")
            return
        body = {"action": "acknowledge", "matchers": [f'alertname="{life.name}"']}
        answer = self._insist(lambda: self._monitor.api.post("/api/monitor/alerts/actions", body))
        # Unchanged it is if only the answer to an earlier attempt was lost.
        assert answer["changed"] + answer["unchanged"] == 1, answer
        life.acknowledged_at = datetime.now(UTC)

    def _push(self, life: Life, *, ends_in: timedelta) -> None:
        def push() -> None:
            alert: dict[str, Any] = {
                "labels": {"alertname": life.name, "severity": life.severity},
                "annotations": {"summary": "it lives"},
                "endsAt": (datetime.now(UTC) + ends_in).isoformat(),
            }
            self._monitor.api.post("/api/v2/alerts", [alert])

        self._insist(push)

    def _insist(self, act: Callable[[], Any]) -> Any:
        """Do it until it is answered with a success, as Prometheus does."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return act()
            except httpx.TransportError:
                pass
            except httpx.HTTPStatusError as error:
                if error.response.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                    raise
            if time.monotonic() > deadline:
                raise TimeoutError("the monitor does not answer")
            time.sleep(_PAUSE_SECONDS)
