"""`Tally`: what is served and what labels say of it, into the windows and watches of a model's versions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.custom import CustomMetrics
from streamgauge.detectors.evidence.account import Balance, paid_of
from streamgauge.detectors.ranking import ranking_values
from streamgauge.schemas.batch import Column, Floats, Ints, Outcome, PredictionBatch, take_column
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.streams.core.bag import Labelled, Served, split_by, split_by_window
from streamgauge.streams.core.comparisons import Comparisons
from streamgauge.streams.core.join import LabelJoin
from streamgauge.streams.core.label_bank import LABEL
from streamgauge.streams.core.metering import Meter, unmetered
from streamgauge.streams.core.names import Names
from streamgauge.streams.core.pairs import Pairs
from streamgauge.streams.core.rows import nested_mask
from streamgauge.streams.core.run import Beside
from streamgauge.streams.core.segments import LiveSegments
from streamgauge.streams.core.traffic_bank import TrafficBank
from streamgauge.streams.core.versions import Version
from streamgauge.streams.core.watch import Watch
from streamgauge.streams.core.windows import SegmentColumns

#: The columns of the join that hold codes begin so.
GROUP, SEGMENT = "group:", "segment:"


class Tally:
    """The versions of one model, the strings their columns have had, and the join that holds their rows."""

    def __init__(self, definition: MonitorDefinition, streams: int, alpha: float) -> None:
        self.definition = definition
        self.streams = streams
        self.alpha = alpha
        self.names = Names.of(definition)
        self.join = LabelJoin(definition.labels.ttl)
        self.go_on_with(self.names)
        self.versions: dict[str, Version] = {}
        self.traffic = TrafficBank(definition)
        self.comparisons = Comparisons(definition.comparisons)
        self.meter: Meter = unmetered
        #: The metrics that the definition adds; None where this worker does not allow one (any more).
        self.custom: CustomMetrics = {}

    @property
    def attributes(self) -> list[str]:
        """The protected attributes that are watched."""
        declared = self.definition.fairness.groups
        return list(self.names.groups) if declared is None else list(declared)

    def version(self, name: str) -> Version:
        found = self.versions.get(name)
        if found is None:
            watch = Watch(self.definition, self.streams, self.alpha)
            found = self.versions[name] = self.new_version(name, watch)
        return found

    def go_on_with(self, names: Names) -> None:
        """These are the model's names; the join, which is empty, is told what it will hold."""
        self.names = names
        if names.ranks:
            self.join.hold_rankings()

    def infer(self, columns: Sequence[tuple[Outcome, Ints]]) -> None:
        """As `Names.infer`; the join is told what it will hold."""
        if not self.names.inferred:
            before = self.names.ranks
            self.names.infer(columns)
            if self.names.ranks and not before:
                self.join.hold_rankings()

    def new_version(self, name: str, watch: Watch) -> Version:
        return Version(name, watch, self.live_segments(), self.definition.window)

    def live_segments(self) -> LiveSegments:
        """None yet, of a new version."""
        return LiveSegments(self.definition.segments.pairs, self.definition.segments.max)

    def serve(
        self,
        version: Version,
        batch: PredictionBatch,
        values: Mapping[str, NDArray[Any]],
        beside: Beside,
    ) -> None:
        """Rows of a batch that are new: codes by column, and what goes with each row."""
        length, names, watch = self.definition.window, self.names, version.watch
        predicted = names.counted(values["prediction"])
        time, positive = batch.time_us, names.positive
        version.serves(time)
        column: Column = names.class_column(predicted) if names.classifies else predicted
        values = self._crossed(values)
        groups = self._groups(values)
        watch.groups.expect(groups)
        score = values["score"]
        cells = None if names.ranks else watch.estimates.cells(predicted, score, names, watch.profile)
        watch.estimates.latest_us = version.last_served_us
        bins = self.meter(watch.serve, batch.features, column, score, time, beside.paid, beside.cuts)
        if bins is not None and version.segments.names:
            slots = {name: column for name, column in values.items() if name.startswith(SEGMENT)}
            version.latest.add(time, bins.codes, slots)
        if positive is not None and groups:
            answered = ~np.isnan(predicted)
            groups = {a: np.where(answered, codes, -1) for a, codes in groups.items()}
            self.meter(watch.compare, watch.groups.serve(groups, predicted == positive, time, beside.paid))
        served = Served(batch.latency_ms, batch.failed, predicted, cells)
        for duel in self.comparisons.of(version.name):
            self.meter(duel.serve, version.name, served, time, names.classifies)
        for start, mask in split_by_window(time, length):
            window = version.served(start, names.classifies)
            here = beside.offsets if mask is None else beside.offsets[mask]
            window.saw(PREDICTIONS, int(here[0]), int(here[-1]))
            codes = values if mask is None else {name: column[mask] for name, column in values.items()}
            segments = _segments(version, codes)
            window.beyond += version.segments.beyond(segments[1], len(here))
            window.serve(
                served if mask is None else served.take(mask),
                segments,
                self._groups(codes),
                self.definition.latency.objective_ms,
            )
            if bins is not None and watch.bank is not None:
                known = bins.codes.shape[1]
                window.count_features(watch.bank.binner, bins if mask is None else bins.take(mask[-known:]))

    def count_pairs(self, pairs: Pairs, span: tuple[int, int] | None, paid: Balance) -> None:
        """Labels that start or stop counting; `span` are the offsets they came from, if they just came."""
        table, length, names = self.join.predictions, self.definition.window, self.names
        predicted = table.gather("prediction", pairs.rows)
        answered = predicted != None if names.ranks else ~np.isnan(predicted)  # noqa: E711  (of each)
        if not answered.all():
            pairs, predicted = pairs.take(answered), predicted[answered]
            paid = paid_of(paid, answered)
        predicted, label = names.counted_pairs(predicted, pairs.label)
        rows, time = pairs.rows, table.gather("time", pairs.rows)
        lag_s = np.maximum(pairs.lag_us, 0) / 1e6
        values = self._values(predicted, label)
        if names.ranks:  # all that is said of a ranking are its values
            predicted = label = np.full(len(rows), np.nan)
        pairs = pairs if label is pairs.label else replace(pairs, label=label)
        labelled = Labelled(predicted, table.gather("score", rows), label, lag_s, pairs.sign, values)
        codes = self._crossed({name: table.gather(name, rows) for name in table.names if ":" in name})
        starts = time - time % length
        for code, of_version in split_by(table.gather("version", rows)):
            version = self.version(names.versions.values[code])
            for duel in self.comparisons.of(version.name):
                mine = labelled if of_version is None else labelled.take(of_version)
                served_us = time if of_version is None else time[of_version]
                self.meter(duel.label, version.name, mine, served_us, names.positive)
            for start, of_window in split_by(starts if of_version is None else starts[of_version]):
                mask = nested_mask(of_version, of_window)
                window = version.labelled(start, names.classifies)
                if span is not None:
                    window.saw(GROUND_TRUTH, *span)
                here = codes if mask is None else {name: column[mask] for name, column in codes.items()}
                window.label(
                    labelled if mask is None else labelled.take(mask),
                    _segments(version, here),
                    self._groups(here),
                    names.positive,
                )
            if not names.ranks:
                if of_version is None:
                    self._heed(version, pairs, paid)
                else:
                    self._heed(version, pairs.take(of_version), paid_of(paid, of_version))
            fresh = pairs.fresh & (pairs.sign > 0)
            if of_version is not None:
                fresh &= of_version
            with np.errstate(over="ignore"):  # an infinite error counts as missing
                if names.ranks:
                    error = 1.0 - values[0, fresh]
                elif names.classifies:
                    error = (predicted[fresh] != pairs.label[fresh]).astype(np.float64)
                else:
                    error = np.abs(predicted[fresh] - pairs.label[fresh])
            if len(error):
                version.labelled_rows += len(error)
                version.watch.errors.ranks = names.ranks
                due = paid_of(paid, fresh)
                watched_us, fired = self.meter(version.watch.judge, error, names.classifies, time[fresh], due)
                if names.positive is not None and version.watch.groups.wants_labels:
                    groups = {a: column[fresh] for a, column in self._groups(codes).items()}
                    is_positive = (predicted[fresh] == names.positive, pairs.label[fresh] == names.positive)
                    found = version.watch.groups.label(groups, *is_positive, time[fresh], due)
                    self.meter(version.watch.compare, found)
                if not names.ranks:
                    score = labelled.score[fresh]
                    self.meter(version.watch.verify, predicted[fresh], score, error, time[fresh], due, names)
                for name, fired_us in fired.items():
                    for start in np.unique(watched_us - watched_us % length).tolist():
                        inside = (fired_us >= start) & (fired_us < start + length)
                        version.window(start, names.classifies).changed(name, int(inside.sum()))

    def _heed(self, version: Version, pairs: Pairs, paid: Balance) -> None:
        """Labels against the first ones of the version: evidence, and counts in their windows."""
        table, length, bank = self.join.predictions, self.definition.window, version.watch.labels
        time = table.gather("time", pairs.rows)
        label: Column = self.names.class_column(pairs.label) if self.names.classifies else pairs.label
        fresh = np.flatnonzero(pairs.fresh & (pairs.sign > 0))
        learned = self.meter(version.watch.heed, take_column(label, fresh), time[fresh], paid_of(paid, fresh))
        if bank.binner is None:
            return
        table.heed(pairs.rows[fresh[learned:]], bank.generation)
        counted = table.heeded(pairs.rows) == bank.generation
        if not counted.any():
            return
        bins = bank.binner.bins({LABEL: take_column(label, counted)}, int(counted.sum()))
        starts = (time - time % length)[counted]
        for start, mask in split_by(starts):
            window = version.window(start, self.names.classifies)
            some, sign = bins, pairs.sign[counted]
            if mask is not None:
                some, sign = bins.take(mask), sign[mask]
            window.count_labels(bank.binner, some, sign)

    def _values(self, predicted: NDArray[Any], label: NDArray[Any]) -> Floats:
        """What is summed of each pair, shape (k, n)."""
        if self.names.ranks:
            return ranking_values(predicted, label, self.definition.ranking.k)
        custom = {} if self.names.classifies else self.custom
        values = np.full((len(custom), len(label)), np.nan)
        for row, metric in enumerate(custom.values()):
            if metric is not None:
                values[row] = metric.of_pairs(label, predicted)
        return values

    def _groups(self, codes: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        if not self.names.classifies:
            return {}
        watched = [*self.attributes, *self.names.intersections]
        return {a: codes[GROUP + a] for a in watched if GROUP + a in codes}

    def _crossed(self, codes: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """With the intersections of protected attributes, if those are asked for."""
        if not self.definition.fairness.intersections or not self.names.classifies:
            return codes
        single = {a: codes[GROUP + a] for a in self.attributes if GROUP + a in codes}
        return {**codes, **{GROUP + name: crossed for name, crossed in self.names.crossed(single).items()}}


def _segments(version: Version, codes: Mapping[str, NDArray[Any]]) -> SegmentColumns:
    return version.segments.names, [slots for name, slots in codes.items() if name.startswith(SEGMENT)]
