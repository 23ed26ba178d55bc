"""Block Kit's pieces, and the room that they have in a message.

https://docs.slack.dev/reference/block-kit/blocks
"""

from typing import Any

from resumatch_monitor.notify.wording import clip

LONGEST_PART = 500
_LONGEST_LINK = 1000
_LONGEST_BUTTON_URL = 3000
_LONGEST_BUTTON_TEXT = 75
_MOST_BUTTONS = 25
_MOST_FIELDS = 10
_MOST_BLOCKS = 50
# All of a message's blocks together are refused beyond about 13,200 characters.
_LONGEST_MESSAGE = 13_000


class Blocks:
    """Blocks that are kept only as long as there is room for them."""

    def __init__(self, *, reserve: int = 0) -> None:
        """Begin a message.

        Args:
            reserve: Characters to keep free, until `release`, for what comes last.
        """
        self.blocks: list[dict[str, Any]] = []
        self._length = 0
        self._reserve = reserve

    def add(self, *blocks: dict[str, Any]) -> bool:
        """Add all of `blocks`, or none if that is more than a message holds."""
        length = sum(map(measure, blocks))
        is_room = self._length + length <= _LONGEST_MESSAGE - self._reserve and len(
            self.blocks
        ) + len(blocks) <= _MOST_BLOCKS - (1 if self._reserve else 0)
        if is_room:
            self.blocks.extend(blocks)
            self._length += length
        return is_room

    def release(self) -> None:
        """Let what comes last have what was kept free for it."""
        self._reserve = 0


def measure(value: object) -> int:
    """Return how many characters of text `value` holds, addresses included."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(measure, value.values()))  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, list):
        return sum(map(measure, value))  # pyright: ignore[reportUnknownArgumentType]
    return 0


def section(text: str) -> dict[str, Any]:
    """Return a paragraph."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def fields(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Return facts in two columns; each is a name, and text that is markup already."""
    return {
        "type": "section",
        "fields": [
            {"type": "mrkdwn", "text": f"*{part(name)}*\n{text}"}
            for name, text in pairs[:_MOST_FIELDS]
        ],
    }


def context(text: str) -> dict[str, Any]:
    """Return a line of small print."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}


def actions(buttons: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return a row of links that look like buttons, or nothing; each is a text and an address."""
    elements: list[dict[str, Any]] = [
        {
            "type": "button",
            "text": {"type": "plain_text", "text": clip(text, _LONGEST_BUTTON_TEXT)},
            "url": url,
        }
        for text, url in buttons
        if url and len(url) <= _LONGEST_BUTTON_URL
    ]
    return [{"type": "actions", "elements": elements[:_MOST_BUTTONS]}] if elements else []


def escape(text: str) -> str:
    """Escape what Slack reads as markup, mentions of a whole channel among it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def part(text: str) -> str:
    """Return text as markup, of a bounded length."""
    return escape(clip(text, LONGEST_PART))


def link(url: str, text: str, *, bold: bool = False) -> str:
    """Return a link as markup; only the text if the address is too long for one."""
    if not url or len(url) > _LONGEST_LINK:
        return f"*{part(text)}*" if bold else part(text)
    made = f"<{escape(url).replace('|', '%7C')}|{part(text).replace('|', '¦')}>"
    return f"*{made}*" if bold else made
