"""The alerts that one target was told of and that are not over: who was told a beginning is told the end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streamgauge.clients.events import Alert
from streamgauge.notify.config import Route

#: The alerts that one notification may tell together: the route's number, and values of what it groups by.
Group = tuple[str, ...]


@dataclass(slots=True)
class Episode:
    """One alert, from the first record that fits a route; `before` are steps that had other labels."""

    first_offset: int
    last_offset: int
    route: Route
    group: Group
    last: Alert
    before: tuple[Alert, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it goes on; otherwise its end is still to be told."""
        return self.last.is_open


class Book:
    """The episodes of one partition, for one target."""

    def __init__(self, target: str, routes: Sequence[Route], *, grouped: bool) -> None:
        self._target = target
        self._routes = routes
        self._grouped = grouped
        self._episodes: dict[str, Episode] = {}

    def note(self, alert: Alert, offset: int) -> Episode | None:
        """Take a record up. None if the target is not concerned, or knows this step already."""
        episode = self._episodes.get(alert.alert_id)
        if episode is not None:
            if alert.sequence <= episode.last.sequence:
                return None
            if _labels(episode.last) not in map(_labels, (alert, *episode.before)):
                episode.before += (episode.last,)
            episode.last, episode.last_offset = alert, offset
            return episode
        found = route_of(self._target, self._routes, alert)
        if found is None:
            return None
        number, route = found
        group = _group(number, route, alert) if self._grouped else (alert.alert_id,)
        episode = Episode(offset, offset, route, group, alert)
        self._episodes[alert.alert_id] = episode
        return episode

    def close(self, alert: Alert) -> None:
        """Forget an alert whose end has been told, if it has one."""
        episode = self._episodes.get(alert.alert_id)
        if episode is not None and not alert.is_open:
            del self._episodes[alert.alert_id]

    def open(self) -> Iterator[Episode]:
        """Those that go on, in the order in which they were first told."""
        return (episode for episode in self._episodes.values() if episode.is_open)

    @property
    def first_offset(self) -> int | None:
        """Where reading must begin to know all of them again."""
        return min((episode.first_offset for episode in self._episodes.values()), default=None)


def route_of(target: str, routes: Sequence[Route], alert: Alert) -> tuple[int, Route] | None:
    """The first route that leads this alert to the target, with its number."""
    for number, route in enumerate(routes):
        if route.match.fits(alert):
            if target in route.to:
                return number, route
            if not route.continue_:
                return None
    return None


def _labels(alert: Alert) -> tuple[str, str | None]:
    """What of an alert changes from step to step, and tells apart whom it is for."""
    return alert.severity, alert.route


def _group(number: int, route: Route, alert: Alert) -> Group:
    segment = ",".join(f"{key}={value}" for key, value in sorted(alert.segment.items()))
    return (
        str(number),
        *(segment if name == "segment" else str(getattr(alert, name)) for name in route.group_by),
    )
