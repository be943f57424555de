"""`Control`: what operators tell the monitors, from scripts and from the command line."""

from collections.abc import Mapping
from datetime import datetime
from time import time_ns
from typing import Any

from streamgauge.clients.connection import Connection
from streamgauge.clients.producer import EventProducer
from streamgauge.schemas.control import (
    Acknowledge,
    AdoptBaseline,
    ControlEvent,
    Define,
    Resolve,
    Retire,
    Retrain,
    Silence,
    encode_control,
)
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.message import CONTROL


class Control:
    """Sends control events in the name of `actor`; each call returns when Kafka has stored them.

    What concerns one model goes to its partition, what concerns the fleet to every partition. Raises
    `StreamgaugeError` if Kafka does not take it.
    """

    def __init__(self, connection: Connection, actor: str) -> None:
        if not actor:
            raise ConfigurationError("say who you are: alerts show who acknowledged or silenced them")
        self._producer = EventProducer(connection)
        self._actor = actor

    def define(self, document: Mapping[str, Any]) -> None:
        """A monitor definition, or the fleet document if it names no model."""
        model = document.get("model")
        self._send(Define(actor=self._actor, time_us=_now_us(), model=model, document=document))

    def adopt_baseline(
        self,
        model: str,
        profile: Mapping[str, Any] | None,
        version: str | None = None,
        note: str | None = None,
    ) -> None:
        """Another baseline, for one version or for all: a stored profile, or None to learn it anew."""
        self._send(
            AdoptBaseline(
                actor=self._actor,
                time_us=_now_us(),
                model=model,
                version=version,
                document=profile,
                note=note,
            )
        )

    def acknowledge(self, model: str, fingerprint: str, note: str | None = None) -> None:
        """Somebody looks after the open alert."""
        self._send(
            Acknowledge(actor=self._actor, time_us=_now_us(), model=model, fingerprint=fingerprint, note=note)
        )

    def resolve(self, model: str, fingerprint: str, note: str | None = None) -> None:
        """End the open alert."""
        self._send(
            Resolve(actor=self._actor, time_us=_now_us(), model=model, fingerprint=fingerprint, note=note)
        )

    def silence(
        self,
        until: datetime,
        matcher: Mapping[str, str] | None = None,
        model: str | None = None,
        note: str | None = None,
        start: datetime | None = None,
    ) -> None:
        """Keep alerts whose fields equal all of `matcher` quiet, in one model or in all; from now or `start`.

        It replaces silences of the same matcher with which it shares a moment: one until now ends them.
        """
        if until.tzinfo is None or (start is not None and start.tzinfo is None):
            raise ConfigurationError("the start and the end of a silence need a time zone")
        self._send(
            Silence(
                actor=self._actor,
                time_us=_now_us(),
                until_us=round(until.timestamp() * 1_000_000),
                start_us=None if start is None else round(start.timestamp() * 1_000_000),
                model=model,
                matcher=dict(matcher or {}),
                note=note,
            )
        )

    def retire(self, model: str, version: str | None = None, note: str | None = None) -> None:
        """Watch the model, or one version of it, no longer."""
        self._send(Retire(actor=self._actor, time_us=_now_us(), model=model, version=version, note=note))

    def retrain(self, model: str, version: str | None = None, note: str | None = None) -> None:
        """Ask for a new model now, whatever guards say; refused while a request is in flight."""
        self._send(Retrain(actor=self._actor, time_us=_now_us(), model=model, version=version, note=note))

    def close(self) -> None:
        """End its threads and connections."""
        self._producer.close()

    def _send(self, event: ControlEvent) -> None:
        value, headers = encode_control(event)
        partitions = None if event.model else self._producer.partitions(CONTROL)
        self._producer.send(CONTROL, event.model or "", value, tuple(headers), partitions)


def _now_us() -> int:
    return time_ns() // 1_000
