"""`AlertBook`: the alert episodes of one model, from opened to resolved."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from streamgauge.schemas.alert_ids import fingerprint
from streamgauge.schemas.control import Acknowledge, Resolve, Silence
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.message import ALERTS, Output
from streamgauge.schemas.monitor import Rule
from streamgauge.streams.core.alert_context import AlertContext
from streamgauge.streams.core.alert_states import ENDED, ENDINGS, TRANSITIONS, Event, State, flaps
from streamgauge.streams.core.causes import explains, in_order
from streamgauge.streams.core.closed import ClosedEpisodes, Key
from streamgauge.streams.core.episode import Episode
from streamgauge.streams.core.findings import Finding, Segment
from streamgauge.streams.core.silences import Silences, alert_fields
from streamgauge.streams.core.summary import duration_in_words


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
        self._open: dict[Key, Episode] = {}
        self.closed = ClosedEpisodes(floor)
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
        if episode is None:
            telling = self._teller(key, finding)
            if telling is not None:
                return self._relate(telling, key, finding, now_us, context)
        event = self._classify(key, episode, finding, now_us, context)
        explained: list[Episode] = []
        if episode is None:
            if finding is None or event is Event.HELD:
                return []
            explained = [
                e for e in self._open.values() if e.version == version and explains(finding, e.finding)
            ]
            recent_us, number = self.closed.lately(key, now_us), self.closed.take(key) + 1
            episode = self._open[key] = Episode.begin(
                self.model, key, number, recent_us, finding, now_us, context
            )
            for each in explained:
                episode.adopt(each)
        episode.judged(finding, now_us, context, rule)
        if finding is not None and event is Event.WORSENS:
            episode.rise(finding.severity, now_us)
        outputs = self._tell(episode, event, now_us, context) if finding else self._step(key, event, now_us)
        for each in explained:
            outputs += self._step(each.key, Event.EXPLAINED, now_us, because=episode)
        return outputs

    def is_open(self, version: str, monitor: str, segment: Segment) -> bool:
        """Whether an episode is open, so that a rule may ask for less to go on than to begin."""
        return (version, monitor, segment) in self._open

    @property
    def last_number(self) -> int:
        """No episode has a higher one."""
        return max([self.closed.last_number, *(episode.number for episode in self._open.values())])

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
        for episode in self._open.values():
            if episode.version == version:
                episode.related = {m: found for m, found in episode.related.items() if m not in monitors}
        ended = [key for key in self._open if key[0] == version and key[1] in monitors]
        return [output for key in ended for output in self._step(key, Event.REBASE, now_us, actor, note)]

    def superseded(self, version: str, now_us: int) -> list[Output]:
        """The version gets no more traffic: its alerts resolve."""
        return self._all([key for key in self._open if key[0] == version], Event.SUPERSEDE, now_us)

    def supersede_all(self, now_us: int) -> list[Output]:
        """The model is no longer watched."""
        return self._all(list(self._open), Event.SUPERSEDE, now_us)

    def escalate(self, now_us: int, after_us: int, spared: Collection[Key] = ()) -> list[Output]:
        """Warnings that go on, and that nobody has acknowledged for `after_us`, become critical."""
        keys = [
            key
            for key, e in self._open.items()
            if key not in spared
            and e.is_unattended(now_us, after_us)
            and not self._silenced(key, replace(e.finding, severity="critical"), now_us)
        ]
        for key in keys:
            self._open[key].severity = "critical"
        return self._all(keys, Event.ESCALATES, now_us)

    def expire(self, now_us: int, after_us: int, spared: Collection[Key] = ()) -> list[Output]:
        """Ends what no window has judged for longer than `after_us`, for instance a feature that vanished."""
        keys = [key for key, episode in self._open.items() if now_us - episode.seen_us > after_us]
        return self._all([key for key in keys if key not in spared], Event.EXPIRE, now_us)

    def to_state(self) -> dict[str, Any]:
        """Plain structures, for the snapshot."""
        return {
            "open": [episode.to_state() for episode in self._open.values()],
            "closed": self.closed.to_state(),
            "silences": self._silences.to_state(),
        }

    @classmethod
    def from_state(cls, model: str, state: Mapping[str, Any]) -> "AlertBook":
        """The book that `to_state` was called on."""
        book = cls(model)
        for episode in map(Episode.from_state, state["open"]):
            book._open[episode.key] = episode
        book.closed = ClosedEpisodes.from_state(state["closed"])
        book._silences = Silences.from_state(state["silences"])
        return book

    def _classify(
        self, key: Key, episode: Episode | None, finding: Finding | None, now_us: int, context: AlertContext
    ) -> Event:
        if finding is None:
            return Event.CALM if episode is not None and episode.is_calm(now_us, context) else Event.QUIET
        if self._silenced(key, finding, now_us):
            return Event.HELD
        if episode is None:
            if self.closed.cools(key, now_us, context.cooldown_us):
                return Event.HELD
            return Event.FLAPS if flaps(self.closed.lately(key, now_us)) else Event.FIRES
        if episode.worsens(finding):
            return Event.WORSENS
        return Event.FIRES if not episode.flapping and episode.told.moves(finding) else Event.HELD

    def _teller(self, key: Key, finding: Finding | None) -> Episode | None:
        """The open episode that tells of this monitor's findings, or would tell of this one."""
        version, monitor, segment = key
        if segment:
            return None
        others = [episode for episode in self._open.values() if episode.version == version]
        telling = next((e for e in others if monitor in e.related and not e.related[monitor].over), None)
        if telling is not None or finding is None:
            return telling
        causes = (episode for episode in others if explains(episode.finding, finding, episode.onset_low_us))
        return min(causes, key=lambda episode: in_order(episode.monitor), default=None)

    def _relate(
        self, episode: Episode, key: Key, finding: Finding | None, now_us: int, context: AlertContext
    ) -> list[Output]:
        """A verdict on a monitor of whose findings the episode of another tells."""
        if finding is None:
            related = episode.related[key[1]]
            related.lull = related.lull.quiet(now_us, context)
            return []
        if self._silenced(key, finding, now_us):
            return []
        return self._tell(episode, episode.relate(finding, now_us, context), now_us, context)

    def _tell(self, episode: Episode, event: Event, now_us: int, context: AlertContext) -> list[Output]:
        """A step because of a finding: if it is told, with what explains it."""
        if TRANSITIONS[event][State(episode.state)][1]:
            episode.explain(context)
        return self._step(episode.key, event, now_us)

    def _step(
        self,
        key: Key,
        event: Event,
        now_us: int,
        actor: str | None = None,
        note: str | None = None,
        because: Episode | None = None,
    ) -> list[Output]:
        episode = self._open[key]
        state, told = TRANSITIONS[event][State(episode.state)]
        episode.state = state.value
        if state in ENDED:
            del self._open[key]
            self.closed.note(key, episode.number, now_us, (*episode.recent_us, episode.opened_us))
            for monitor in episode.going_on if because is None else ():
                self.closed.note((episode.version, monitor, episode.segment), None, now_us)
        if not told:
            return []
        lasted, waited = (duration_in_words(now_us - us) for us in (episode.opened_us, episode.graver_us))
        cause, alert_id = (None, None) if because is None else (because.monitor, because.alert_id)
        ending = ENDINGS.get(event, "").format(actor=actor, lasted=lasted, waited=waited, because=cause)
        record = episode.tell(
            self.model, now_us, event, actor=actor, note=note, ending=ending, because=alert_id
        )
        return [Output(ALERTS, self.model.encode(), record)]

    def _all(self, keys: Iterable[Key], event: Event, now_us: int) -> list[Output]:
        return [output for key in keys for output in self._step(key, event, now_us)]

    def _silenced(self, key: Key, finding: Finding, now_us: int) -> bool:
        if not self._silences:
            return False
        names = fingerprint(self.model, *key), self.model, *key[:2]
        return self._silences.cover(alert_fields(*names, finding.metric, finding.severity, key[2]), now_us)
