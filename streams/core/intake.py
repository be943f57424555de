"""`Intake`: predictions and labels of one model, into its join, its windows and its watches."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.evidence.account import Account
from streamgauge.schemas.batch import GroundTruthBatch, Ints, PredictionBatch
from streamgauge.schemas.merge import take_rows
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.streams.core.counts import Counts
from streamgauge.streams.core.fitting import fitting
from streamgauge.streams.core.pairs import Orphans
from streamgauge.streams.core.predictions import Labels
from streamgauge.streams.core.reference import Reference
from streamgauge.streams.core.rounds import SUPERSEDED_AFTER, begin_round, superseded, that_count
from streamgauge.streams.core.run import Beside, Run, Timed, cap_times, on_time
from streamgauge.streams.core.segments import NONE
from streamgauge.streams.core.tally import GROUP, SEGMENT, Tally
from streamgauge.streams.core.versions import Version

LONG_AGO = -(2**62)


class Intake(Tally):
    """Windows, pairs and evidence of one model. `now_us` is its event time: it never goes back.

    The watermark is `now_us` less `grace`; a window closes when the watermark has passed its end.
    """

    def __init__(self, definition: MonitorDefinition, streams: int, alpha: float) -> None:
        super().__init__(definition, streams, alpha)
        #: Versions whose records are to be deleted.
        self.gone: list[Version] = []
        self.counts = Counts()
        self.reference = Reference()
        self.now_us = LONG_AGO
        self.expired_us = LONG_AGO
        #: The watermark of former definitions: a longer grace does not bring back what had passed.
        self.passed_us = LONG_AGO

    @property
    def watermark_us(self) -> int:
        return max(self.now_us - self.definition.grace, self.passed_us)

    @property
    def latest(self) -> str | None:
        """The version that was served last."""
        return max(self.versions, key=lambda name: self.versions[name].last_served_us, default=None)

    def is_served(self, version: str) -> bool:
        """Whether it is known, and still gets traffic."""
        known = self.versions.get(version)
        return known is not None and not self.superseded(known)

    def predictions(
        self,
        parts: Sequence[tuple[PredictionBatch, Ints]],
        appended_us: Sequence[Ints] | None,
        account: Account,
    ) -> Ints:
        """Batches of a run with the offsets of their rows, in whose order they came; gives those of a wrong
        type. Where `appended_us` says when each was appended, times are capped at `grace` after that."""
        self.infer([(batch.prediction, offsets) for batch, offsets in parts])
        self.counts.lost_by_client += sum(batch.dropped for batch, _ in parts)
        named = self.definition.baseline.version  # whose baseline others may take
        fit, unfit = fitting(self.names, parts, appended_us)
        if not fit:
            return unfit
        capped = [(self._capped(batch, at), offsets) for batch, offsets, at in fit]
        run = Run(self.now_us, [(batch.time_us, offsets) for batch, offsets in capped])
        begins = account.rounds(account.clock(run.latest_us[1:])).tolist()
        begins, cuts = that_count(begins, self, [batch for batch, _ in capped])
        for start, stop in pairwise(sorted({0, *begins, len(run)})):
            if start in begins:
                begin_round(account, self.traffic, self.versions)
            paid = account.advance_many(run.latest_us[start + 1 : stop + 1])
            stretch = sorted(run.parts(start, stop), key=lambda one: capped[one[0]][0].version != named)
            for part, rows in stretch:
                batch, offsets = capped[part]
                watermark = np.maximum(run.before(part)[rows] - self.definition.grace, self.passed_us)
                balance, within = paid[run.among(part, rows, start)], tuple(cut - start for cut in cuts)
                beside = Beside(offsets[rows], watermark, balance, within)
                self._predictions(take_rows(batch, rows), beside)
            passed = np.maximum(run.latest_us[start : stop + 1] - self.definition.grace, self.passed_us)
            self.meter(self.traffic.pass_minutes, passed, paid)
        return unfit

    def _predictions(self, batch: PredictionBatch, beside: Beside) -> None:
        fits = on_time(batch.time_us, beside.watermark, self.definition)
        self.now_us = max(self.now_us, int(batch.time_us.max()))
        if fits is not None:
            self.counts.late += int((~fits).sum())
            batch, beside = take_rows(batch, fits), beside.take(fits)
        version = self.names.versions.code(batch.version)
        for rows in self._stretches(self.names.versions.values[version], batch.time_us, beside.watermark):
            self._apply(take_rows(batch, rows), version, beside.take(rows))

    def _stretches(self, name: str, time_us: Ints, watermark: Ints) -> Iterator[slice]:
        """Rows between silences so long that all predictions of the version have expired: its live segments
        are chosen anew then. A version is forgotten only after one, so it does not show when that was done.
        """
        definition = self.definition
        silence = max(definition.labels.ttl, SUPERSEDED_AFTER * definition.window - definition.grace)
        start = 0
        while start < len(time_us):
            version = self.versions.get(name)
            last_us = 0 if version is None else version.last_served_us
            if watermark[start] - last_us > silence:
                last_us = int(time_us[start])  # it cannot be a duplicate
                if version is not None:
                    version.renew(self.live_segments())
            after = np.searchsorted(watermark[start + 1 :], last_us + silence, side="right")
            stop = start + 1 + int(after)
            yield slice(start, stop)
            start = stop

    def _apply(self, batch: PredictionBatch, code: int, beside: Beside) -> None:
        values: dict[str, NDArray[Any]] = {
            "prediction": self.names.predicted(batch, self.definition.ranking.depth),
            "score": self.names.scores(batch),
        }
        for key, column in self.names.group_codes(batch).items():
            self.join.predictions.declare(GROUP + key, "<i2", -1)
            values[GROUP + key] = column
        new, rows, pairs = self.join.add_predictions(code, batch.ids, batch.time_us, values, beside.watermark)
        self.counts.applied += len(rows)
        self.counts.duplicate += len(new) - len(rows)
        version = self.version(self.names.versions.values[code])
        version.repeat(~new, batch.time_us, beside.paid, self.names.classifies)
        if len(rows) == 0:
            return
        if len(rows) < len(new):
            batch, beside = take_rows(batch, new), beside.take(new)
            values = {name: column[new] for name, column in values.items()}
        self.traffic.count(batch.time_us, beside.watermark)
        for keys, slots in version.segments.slots(self.names.segments(batch)).items():
            name = SEGMENT + "\0".join(keys)
            self.join.predictions.declare(name, "<i2", NONE)
            self.join.predictions.write(name, rows, slots)
            values[name] = slots
        if version.watch.is_blank and self.definition.baseline.is_given:
            self._give(version, int(beside.offsets[0]))
        lacking = version.watch.lacking
        if 0 < lacking < len(batch):
            # the baseline is learned between two rows, wherever batches are cut
            head = np.arange(len(batch)) < lacking
            for half in (head, ~head):
                part = {name: column[half] for name, column in values.items()}
                self.serve(version, take_rows(batch, half), part, beside.take(half))
        else:
            self.serve(version, batch, values, beside)
        if 0 < lacking <= len(batch) and version.name == self.definition.baseline.version:
            self.reference.take(version.watch.profile, int(beside.offsets[lacking - 1]))
        if len(pairs.rows):
            pairs, place = pairs.in_order_of(rows)  # as if each prediction had come alone
            self.count_pairs(pairs, None, beside.paid[place])

    def labels(self, batch: GroundTruthBatch, offsets: Ints, appended_us: Ints | None, paid: float) -> Ints:
        """Labels of any version; gives the offsets of those that have not the task's type.

        `appended_us` as for predictions: a label from the future would wait for ever.
        """
        batch = self._capped(batch, appended_us)
        self.infer([(batch.label, offsets)])
        fits = self.names.fits(batch.label)
        unfit = offsets[~fits]
        if len(unfit):
            batch, offsets = take_rows(batch, fits), offsets[fits]
        if len(batch) == 0:
            return unfit
        labels = Labels(self.names.labels(batch), batch.revision, batch.retracted, batch.time_us)
        pairs, stale = self.join.add_labels(batch.ids, labels, offsets, self.watermark_us)
        self.counts.stale_revision += stale
        self.counts.applied += len(batch) - stale
        if len(pairs.rows):
            self.count_pairs(pairs, (int(offsets[0]), int(offsets[-1])), paid)
        return unfit

    def elapse(self, account: Account) -> None:
        """Time has come to `now_us`: minutes before the watermark are over.

        The newest version tells what traffic did in them.
        """
        if account.reaches_a_round(self.now_us):
            begin_round(account, self.traffic, self.versions)
        findings = self.traffic.advance(self.watermark_us, account.advance(self.now_us))
        newest = [version for version in self.versions.values() if not self.superseded(version)][-1:]
        for version in self.versions.values():
            version.watch.recent.of_model = self.traffic.monitors() if version in newest else []
        if newest:
            for found in findings:
                newest[0].watch.recent.report(found)

    def superseded(self, version: Version) -> bool:
        return superseded(version, self.versions.values())

    def forget(self, version: Version) -> None:
        """A version that gets no traffic and has no window left: its records are to be deleted."""
        version.watch.learning.drop()
        self.gone.append(self.versions.pop(version.name))

    def inherit(self, before: "Intake") -> None:
        """Starts anew under another definition: what was joined and counted before is closed.

        Predictions that still wait for labels are expired, labels that wait are superseded.
        """
        self.now_us, self.expired_us, self.passed_us = before.now_us, before.expired_us, before.watermark_us
        self.counts, self.gone, self.reference = before.counts, before.gone, before.reference
        self.traffic = before.traffic
        self.traffic.redefine(self.definition)
        counts = self.join.counts = before.join.counts
        counts["expired"] += counts["pending"]
        counts["superseded"] += counts["waiting"]
        counts["pending"] = counts["waiting"] = 0
        for version in before.versions.values():
            self.version(version.name).replaces(version)
        self.join.predictions.replaces(before.join.predictions)
        self.join.waiting.replaces(before.join.waiting)

    def redefine(self, definition: MonitorDefinition) -> set[str]:
        """A definition that leaves windows and baselines as they are; gives what `Comparisons.redefine`."""
        self.passed_us = self.watermark_us
        self.expired_us = self.join.live_for(definition.labels.ttl, self.expired_us)
        self.definition = definition
        self.traffic.redefine(definition)
        for version in self.versions.values():
            version.watch.redefine(definition)
        return self.comparisons.redefine(definition.comparisons)

    def _give(self, version: Version, offset: int) -> None:
        """What a version begins with that is not to learn its own baseline, if that is known by now."""
        known = self.reference.at(offset)
        if known is not None and version.name != self.definition.baseline.version:
            version.rebase(known)

    def expire(self) -> Orphans:
        """Forgets predictions and labels whose time to live has passed."""
        before, self.expired_us = self.expired_us, self.watermark_us
        return self.join.expire(before, self.expired_us)

    def _capped(self, batch: Timed, appended_us: Ints | None) -> Timed:
        if appended_us is None:
            return batch
        capped, beyond = cap_times(batch, appended_us + self.definition.grace)
        self.counts.capped += beyond
        return capped
