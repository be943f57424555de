"""What was paid of the alarm budget, and the alerts that it was spent on."""

from collections import Counter
from collections.abc import Iterable

from streamgauge.schemas.monitor_names import EVIDENCE
from streamgauge.streams.core.model import ModelState


def opened(model: ModelState) -> Counter[tuple[str, str]]:
    """By version and evidence monitor, how many alerts were opened: episodes are numbered."""
    book, found = model.book, Counter[tuple[str, str]]()
    for episode in book.open_episodes():
        found[episode.version, episode.monitor] += episode.number
    for (version, monitor, _), number in book._closed.numbers():
        found[version, monitor] += number
    return Counter({key: count for key, count in found.items() if key[1] in EVIDENCE})


def spending(models: Iterable[ModelState]) -> tuple[float, Counter[str]]:
    """Of several models: the false alarms they were paid for, and by monitor the alerts they opened."""
    paid, alerts = 0.0, Counter(dict.fromkeys(EVIDENCE, 0))
    for model in models:
        paid += model.account.paid_in_all
        for (_, monitor), count in opened(model).items():
            alerts[monitor] += count
    return paid, alerts
