"""`AlertBook`: the alert episodes of one model, from opened to resolved."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from streamgauge.schemas.control import Acknowledge, Resolve, Silence
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.message import ALERTS, Output
from streamgauge.schemas.monitor import Rule
from streamgauge.streams.core.alert_context import AlertContext
from streamgauge.streams.core.alert_states import ENDED, ENDINGS, TRANSITIONS, Event, State
from streamgauge.streams.core.episode import Episode, fingerprint
from streamgauge.streams.core.findings import Finding, Segment
from streamgauge.streams.core.silences import Silences, alert_fields
from streamgauge.streams.core.summary import duration_in_words

#: Fingerprints whose last episode number is remembered; beyond it the one closed longest ago goes.
MAX_CLOSED = 1_000


_Key = tuple[str, str, Segment]  # version, monitor, segment


class AlertBook:
    """Opens, updates and resolves alerts. Times are microseconds since the epoch, in event time.

    >>> book = AlertBook("credit")
    >>> finding = Finding("accuracy", "accuracy", "critical", value=0.72, limit=0.8, n=500)
    >>> [opened] = book.observe("7", "accuracy", (), finding, now_us=1_800_000_000_000_000)
    >>> opened.record["state"], opened.record["summary"]
    ('opened', 'credit 7: accuracy 0.72, below the limit 0.80 (since 08:00)')
    """

    def __init__(self, model: str, floor: int = 0) -> None:
        self.model = model
        self._open: dict[_Key, Episode] = {}
        self._closed: dict[_Key, tuple[int, int]] = {}  # last episode's number, when it ended
        self._floor = floor  # no forgotten fingerprint got beyond this number
        self._silences = Silences()

    def observe(
        self,
        version: str,
        monitor: str,
        segment: Segment,
        finding: Finding | None,
        now_us: int,
        rule: Rule | None = None,
        context: AlertContext | None = None,
    ) -> list[Output]:
        """A window was judged: `finding` if the monitor fires, else None. Gives at most one alert record.

        `segment` must be sorted. Call it only with a verdict: a window with too few events has none. Verdicts
        on several windows at once, for instance restated ones, count as one towards `resolve_after`.
        """
        context = context or AlertContext()
        key = (version, monitor, segment)
        episode = self._open.get(key)
        event = self._classify(key, episode, finding, now_us, context)
        if episode is None:
            if finding is None or event is Event.HELD:
                return []
            episode = self._begin(key, finding, now_us)
        if finding is None:
            episode.quiet = episode.quiet_at(now_us, context.window_us)
        else:
            episode.quiet = 0
            episode.finding = finding
            if event is Event.WORSENS:
                episode.severity = finding.severity
        episode.seen_us = max(episode.seen_us, now_us)
        episode.definition_id = context.definition_id
        episode.baseline_id = context.baseline_id
        episode.software = context.software
        episode.runbook_url = rule.runbook_url if rule else episode.runbook_url
        return self._step(key, event, now_us)

    def is_open(self, version: str, monitor: str, segment: Segment) -> bool:
        """Whether an episode is open, so that a rule may ask for less to go on than to begin."""
        return (version, monitor, segment) in self._open

    @property
    def last_number(self) -> int:
        """No episode has a higher one."""
        numbers = [episode.number for episode in self._open.values()] + [n for n, _ in self._closed.values()]
        return max(numbers, default=self._floor)

    def open_episodes(self) -> tuple[Episode, ...]:
        """Open episodes in the order in which they opened; not to be changed."""
        return tuple(self._open.values())

    def control(self, event: Acknowledge | Resolve | Silence, now_us: int) -> list[Output]:
        """An operator's word. Raises `BadEvent` (refused) if the alert is not open, or cannot be matched.

        Silenced alerts neither open nor update; those that are open may still resolve.
        """
        if isinstance(event, Silence):
            self._silences.drop_ended(now_us)
            self._silences.add(event)
            return []
        key = next((k for k, e in self._open.items() if e.fingerprint == event.fingerprint), None)
        if key is None:
            raise BadEvent(
                Reason.REFUSED, f"no alert of {self.model} with fingerprint {event.fingerprint} is open"
            )
        step = Event.ACKNOWLEDGE if isinstance(event, Acknowledge) else Event.RESOLVE
        return self._step(key, step, now_us, event.actor, event.note)

    def silence(self, silences: Iterable[Silence]) -> None:
        """What was said of the whole fleet before this model came."""
        for each in silences:
            self._silences.add(each)

    def rebased(
        self, version: str, monitors: Collection[str], now_us: int, actor: str, note: str | None = None
    ) -> list[Output]:
        """What these monitors of a version are judged against was replaced: their alerts resolve."""
        ended = [key for key in self._open if key[0] == version and key[1] in monitors]
        return [output for key in ended for output in self._step(key, Event.REBASE, now_us, actor, note)]

    def superseded(self, version: str, now_us: int) -> list[Output]:
        """The version gets no more traffic: its alerts resolve."""
        keys = [key for key in self._open if key[0] == version]
        return self._all(keys, Event.SUPERSEDE, now_us)

    def supersede_all(self, now_us: int) -> list[Output]:
        """The model is no longer watched."""
        return self._all(list(self._open), Event.SUPERSEDE, now_us)

    def expire(self, now_us: int, after_us: int) -> list[Output]:
        """Ends what no window has judged for longer than `after_us`, for instance a feature that vanished."""
        keys = [key for key, episode in self._open.items() if now_us - episode.seen_us > after_us]
        return self._all(keys, Event.EXPIRE, now_us)

    def to_state(self) -> dict[str, Any]:
        """Plain structures, for the snapshot."""
        return {
            "open": [episode.to_state() for episode in self._open.values()],
            "closed": [
                [version, monitor, [list(pair) for pair in segment], number, ended_us]
                for (version, monitor, segment), (number, ended_us) in self._closed.items()
            ],
            "floor": self._floor,
            "silences": self._silences.to_state(),
        }

    @classmethod
    def from_state(cls, model: str, state: Mapping[str, Any]) -> "AlertBook":
        """The book that `to_state` was called on."""
        book = cls(model)
        for episode in map(Episode.from_state, state["open"]):
            book._open[episode.version, episode.monitor, episode.segment] = episode
        for version, monitor, segment, number, ended_us in state["closed"]:
            pairs = tuple((key, value) for key, value in segment)
            book._closed[version, monitor, pairs] = (number, ended_us)
        book._floor = state["floor"]
        book._silences = Silences.from_state(state["silences"])
        return book

    def _classify(
        self, key: _Key, episode: Episode | None, finding: Finding | None, now_us: int, context: AlertContext
    ) -> Event:
        if finding is None:
            quiet = 0 if episode is None else episode.quiet_at(now_us, context.window_us)
            return Event.CALM if quiet >= context.resolve_after else Event.QUIET
        if self._silenced(key, finding, now_us):
            return Event.HELD
        if episode is None:
            ended = self._closed.get(key)
            return Event.HELD if ended and now_us < ended[1] + context.cooldown_us else Event.FIRES
        if episode.worsens(finding):
            return Event.WORSENS
        return Event.FIRES if episode.moves(finding) else Event.HELD

    def _begin(self, key: _Key, finding: Finding, now_us: int) -> Episode:
        version, monitor, segment = key
        number, _ = self._closed.pop(key, (self._floor, 0))
        episode = self._open[key] = Episode(
            fingerprint=fingerprint(self.model, *key),
            version=version,
            monitor=monitor,
            segment=segment,
            number=number + 1,
            opened_us=now_us,
            onset_us=finding.onset_us,
            onset_low_us=finding.onset_low_us,
            onset_high_us=finding.onset_high_us,
            severity=finding.severity,
            finding=finding,
            seen_us=now_us,
            state=State.NONE.value,
        )
        return episode

    def _step(
        self, key: _Key, event: Event, now_us: int, actor: str | None = None, note: str | None = None
    ) -> list[Output]:
        episode = self._open[key]
        state, told = TRANSITIONS[event][State(episode.state)]
        episode.state = state.value
        if state in ENDED:
            del self._open[key]
            self._close(key, episode.number, now_us)
        if not told:
            return []
        lasted = duration_in_words(now_us - episode.opened_us)
        ending = ENDINGS.get(event, "").format(actor=actor, lasted=lasted)
        record = episode.tell(self.model, now_us, actor=actor, note=note, ending=ending)
        return [Output(ALERTS, self.model.encode(), record)]

    def _all(self, keys: Iterable[_Key], event: Event, now_us: int) -> list[Output]:
        return [output for key in keys for output in self._step(key, event, now_us)]

    def _silenced(self, key: _Key, finding: Finding, now_us: int) -> bool:
        if not self._silences:
            return False
        version, monitor, segment = key
        known = fingerprint(self.model, *key)
        fields = alert_fields(known, self.model, version, monitor, finding.metric, finding.severity, segment)
        return self._silences.cover(fields, now_us)

    def _close(self, key: _Key, number: int, now_us: int) -> None:
        self._closed[key] = (number, now_us)
        if len(self._closed) > MAX_CLOSED:
            forgotten, _ = self._closed.pop(next(iter(self._closed)))
            self._floor = max(self._floor, forgotten)
