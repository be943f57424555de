"""How the truth becomes known: late, sometimes early, sometimes twice, corrected, retracted, or never."""

import numpy as np

from streamgauge.schemas.batch import Bools, Categories, Codes, Column, GroundTruthBatch, Ids, Ints
from streamgauge.schemas.durations import SECOND_US
from streamgauge.schemas.item_lists import ItemLists

#: Shares of predictions: never labelled, labelled before the prediction arrives, label sent twice, a wrong
#: label that is corrected, a label that is taken back.
NEVER, EARLY, TWICE, CORRECTED, RETRACTED = 0.08, 0.02, 0.03, 0.02, 0.003

#: Labels come after a lognormal time, and at most after `SLOWEST_S`.
MEDIAN_S, SIGMA, SLOWEST_S = 180.0, 0.6, 1_200.0
#: What follows a first label (a repetition, a correction, a retraction) comes 1 to 5 minutes after it.
FOLLOWING_S = (60, 300)


class LabelDesk:
    """Plans the labels of predictions, and hands them out when they are due.

    `plan` a model's predictions as soon as they are known, before their own time; an early label leads its
    prediction by at most `lead_us`.
    """

    def __init__(self, rng: np.random.Generator, lead_us: int) -> None:
        self._rng = rng
        self._lead_us = lead_us
        self._planned: dict[str, list[GroundTruthBatch]] = {}

    def plan(self, model: str, ids: Ids, time_us: Ints, truth: Column) -> None:
        """Labels for predictions made at `time_us`, shape (n,); `truth` is what is so in the end."""
        rng, n = self._rng, len(ids)
        known_us = time_us + self._delay_us(n)
        early = rng.random(n) < EARLY
        known_us[early] = time_us[early] - rng.integers(1, self._lead_us, int(early.sum()))
        labelled = rng.random(n) >= NEVER
        corrected, retracted, twice = (
            labelled & (rng.random(n) < share) for share in (CORRECTED, RETRACTED, TWICE)
        )
        retracted &= ~corrected
        later_us = known_us + SECOND_US * rng.integers(FOLLOWING_S[0], FOLLOWING_S[1], size=n)
        first = _where(corrected, _mistaken(truth), truth)
        self._put(model, ids, known_us, first, labelled, revision=0)
        self._put(model, ids, later_us, first, twice, revision=0)
        self._put(model, ids, later_us, truth, corrected, revision=1)
        self._put(model, ids, later_us, truth, retracted, revision=1, retract=True)

    def due(self, end_us: int) -> tuple[GroundTruthBatch, ...]:
        """One batch a model of the labels that become known before `end_us`, in order of time."""
        batches = []
        for model, planned in self._planned.items():
            labels = _concatenated(model, planned)
            now = labels.time_us < end_us
            self._planned[model] = [_taken(labels, ~now)]
            if now.any():
                batches.append(
                    _taken(labels, np.flatnonzero(now)[np.argsort(labels.time_us[now], kind="stable")])
                )
        return tuple(batches)

    def _delay_us(self, n: int) -> Ints:
        seconds = np.minimum(MEDIAN_S * np.exp(SIGMA * self._rng.standard_normal(n)), SLOWEST_S)
        return (seconds * SECOND_US).astype(np.int64)

    def _put(
        self,
        model: str,
        ids: Ids,
        time_us: Ints,
        label: Column,
        chosen: Bools,
        *,
        revision: int,
        retract: bool = False,
    ) -> None:
        n = int(chosen.sum())
        labels = GroundTruthBatch(
            model=model,
            ids=ids,
            time_us=time_us,
            label=label,
            revision=np.full(len(ids), revision, dtype=np.int32),
            retracted=np.full(len(ids), retract),
        )
        if n:
            self._planned.setdefault(model, []).append(_taken(labels, chosen))


def _mistaken(truth: Column) -> Column:
    """What a hurried labeller would say: the other class, or a number that is one off."""
    if isinstance(truth, Categories):
        return Categories((1 - truth.codes).astype(np.int32), truth.values)
    return truth + 1.0


def _where(chosen: Bools, one: Column, other: Column) -> Column:
    if isinstance(one, Categories) and isinstance(other, Categories):
        return Categories(np.where(chosen, one.codes, other.codes).astype(np.int32), one.values)
    assert not isinstance(one, Categories)
    assert not isinstance(other, Categories)
    return np.where(chosen, one, other)


def _taken(
    labels: GroundTruthBatch, rows: "Bools | np.ndarray[tuple[int], np.dtype[np.intp]]"
) -> GroundTruthBatch:
    retracted = labels.retracted[rows]
    label: Column
    if isinstance(labels.label, Categories):
        codes: Codes = np.where(retracted, -1, labels.label.codes[rows]).astype(np.int32)
        label = Categories(codes, labels.label.values)
    else:
        assert not isinstance(labels.label, ItemLists)  # the demo's models do not rank
        label = np.where(retracted, np.nan, labels.label[rows])
    return GroundTruthBatch(
        labels.model, labels.ids[rows], labels.time_us[rows], label, labels.revision[rows], retracted
    )


def _concatenated(model: str, parts: list[GroundTruthBatch]) -> GroundTruthBatch:
    columns = [part.label for part in parts]
    label: Column
    if isinstance(columns[0], Categories):
        values = columns[0].values
        label = Categories(np.concatenate([c.codes for c in columns if isinstance(c, Categories)]), values)
    else:
        label = np.concatenate([c for c in columns if not isinstance(c, Categories)])
    return GroundTruthBatch(
        model,
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.time_us for part in parts]),
        label,
        np.concatenate([part.revision for part in parts]),
        np.concatenate([part.retracted for part in parts]),
    )
