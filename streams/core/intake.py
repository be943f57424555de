"""`Intake`: predictions and labels of one model, into its join, its windows and its watches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.evidence.account import Account
from streamgauge.schemas.batch import (
    Bools,
    Column,
    Floats,
    GroundTruthBatch,
    Ints,
    PredictionBatch,
)
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.streams.core.bag import Labelled, Served, split_by
from streamgauge.streams.core.join import LabelJoin
from streamgauge.streams.core.names import Names
from streamgauge.streams.core.pairs import Orphans, Pairs
from streamgauge.streams.core.rows import latest_before, nested_mask, take_labels, take_rows
from streamgauge.streams.core.versions import Version
from streamgauge.streams.core.watch import Watch

LONG_AGO = -(2**62)
#: A version without traffic for this many windows, while another has some, is superseded.
SUPERSEDED_AFTER = 12
Timed = TypeVar("Timed", PredictionBatch, GroundTruthBatch)
_GROUP, _SEGMENT = "group:", "segment:"


@dataclass(slots=True)
class Counts:
    """The intake ledger: every event ends in exactly one of the first four, or is dead-lettered."""

    applied: int = 0
    duplicate: int = 0
    stale_revision: int = 0
    late: int = 0
    capped: int = 0
    lost_by_client: int = 0


class Intake:
    """Windows, pairs and evidence of one model. `now_us` is its event time: it never goes back.

    The watermark is `now_us` less `grace`; a window closes when the watermark has passed its end.
    """

    def __init__(self, definition: MonitorDefinition, streams: int, alpha: float) -> None:
        self.definition = definition
        self.streams = streams
        self.alpha = alpha
        self.names = Names.of(definition)
        self.join = LabelJoin(definition.labels.ttl)
        self.versions: dict[str, Version] = {}
        #: Versions whose records are to be deleted.
        self.gone: list[Version] = []
        self.counts = Counts()
        self.now_us = LONG_AGO
        self.expired_us = LONG_AGO
        #: The watermark of former definitions: a longer grace does not bring back what had passed.
        self.passed_us = LONG_AGO

    @property
    def watermark_us(self) -> int:
        return max(self.now_us - self.definition.grace, self.passed_us)

    @property
    def attributes(self) -> list[str]:
        """The protected attributes that are watched."""
        declared = self.definition.fairness.groups
        return list(self.names.groups) if declared is None else list(declared)

    def version(self, name: str) -> Version:
        found = self.versions.get(name)
        if found is None:
            found = self.versions[name] = Version(name, Watch(self.definition, self.streams, self.alpha))
        return found

    def predictions(
        self,
        parts: Sequence[tuple[PredictionBatch, Ints]],
        appended_us: Sequence[Ints] | None,
        account: Account,
    ) -> None:
        """Batches of a run with the offsets of their rows, which say in which order those came.

        `appended_us`, if given, is when each row was appended: times further ahead than `grace` are capped.
        """
        self.names.infer([(batch.prediction, offsets) for batch, offsets in parts])
        capped = [
            self._capped(batch, None if appended_us is None else appended_us[number])
            for number, (batch, _) in enumerate(parts)
        ]
        latest = latest_before(self.now_us, [(b.time_us, o) for b, (_, o) in zip(capped, parts, strict=True)])
        for batch, (_, offsets), before in zip(capped, parts, latest, strict=True):
            watermark = np.maximum(before - self.definition.grace, self.passed_us)
            self._predictions(batch, offsets, watermark, account)

    def _predictions(self, batch: PredictionBatch, offsets: Ints, watermark: Ints, account: Account) -> None:
        on_time = self._on_time(batch.time_us, watermark)
        self.now_us = max(self.now_us, int(batch.time_us.max()))
        self.counts.lost_by_client += batch.dropped
        if not on_time.all():
            self.counts.late += int((~on_time).sum())
            batch, offsets, watermark = take_rows(batch, on_time), offsets[on_time], watermark[on_time]
        values: dict[str, NDArray[Any]] = {
            "prediction": self.names.predicted(batch),
            "score": self.names.scores(batch),
        }
        for prefix, codes in (
            (_GROUP, self.names.group_codes(batch)),
            (_SEGMENT, self.names.segment_codes(batch)),
        ):
            for key, column in codes.items():
                self.join.predictions.declare(prefix + key, "<i2", -1)
                values[prefix + key] = column
        code = self.names.versions.code(batch.version)
        new, rows, pairs = self.join.add_predictions(code, batch.ids, batch.time_us, values, watermark)
        self.counts.applied += len(rows)
        self.counts.duplicate += len(new) - len(rows)
        if len(rows) == 0:
            return
        if not new.all():
            batch, offsets = take_rows(batch, new), offsets[new]
            values = {name: column[new] for name, column in values.items()}
        version = self.version(self.names.versions.values[code])
        lacking = version.watch.lacking
        if 0 < lacking < len(batch):
            # the baseline is learned between two rows, wherever batches are cut
            head = np.arange(len(batch)) < lacking
            for half in (head, ~head):
                part = {name: column[half] for name, column in values.items()}
                self._serve(version, take_rows(batch, half), part, offsets[half], account)
        else:
            self._serve(version, batch, values, offsets, account)
        if len(pairs.rows):
            self._count_pairs(pairs, None, account.paid)

    def labels(self, batch: GroundTruthBatch, offsets: Ints, appended_us: Ints | None, paid: float) -> Ints:
        """Labels of any version; gives the offsets of those that have not the task's type.

        `appended_us` as for predictions: a label from the future would wait for ever.
        """
        batch = self._capped(batch, appended_us)
        self.names.infer([(batch.label, offsets)])
        fits = self.names.fits(batch)
        unfit = offsets[~fits]
        if len(unfit):
            batch, offsets = take_labels(batch, fits), offsets[fits]
        if len(batch) == 0:
            return unfit
        pairs, stale = self.join.add_labels(
            batch.ids,
            batch.time_us,
            self.names.labels(batch),
            batch.revision,
            batch.retracted,
            offsets,
            self.watermark_us,
        )
        self.counts.stale_revision += stale
        self.counts.applied += len(batch) - stale
        if len(pairs.rows):
            self._count_pairs(pairs, (int(offsets[0]), int(offsets[-1])), paid)
        return unfit

    def superseded(self, version: Version) -> bool:
        """Whether it gets no traffic any more while another version does: nothing is told of it any more."""
        latest_us = max(each.last_served_us for each in self.versions.values())
        return latest_us - version.last_served_us > SUPERSEDED_AFTER * self.definition.window

    def forget(self, version: Version) -> None:
        """A version that gets no traffic and has no window left: its records are to be deleted."""
        version.watch.learning.drop()
        self.gone.append(self.versions.pop(version.name))

    def inherit(self, before: "Intake") -> None:
        """Starts anew under another definition: what was joined and counted before is closed.

        Predictions that still wait for labels are expired, labels that wait are superseded.
        """
        self.now_us, self.expired_us, self.passed_us = before.now_us, before.expired_us, before.watermark_us
        self.counts, self.gone = before.counts, before.gone
        counts = self.join.counts = before.join.counts
        counts["expired"] += counts["pending"]
        counts["superseded"] += counts["waiting"]
        counts["pending"] = counts["waiting"] = 0
        for version in before.versions.values():
            successor = self.version(version.name)
            successor.gone = version.gone | set(version.windows)
            successor.last_served_us = version.last_served_us
            successor.watch.replaces(version.watch)
        self.join.predictions.replaces(before.join.predictions)
        self.join.waiting.replaces(before.join.waiting)

    def redefine(self, definition: MonitorDefinition, paid: float) -> None:
        """A definition that leaves windows and baselines as they are; `paid` is the account's balance."""
        self.passed_us = self.watermark_us
        self.expired_us = self.join.live_for(definition.labels.ttl, self.expired_us)
        self.definition = definition
        for version in self.versions.values():
            version.watch.redefine(definition, paid)

    def expire(self) -> Orphans:
        """Forgets predictions and labels whose time to live has passed."""
        before, self.expired_us = self.expired_us, self.watermark_us
        return self.join.expire(before, self.expired_us)

    def _capped(self, batch: Timed, appended_us: Ints | None) -> Timed:
        if appended_us is None:
            return batch
        cap_us = appended_us + self.definition.grace
        beyond = batch.time_us > cap_us
        if not beyond.any():
            return batch
        self.counts.capped += int(beyond.sum())
        return replace(batch, time_us=np.minimum(batch.time_us, cap_us))

    def _on_time(self, time: Ints, watermark: Ints) -> Bools:
        """Whether each event came while its window was open and a label could still reach it."""
        definition = self.definition
        end = time - time % definition.window + definition.window
        on_time: Bools = np.minimum(end + definition.lateness, time + definition.labels.ttl) >= watermark
        return on_time

    def _serve(
        self,
        version: Version,
        batch: PredictionBatch,
        values: Mapping[str, NDArray[Any]],
        offsets: Ints,
        account: Account,
    ) -> None:
        length, names, watch = self.definition.window, self.names, version.watch
        predicted: Floats = values["prediction"]
        time, positive = batch.time_us, names.positive
        version.last_served_us = max(version.last_served_us, int(time.max()))
        column: Column = names.class_column(predicted) if names.classifies else predicted
        watch.groups.expect(self._groups(values), account.paid)
        account.total_weight = sum(each.watch.weight for each in self.versions.values())
        paid = account.advance_many(time)
        bins = watch.serve(batch.features, column, values["score"], time, paid)
        if positive is not None:
            answered = ~np.isnan(predicted)
            groups = {a: np.where(answered, codes, -1) for a, codes in self._groups(values).items()}
            watch.compare(groups, predicted == positive, time, paid)
        served = Served(batch.latency_ms, batch.failed, predicted)
        for start, mask in split_by(time - time % length):
            window = version.window(start, length, names.classifies)
            window.served_dirty = True
            here = offsets if mask is None else offsets[mask]
            window.saw(PREDICTIONS, int(here[0]), int(here[-1]))
            codes = values if mask is None else {name: column[mask] for name, column in values.items()}
            window.serve(
                served if mask is None else served.take(mask),
                self._segments(codes),
                self._groups(codes),
                self.definition.latency.objective_ms,
            )
            if bins is not None and watch.bank is not None:
                known = bins.codes.shape[1]
                window.count_features(watch.bank.binner, bins if mask is None else bins.take(mask[-known:]))

    def _count_pairs(self, pairs: Pairs, span: tuple[int, int] | None, paid: float) -> None:
        table, length, names = self.join.predictions, self.definition.window, self.names
        predicted = table.column("prediction")[pairs.rows]
        answered = ~np.isnan(predicted)
        if not answered.all():
            pairs, predicted = pairs.take(answered), predicted[answered]
        rows = pairs.rows
        time = table.column("time")[rows]
        lag_s = np.maximum(pairs.lag_us, 0) / 1e6
        labelled = Labelled(predicted, table.column("score")[rows], pairs.label, lag_s, pairs.sign)
        codes = {name: table.column(name)[rows] for name in table.names if ":" in name}
        starts = time - time % length
        for code, of_version in split_by(table.column("version")[rows]):
            version = self.version(names.versions.values[code])
            for start, of_window in split_by(starts if of_version is None else starts[of_version]):
                mask = nested_mask(of_version, of_window)
                window = version.window(start, length, names.classifies)
                window.labels_dirty = True
                if span is not None:
                    window.saw(GROUND_TRUTH, *span)
                here = codes if mask is None else {name: column[mask] for name, column in codes.items()}
                window.label(
                    labelled if mask is None else labelled.take(mask),
                    self._segments(here),
                    self._groups(here),
                    names.positive,
                )
            fresh = pairs.fresh & (pairs.sign > 0)
            if of_version is not None:
                fresh &= of_version
            with np.errstate(over="ignore"):  # an infinite error counts as missing
                error = (
                    (predicted[fresh] != pairs.label[fresh]).astype(np.float64)
                    if names.classifies
                    else np.abs(predicted[fresh] - pairs.label[fresh])
                )
            if len(error):
                version.watch.judge(error, names.classifies, time[fresh], paid)

    def _groups(self, codes: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        if not self.names.classifies:
            return {}
        return {a: codes[_GROUP + a] for a in self.attributes if _GROUP + a in codes}

    def _segments(self, codes: Mapping[str, NDArray[Any]]) -> dict[str, tuple[list[str], NDArray[Any]]]:
        return {
            key: (words.values, codes[_SEGMENT + key])
            for key, words in self.names.segments.items()
            if _SEGMENT + key in codes
        }
