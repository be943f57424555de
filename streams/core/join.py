"""`LabelJoin`: predictions that wait for labels, and labels that wait for predictions, of one model.

A prediction is (version, identity); a label reaches every version that predicted its identity. The highest
revision wins, a retraction is a label with a higher revision, and both sides are forgotten once the
watermark has passed their time by more than `ttl`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.batch import Bools, Ids, Ints
from streamgauge.streams.core.blocks import BlockTable
from streamgauge.streams.core.pairs import Orphans, Pairs
from streamgauge.streams.core.predictions import UNLABELLED, Labels, PredictionTable
from streamgauge.streams.core.rows import in_rounds
from streamgauge.streams.core.waiting import WaitingLabels

_COUNTS = ("predictions", "pending", "labelled", "expired", "labels", "joined", "waiting", "orphaned",
           "superseded", "retracted")  # fmt: skip


class LabelJoin:
    """The join of one model; `counts` is its ledger and always balances.

    predictions = pending + labelled + expired; labels = joined + waiting + orphaned + superseded + retracted.
    """

    def __init__(self, ttl_us: int) -> None:
        self.ttl_us = ttl_us
        self.predictions = PredictionTable()
        self.waiting = WaitingLabels()
        self.counts = dict.fromkeys(_COUNTS, 0)
        #: Predictions before the first number whose time is before the second have expired for good.
        self.dead: list[tuple[int, int]] = []

    def hold_rankings(self) -> None:
        """Predictions are rankings and labels relevance, as bytes; no value has been held so far."""
        self.predictions.hold_rankings()
        self.waiting.hold_objects("label")

    def to_state(self) -> dict[str, Any]:
        """All but the blocks of its tables; an empty one has none to say how many rows it has forgotten."""
        return {
            "counts": dict(self.counts),
            "bases": [table.base for table in self._tables],
            "dead": [list(each) for each in self.dead],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """What `to_state` gave, before the tables are loaded."""
        self.counts = dict(state["counts"])
        for table, base in zip(self._tables, state["bases"], strict=True):
            table.base = base
        self.dead = [(end, floor_us) for end, floor_us in state["dead"]]

    @property
    def _tables(self) -> tuple[BlockTable, ...]:
        return self.predictions, self.predictions.given, self.waiting

    def add_predictions(
        self, version: int, ids: Ids, time_us: Ints, values: dict[str, NDArray[Any]], watermark_us: Ints
    ) -> tuple[Bools, Ints, Pairs]:
        """Predictions of one version: (mask of the new ones, their rows, what joined at once).

        `watermark_us` is the one at which each came. The rest of the mask are duplicates: same version, same
        identity, and the one before still alive.
        """
        row_of = np.full(len(ids), -1, np.int64)
        parts = []
        for now in in_rounds(ids):
            if len(now) == len(ids):
                return self._add_each(version, ids, time_us, values, watermark_us)
            some = {name: column[now] for name, column in values.items()}
            new, rows, pairs = self._add_each(version, ids[now], time_us[now], some, watermark_us[now])
            row_of[now[new]] = rows
            parts.append(pairs)
        new = row_of >= 0
        return new, row_of[new], Pairs.concatenate(parts)

    def _add_each(
        self, version: int, ids: Ids, time_us: Ints, values: dict[str, NDArray[Any]], watermark_us: Ints
    ) -> tuple[Bools, Ints, Pairs]:
        """`add_predictions` of distinct identities."""
        new = np.ones(len(ids), np.bool_)
        table = self.predictions
        probe = table.probe(ids)
        found, sibling = probe.rows, np.full(len(ids), -1, np.int64)
        while np.count_nonzero(found >= 0):
            live = (found >= 0) & (self._times(found) + self.ttl_us >= watermark_us)
            new &= ~(live & (table.gather("version", found) == version))
            label = table.labels(found)
            labelled = live & (label.revision > UNLABELLED)
            labelled &= np.abs(label.time_us - time_us) <= self.ttl_us
            sibling = np.where((sibling < 0) & labelled, found, sibling)
            found = table.older(found)
        if np.count_nonzero(new) < len(new):
            ids, time_us, watermark_us, sibling = ids[new], time_us[new], watermark_us[new], sibling[new]
            values, probe = {name: column[new] for name, column in values.items()}, probe.take(new)
        rows = table.append(ids, {"time": time_us, "version": np.int16(version), **values}, probe)
        self.counts["predictions"] += len(rows)
        self.counts["pending"] += len(rows)
        return new, rows, self._join_early(ids, rows, sibling, watermark_us)

    def _join_early(self, ids: Ids, rows: Ints, sibling: Ints, watermark_us: Ints) -> Pairs:
        """A new prediction takes the label that waited for it, or that another version already has."""
        table, waiting = self.predictions, self.waiting
        parts = []
        has = sibling >= 0
        if np.count_nonzero(has):
            parts.append(self._assign(rows[has], table.labels(sibling[has])))
        if len(waiting) and self.counts["waiting"]:
            found = waiting.find_live(ids, watermark_us - self.ttl_us)
            ok = (found >= 0) & ~has
            ok[ok] &= (
                np.abs(waiting.column("time")[found[ok]] - table.gather("time", rows[ok])) <= self.ttl_us
            )
            if ok.any():
                source = found[ok]
                parts.append(self._assign(rows[ok], waiting.labels(source)))
                waiting.end(source)
                retracted = int(waiting.column("retracted")[source].sum())
                self._move("waiting", "joined", len(source) - retracted)
                self._move("waiting", "retracted", retracted)
        return Pairs.concatenate(parts)

    def add_labels(self, ids: Ids, labels: Labels, offset: Ints, watermark_us: int) -> tuple[Pairs, int]:
        """Labels in order: what joined or was restated, and how many were stale (same or lower revision)."""
        parts: list[Pairs] = []
        stale = 0
        for now in in_rounds(ids):
            pairs, n = self._add_distinct(ids[now], labels.take(now), offset[now], watermark_us)
            parts += pairs
            stale += n
        return Pairs.concatenate(parts), stale

    def _add_distinct(
        self, ids: Ids, labels: Labels, offset: Ints, watermark_us: int
    ) -> tuple[list[Pairs], int]:
        table = self.predictions
        chains: list[tuple[NDArray[np.intp], Ints]] = []
        known = np.full(len(ids), UNLABELLED, np.int64)
        was_retracted = np.zeros(len(ids), np.bool_)
        matched = np.zeros(len(ids), np.bool_)
        found = table.find(ids)
        while (found >= 0).any():
            at = np.flatnonzero(found >= 0)
            rows = found[at]
            times = self._times(rows)
            near = (times + self.ttl_us >= watermark_us) & (np.abs(labels.time_us[at] - times) <= self.ttl_us)
            at, rows = at[near], rows[near]
            matched[at] = True
            old = table.labels(rows)
            higher = old.revision > known[at]
            known[at] = np.maximum(known[at], old.revision)
            was_retracted[at[higher]] = old.retracted[higher]
            chains.append((at, rows))
            found = table.older(found)
        fresh_label = labels.revision > known
        stale = int((matched & ~fresh_label).sum())
        accept = matched & fresh_label
        parts = []
        if chains:
            at, rows = (np.concatenate(column) for column in zip(*chains, strict=True))
            use = np.flatnonzero(accept[at])
            if len(chains) > 1:  # in the order of the labels, whichever version predicted last
                use = use[np.argsort(at[use], kind="stable")]
            at, rows = at[use], rows[use]
            parts.append(self._assign(rows, labels.take(at)))
        had = accept & (known > UNLABELLED)
        self.counts["labels"] += int(accept.sum())
        self.counts["retracted"] += int((accept & labels.retracted).sum()) - int((had & was_retracted).sum())
        self.counts["joined"] += int((accept & ~labels.retracted).sum()) - int((had & ~was_retracted).sum())
        self.counts["superseded"] += int(had.sum())
        if not matched.all():
            early = ~matched
            waiting, replaced = self.waiting.add(
                ids[early], labels.take(early), offset[early], watermark_us - self.ttl_us
            )
            self.counts["labels"] += waiting
            self.counts["waiting"] += waiting
            self._move("waiting", "superseded", replaced)
            stale += int(early.sum()) - waiting
        return parts, stale

    def _assign(self, rows: Ints, new: Labels) -> Pairs:
        """Writes labels into rows; says what stops counting and what starts."""
        old, time = self.predictions.labels(rows), self.predictions.gather("time", rows)
        counted, counts = (old.revision > UNLABELLED) & ~old.retracted, ~new.retracted
        self.predictions.assign(rows, new)
        stops, starts = int(counted.sum()), int(counts.sum())
        self._move("pending", "labelled", starts - stops)
        return Pairs(
            np.concatenate([rows[counted], rows[counts]]),
            np.concatenate([old.label[counted], new.label[counts]]),
            np.concatenate([np.full(stops, -1, np.int8), np.ones(starts, np.int8)]),
            np.concatenate([np.zeros(stops, np.bool_), (old.revision == UNLABELLED)[counts]]),
            np.concatenate([(old.time_us - time)[counted], (new.time_us - time)[counts]]),
        )

    def live_for(self, ttl_us: int, before_us: int) -> int:
        """Another time to live; `before_us` is the watermark of the last expiry, and so is what it gives.

        What had expired stays so: a longer time brings nothing back into the reach of labels.
        """
        if ttl_us > self.ttl_us:
            self.dead.append((self.predictions.base + len(self.predictions), before_us - self.ttl_us))
        before_us += min(0, ttl_us - self.ttl_us)
        self.ttl_us = ttl_us
        return before_us

    def _times(self, rows: Ints) -> Ints:
        """When these were predicted; long ago, if they had expired by a shorter time to live."""
        table = self.predictions
        times = table.gather("time", rows)
        for end, floor_us in self.dead:
            times = np.where((rows + table.base < end) & (times < floor_us), -(2**62), times)
        return times

    def expire(self, before_us: int, now_us: int) -> Orphans:
        """Forgets what lies more than `ttl` behind the watermark `now_us`; `before_us` is the one before."""
        table, waiting = self.predictions, self.waiting
        if len(table):
            gone = table.between(before_us - self.ttl_us, now_us - self.ttl_us)
            if self.dead:
                gone = gone[self._times(gone) >= before_us - self.ttl_us]
            label = table.labels(gone)
            lost = (label.revision == UNLABELLED) | label.retracted
            self._move("pending", "expired", int(lost.sum()))
            table.drop_before(table.first_from(now_us - self.ttl_us))
            self.dead = [(end, floor_us) for end, floor_us in self.dead if end > table.base]
        orphans = waiting.expire(now_us - self.ttl_us)
        self._move("waiting", "orphaned", len(orphans.ids))
        return orphans

    def _move(self, source: str, target: str, n: int) -> None:
        self.counts[source] -= n
        self.counts[target] += n
