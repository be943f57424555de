"""A text as a Slack incoming webhook takes it, within Slack's limits.

https://docs.slack.dev/reference/block-kit/blocks
"""

from collections.abc import Sequence
from typing import Any

_TITLE, _SECTION, _BLOCKS = 150, 3_000, 50


def message(title: str, lines: Sequence[str]) -> dict[str, Any]:
    """A header and one section a line; `text` is what notifications show.

    What alerts say is no markup: it can neither mention nor link.
    """
    sections = [
        {"type": "section", "text": {"type": "mrkdwn", "text": _cut(_escaped(line), _SECTION)}}
        for line in lines[: _BLOCKS - 1]
        if line.strip()
    ]
    header = {"type": "header", "text": {"type": "plain_text", "text": _cut(title or "alerts", _TITLE)}}
    return {"text": _cut(_escaped(title), _SECTION), "blocks": [header, *sections]}


def _escaped(text: str) -> str:
    """Slack's three control characters, as it wants them; `*` and `_` stay, and only style."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
