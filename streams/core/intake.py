"""`Intake`: predictions and labels of one model, into its join, its windows and its watches."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.batch import (
    Bools,
    Categories,
    Column,
    Floats,
    GroundTruthBatch,
    Ints,
    PredictionBatch,
    take_column,
)
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.streams.core.join import LabelJoin, Orphans, Pairs
from streamgauge.streams.core.names import Names
from streamgauge.streams.core.versions import Version
from streamgauge.streams.core.watch import Watch
from streamgauge.streams.core.windows import Labelled, Served, split_by

LONG_AGO = -(2**62)
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
        self.counts = Counts()
        self.now_us = LONG_AGO
        self.expired_us = LONG_AGO

    @property
    def watermark_us(self) -> int:
        return self.now_us - self.definition.grace

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
        self, batch: PredictionBatch, first: int, last: int, cap_us: int | None, paid: float
    ) -> None:
        """A batch whose messages have the offsets `first`..`last`; times beyond `cap_us` are capped."""
        self.counts.lost_by_client += batch.dropped
        if self.names.infer(batch) and self.names.classifies:
            self._name_waiting_classes()
        time = batch.time_us
        if cap_us is not None:
            self.counts.capped += int((time > cap_us).sum())
            time = np.minimum(time, cap_us)
        on_time, watermark = self._on_time(time), self.watermark_us
        self.now_us = max(self.now_us, int(time.max()))
        self.counts.late += int((~on_time).sum())
        batch = take_rows(replace(batch, time_us=time), on_time)
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
        new, rows, pairs = self.join.add_predictions(
            self.names.versions.code(batch.version), batch.ids, batch.time_us, values, watermark
        )
        self.counts.applied += len(rows)
        self.counts.duplicate += len(new) - len(rows)
        if len(rows) == 0:
            return
        batch = take_rows(batch, new)
        if not new.all():
            values = {name: column[new] for name, column in values.items()}
        self._serve(self.version(batch.version), batch, values, (first, last), paid)
        if len(pairs.rows):
            self._count_pairs(pairs, None, paid)

    def labels(self, batch: GroundTruthBatch, first: int, last: int, paid: float) -> None:
        """Labels of any version. Raises `BadEvent` if they have not the task's type."""
        label = self.names.labels(batch)
        pairs, stale = self.join.add_labels(
            batch.ids, batch.time_us, label, batch.revision, batch.retracted, first, self.watermark_us
        )
        self.counts.stale_revision += stale
        self.counts.applied += len(batch) - stale
        if len(pairs.rows):
            self._count_pairs(pairs, (first, last), paid)

    def inherit(self, before: "Intake") -> None:
        """Starts anew under another definition: what was joined and counted before is closed.

        Predictions that still wait for labels are expired, labels that wait are superseded.
        """
        self.now_us, self.expired_us = before.now_us, before.expired_us
        self.counts = before.counts
        counts = self.join.counts = before.join.counts
        counts["expired"] += counts["pending"]
        counts["superseded"] += counts["waiting"]
        counts["pending"] = counts["waiting"] = 0
        for version in before.versions.values():
            successor = self.version(version.name)
            successor.gone = version.gone | set(version.windows)
            successor.last_served_us = version.last_served_us
            successor.watch.learning.replaces(version.watch.learning)
        self.join.predictions.replaces(before.join.predictions)
        self.join.waiting.replaces(before.join.waiting)

    def redefine(self, definition: MonitorDefinition) -> None:
        """A definition that leaves windows and baselines as they are."""
        self.definition = definition
        self.join.ttl_us = definition.labels.ttl
        for version in self.versions.values():
            version.watch.definition = definition

    def expire(self) -> Orphans:
        """Forgets predictions and labels whose time to live has passed."""
        before, self.expired_us = self.expired_us, self.watermark_us
        return self.join.expire(before, self.expired_us)

    def _on_time(self, time: Ints) -> Bools:
        """Whether each event's window was still open when it came, whatever the batches were cut into."""
        definition = self.definition
        latest = np.maximum.accumulate(np.concatenate([[self.now_us], time[:-1]]))
        end = time - time % definition.window + definition.window
        on_time: Bools = end + min(definition.lateness, definition.labels.ttl) >= latest - definition.grace
        return on_time

    def _serve(
        self,
        version: Version,
        batch: PredictionBatch,
        values: Mapping[str, NDArray[Any]],
        span: tuple[int, int],
        paid: float,
    ) -> None:
        length, names, watch = self.definition.window, self.names, version.watch
        predicted: Floats = values["prediction"]
        time, positive = batch.time_us, names.positive
        column: Column = names.class_column(predicted) if names.classifies else predicted
        bins = watch.serve(batch.features, column, values["score"], time, paid)
        if positive is not None:
            answered = ~np.isnan(predicted)
            groups = {a: np.where(answered, codes, -1) for a, codes in self._groups(values).items()}
            watch.compare(groups, predicted == positive, time, paid)
        served = Served(batch.latency_ms, batch.failed, predicted)
        for start, mask in split_by(time - time % length):
            window = version.window(start, length, names.classifies)
            window.served_dirty = True
            window.saw(PREDICTIONS, *span)
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
                mask = _nested(of_version, of_window)
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

    def _name_waiting_classes(self) -> None:
        """Numbers that came as labels before anything said that they were classes."""
        waiting = self.join.waiting
        if len(waiting) and not self.names.classes.values:
            waiting.column("label")[:] = self.names.rename(waiting.column("label"))
            waiting.touch(np.arange(len(waiting)))


def take_columns(columns: Mapping[str, Column], mask: Bools | None) -> Mapping[str, Column]:
    return columns if mask is None else {name: take_column(c, mask) for name, c in columns.items()}


def take_rows(batch: PredictionBatch, rows: Bools) -> PredictionBatch:
    """The same batch with only the rows of a mask."""
    if rows.all():
        return batch
    return replace(
        batch,
        ids=batch.ids[rows],
        time_us=batch.time_us[rows],
        prediction=take_column(batch.prediction, rows),
        latency_ms=batch.latency_ms[rows],
        score=batch.score[rows],
        failed=batch.failed[rows],
        features=take_columns(batch.features, rows),
        groups={k: Categories(v.codes[rows], v.values) for k, v in batch.groups.items()},
        segments={k: Categories(v.codes[rows], v.values) for k, v in batch.segments.items()},
        scores={k: v[rows] for k, v in batch.scores.items()},
    )


def _nested(outer: Bools | None, inner: Bools | None) -> Bools | None:
    """The mask of `inner`, given among the rows of `outer`, over all rows."""
    if outer is None or inner is None:
        return outer if inner is None else inner
    mask = outer.copy()
    mask[outer] = inner
    return mask
