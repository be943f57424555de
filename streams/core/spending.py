"""The alerts that the alarm budget was spent on."""

from collections import Counter

from streamgauge.schemas.monitor_names import EVIDENCE
from streamgauge.streams.core.model import ModelState


def opened(model: ModelState) -> Counter[tuple[str, str]]:
    """By version and evidence monitor, how many alerts were opened: episodes are numbered."""
    book, found = model.book, Counter[tuple[str, str]]()
    for episode in book.open_episodes():
        found[episode.version, episode.monitor] += episode.number
    for (version, monitor, _), number in book.closed.numbers():
        found[version, monitor] += number
    return Counter({key: count for key, count in found.items() if key[1] in EVIDENCE})
