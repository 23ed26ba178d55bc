"""What people were sent: the messages that the catcher took."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx

from resumatch.demo.processes import Processes, python
from tests.acceptance.monitor import base_environment

Message = dict[str, Any]

ROUTING_KEY = "0ce4a16b0ce4a16b0ce4a16b0ce4a16b"


class Catcher:
    """A real SMTP server and the webhooks, as a process of their own."""

    def __init__(self, *, name: str, folder: Path, ports: tuple[int, int]) -> None:
        self._name = name
        self._folder = folder
        self.http_port, self.smtp_port = ports
        self.url = f"http://127.0.0.1:{self.http_port}"
        self._client = httpx.Client(base_url=self.url, timeout=20, trust_env=False)

    def start(self, processes: Processes) -> None:
        """Start it and wait until it takes messages."""
        processes.start(
            self._name,
            python(
                *("-m", "resumatch.demo.catcher"),
                *("--http-port", str(self.http_port), "--smtp-port", str(self.smtp_port)),
                *("--file", str(self._folder / f"{self._name}.jsonl"), "--most", "10000"),
            ),
            base_environment(),
        )
        processes.wait_for_http(self._name, self.url)

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    def messages(self, *, channel: str = "", about: str = "", titled: str = "") -> list[Message]:
        """Return what came, oldest first: by a channel, with a text in title or body, or title.

        A message may name another alert in its body: what drags it along, or what it waits for.
        """
        found: list[Message] = self._client.get("/messages").raise_for_status().json()
        return [
            each
            for each in found
            if (not channel or each["channel"] == channel)
            and (about in each["title"] or about in each["body"])
            and titled in each["title"]
        ]

    @property
    def pagerduty(self) -> dict[str, str]:
        """The configuration of a PagerDuty integration whose events come here."""
        return {"url": f"{self.url}/pagerduty", "routing_key": ROUTING_KEY}

    @property
    def email(self) -> dict[str, Any]:
        """The configuration of an e-mail integration whose mails come here."""
        return {
            "to": ["team@resumatch.example"],
            "from": "monitor@resumatch.example",
            "host": "127.0.0.1",
            "port": self.smtp_port,
            "tls": "none",
        }

    @property
    def receiver_yaml(self) -> str:
        """The receiver that sends everything here, for a monitor's configuration."""
        return f"""
  receivers:
    - name: default
      email:
        - to: [team@resumatch.example]
          from: monitor@resumatch.example
          host: 127.0.0.1
          port: {self.smtp_port}
          tls: none
      slack:
        - webhook_url: {self.url}/slack
      webhook:
        - url: {self.url}/webhook
"""


def titles(messages: Iterable[Message]) -> list[str]:
    """Return the messages' titles."""
    return [each["title"] for each in messages]


def message_ids(messages: Iterable[Message]) -> set[str]:
    """Return the different Message-IDs of mails."""
    return {each["details"]["headers"]["Message-ID"] for each in messages}
