"""`ModelState`: one model: what it took in, what was judged of it, its alerts and its retrain requests."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from streamgauge.detectors.custom import usable_metrics
from streamgauge.detectors.evidence.account import Account
from streamgauge.schemas.batch import GroundTruthBatch, Ints, PredictionBatch
from streamgauge.schemas.control import (
    Acknowledge,
    AdoptBaseline,
    ControlEvent,
    Define,
    Resolve,
    Retrain,
    RetrainStatus,
    Silence,
)
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.message import Output
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.streams.core import baselines, missing_labels
from streamgauge.streams.core.alerts import AlertBook
from streamgauge.streams.core.comparing import compare, over
from streamgauge.streams.core.comparisons import Comparisons
from streamgauge.streams.core.context import Context, definition_of, starts_anew
from streamgauge.streams.core.counts import Counts
from streamgauge.streams.core.intake import LONG_AGO
from streamgauge.streams.core.judge import Judge
from streamgauge.streams.core.lasting import last
from streamgauge.streams.core.latest import LatestRows
from streamgauge.streams.core.names import Names
from streamgauge.streams.core.orphans import orphan_letters
from streamgauge.streams.core.retrain import RetrainPolicy
from streamgauge.streams.core.retrain_alerts import tell
from streamgauge.streams.core.retrain_asking import consider
from streamgauge.streams.core.retrain_gain import weigh
from streamgauge.streams.core.traffic_bank import TrafficBank
from streamgauge.streams.core.versions import Adoption
from streamgauge.streams.core.watch import Watch


class ModelState:
    """Batches, orders and time in; output records out."""

    def __init__(self, definition: MonitorDefinition, context: Context) -> None:
        self.definition = definition
        self.context = context
        self.intake = context.intake(definition)
        self.judge = Judge(definition.model, context.prefix, context.partition, context.software)
        self.book = AlertBook(definition.model)
        self.retrain = RetrainPolicy(definition.model)
        self.account = Account(*context.terms(definition))
        #: Whether anything came since a round of the account began: who joins in the next one is not settled.
        self.awaits_round = True

    def apply_predictions(
        self, parts: Sequence[tuple[PredictionBatch, Ints]], appended_us: Sequence[Ints] | None
    ) -> tuple[list[Output], Ints]:
        """Batches with the offsets of their rows, and when those were appended if that bounds their times:
        (outputs, offsets of the rows of a wrong type)."""
        self.awaits_round = True
        unfit = self.intake.predictions(parts, appended_us, self.account)
        return self._settle(), unfit

    def apply_labels(
        self, parts: Sequence[tuple[GroundTruthBatch, Ints]], appended_us: Sequence[Ints] | None
    ) -> tuple[list[Output], Ints]:
        """As `apply_predictions`."""
        self.awaits_round = True
        unfit = [
            self.intake.labels(
                batch, offsets, None if appended_us is None else appended_us[number], self.account.paid
            )
            for number, (batch, offsets) in enumerate(parts)
        ]
        return self._settle(), np.concatenate(unfit)

    def tick(self, now_us: int) -> list[Output]:
        """All data has been applied up to `now_us`."""
        idle = self.intake.now_us == LONG_AGO and not self.intake.join.counts["waiting"]
        if idle or now_us <= self.intake.now_us:
            return []
        self.intake.now_us = now_us
        self.awaits_round &= not self.account.reaches_a_round(now_us)
        outputs, looked_us = self._settle(), self.judge.labels.looked_us
        outputs += missing_labels.tell(self.intake, self.judge, self.book)
        # what is open may be another thing now: or a request would come with the next tick, whenever that is
        return outputs + (self._consider([]) if self.judge.labels.looked_us > looked_us else [])

    def finish(self) -> list[Output]:
        """No more input will come: every window is final, and for all that is open no time passes."""
        intake, definition = self.intake, self.definition
        patience_us = definition.window + definition.labels.ttl + definition.lateness + definition.grace
        outputs: list[Output] = []
        if intake.now_us > LONG_AGO:
            intake.now_us += definition.window - intake.now_us % definition.window + definition.grace
            intake.passed_us = intake.now_us + patience_us
            outputs = self.judge.advance(intake, self.book, ends=True, drop=False)
            outputs += self._consider(outputs)  # the windows are what there is to train on
            outputs += self.judge.advance(intake, self.book, ends=True)
            intake.now_us += patience_us
        waiting = intake.join.waiting
        for label_us in waiting.column("time")[waiting.column("live")].tolist():
            intake.now_us = max(intake.now_us, label_us + patience_us)
        return outputs + self._expire()

    def retire(self, now_us: int) -> list[Output]:
        """It will not be watched any more: its alerts end."""
        return self.book.supersede_all(max(now_us, self.intake.now_us))

    def control(self, order: ControlEvent) -> list[Output]:
        """An operator's order. Raises `BadEvent` if it does not apply."""
        self.awaits_round = True
        now_us = order.time_us if self.intake.now_us == LONG_AGO else self.intake.now_us
        match order:
            case Define():
                outputs = self._redefine(order, now_us)
            case AdoptBaseline():
                outputs = baselines.adopt(order, self.intake, self.book, self.judge, now_us)
            case Retrain():
                version = order.version or self.intake.latest
                if version not in self.intake.versions:
                    raise BadEvent(Reason.REFUSED, f"{order.model} has no version {version!r}")
                self.retrain.demand(version, order.actor, order.note)
                outputs = []
            case Acknowledge() | Resolve() | Silence():
                outputs = self.book.control(order, now_us)
            case _:
                carried = f"this version of Streamgauge cannot carry out {type(order).__name__}"
                raise BadEvent(Reason.REFUSED, carried)
        return outputs + self._consider(outputs)

    def retrain_status(self, status: RetrainStatus) -> list[Output]:
        """A training job's report. Raises `BadEvent` if it does not apply."""
        self.awaits_round = True
        now_us = status.time_us if self.intake.now_us == LONG_AGO else self.intake.now_us
        self.retrain.status(status, now_us)
        if status.new_version is not None:
            self.intake.comparisons.ask(self.retrain.version or "", status.new_version)
        return self._tell()

    def rebudget(self, context: Context) -> None:
        """The fleet's budget changed; what was paid in stays."""
        self.awaits_round = True
        self.context = context
        self.intake.streams, self.intake.alpha = (
            context.fleet.streams,
            context.fleet.alert_budget.false_alarms,
        )
        self.account.agree(*context.terms(self.definition))

    def _settle(self) -> list[Output]:
        intake = self.intake
        intake.elapse(self.account)
        outputs = self.judge.alarms(intake, self.book)
        if self.judge.due(intake):
            outputs += self.judge.advance(intake, self.book)
            outputs += last(intake, self.judge, self.book)
            outputs += self._expire()
            outputs += self._tell() + baselines.stale(intake, self.book, self.context.software)
            outputs += compare(intake, self.book, self.judge, self.context.software)
            weigh(self.retrain, intake, self.judge)
        if self.context.clock == "events":
            outputs += missing_labels.tell(intake, self.judge, self.book)
        outputs += self._consider(outputs)
        asked_of = self.retrain.version
        return outputs + self.retrain.tick(
            intake.now_us, superseded=asked_of is not None and not self.intake.is_served(asked_of)
        )

    def _expire(self) -> list[Output]:
        names = self.intake.names
        name_of = names.classes.name if names.classifies else None
        return orphan_letters(self.definition.model, self.intake.expire(), name_of, self.context)

    def _consider(self, outputs: list[Output]) -> list[Output]:
        return consider(self.retrain, self.intake, self.book, self.judge, outputs)

    def _tell(self) -> list[Output]:
        return tell(self.retrain, self.intake, self.book, self.context.software)

    def _redefine(self, order: Define, now_us: int) -> list[Output]:
        definition = definition_of(self.definition.model, order.document, self.context.metrics)
        old, self.definition = self.definition, definition
        self.account.agree(*self.context.terms(definition))
        outputs: list[Output] = []
        learns = baselines.learns_anew(old.baseline, definition.baseline)
        if old.baseline != definition.baseline:
            baselines.refer(definition, self.intake)
        if learns or starts_anew(old, definition):
            before = self.intake
            self.intake = self.context.intake(definition)
            self.intake.inherit(before)
            self.judge.restart()
        else:
            outputs = over(self.intake.redefine(definition), self.book, order.actor, now_us)
            self.intake.custom = usable_metrics(definition, self.context.metrics)
            if old.latency.objective_ms != definition.latency.objective_ms:
                self.judge.limits.restart("latency")
            if old.baseline != definition.baseline:
                outputs += baselines.follow(order, self.intake, self.book, self.judge, now_us)
        return outputs

    def to_state(self) -> dict[str, Any]:
        """All but windows, join blocks, profiles and learning rows, which are records of their own."""
        intake = self.intake
        return {
            "definition": self.definition.model_dump_json(),
            "names": intake.names.to_state(),
            "counts": asdict(intake.counts),
            "join": intake.join.to_state(),
            "clock": [intake.now_us, intake.expired_us, intake.passed_us],
            "traffic": intake.traffic.to_state(),
            "comparisons": intake.comparisons.to_state(),
            "versions": [version.to_state() for version in intake.versions.values()],
            "account": self.account.to_state(),
            "judge": self.judge.to_state(),
            "alerts": self.book.to_state(),
            "retrain": self.retrain.to_state(),
        }

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], context: Context, profiles: Mapping[tuple[Any, ...], Any]
    ) -> "ModelState":
        """What `to_state` gave, with the profiles by version; the rest is loaded by `persistence`."""
        model = cls(MonitorDefinition.model_validate_json(state["definition"]), context)
        name, intake = model.definition.model, model.intake
        intake.go_on_with(Names.from_state(state["names"]))
        intake.counts = Counts(**state["counts"])
        intake.join.restore(state["join"])
        intake.now_us, intake.expired_us, intake.passed_us = state["clock"]
        intake.traffic = TrafficBank.from_state(state["traffic"], model.definition)
        intake.comparisons = Comparisons.from_state(state["comparisons"])
        for version_name, counted, folded_us, latest, adopted, segments, watch in state["versions"]:
            restored = Watch.from_state(watch, model.definition, profiles.get((version_name,)))
            version = intake.versions[version_name] = intake.new_version(version_name, restored)
            version.count(counted)
            version.rollups.folded_us, version.latest = folded_us, LatestRows.from_state(latest)
            version.segments.load(segments)
            version.adopted = None if adopted is None else Adoption(*adopted)
        model.account = Account.from_state(state["account"], *context.terms(model.definition))
        model.judge.load(state["judge"])
        model.book = AlertBook.from_state(name, state["alerts"])
        model.retrain = RetrainPolicy.from_state(name, state["retrain"])
        return model
