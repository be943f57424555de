"""`EstimateBank`: what a version's predictions will turn out to be worth, and whether labels bear it out."""

from dataclasses import asdict
from typing import Any

import numpy as np

from streamgauge.detectors.calibration import CELLS, learn_calibration
from streamgauge.detectors.cbpe import classifier_cells, classifier_estimates, expected_correct
from streamgauge.detectors.dle import learn_error_model, regression_cells, regression_estimates
from streamgauge.detectors.estimate import Estimate
from streamgauge.detectors.evidence.account import UNPAID, Balance, paid_of
from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.detectors.evidence.gap import GapEvidence
from streamgauge.schemas.batch import Floats, Ints
from streamgauge.schemas.estimator import CalibrationProfile, ErrorModelProfile, Estimator, estimator_of
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.schemas.monitor_names import ESTIMATE_GAP
from streamgauge.schemas.profile import BaselineProfile, NumericProfile
from streamgauge.streams.core.names import Names

_LONG_AGO = -(2**62)


class EstimateBank:
    """Learns from a version's `first` labelled predictions, then estimates the windows that start later.

    A window counts its predictions by cell whether or not anything was learned by then: so what is published
    does not depend on when labels come. `latest_us` is the latest time of a prediction.
    """

    def __init__(self, definition: MonitorDefinition, first: int, streams: int, alpha: float) -> None:
        self.definition = definition
        self.latest_us = _LONG_AGO
        self.estimator: Estimator | None = None
        self.first, self._streams, self._alpha = first, streams, alpha
        #: Chunks (2, n): the cell or, of a regression, the prediction; and the error.
        self._learned: list[Floats] = []
        #: Of the reference, so far; there will be `first`.
        self.rows = 0
        self._since_us = _LONG_AGO
        self._evidence: GapEvidence | None = None

    @property
    def weight(self) -> float:
        return 0.0 if self._evidence is None else self._evidence.weight

    @property
    def evidence(self) -> tuple[GapEvidence, ...]:
        """What shares the budget."""
        return () if self._evidence is None else (self._evidence,)

    def monitors(self) -> list[str]:
        """The monitors that have something to say by now."""
        return [] if self._evidence is None else [ESTIMATE_GAP]

    def covers(self, start_us: int, classes: bool) -> bool:
        """Whether a window that starts then has estimates: nothing was learned from its predictions."""
        wanted = CalibrationProfile if classes else ErrorModelProfile
        return isinstance(self.estimator, wanted) and start_us > self._since_us

    def metrics(self, counts: Ints, binary: bool) -> dict[str, Estimate]:
        """Of predictions counted by cell, int64 (cells,)."""
        match self.estimator:
            case CalibrationProfile() as calibration:
                return classifier_estimates(counts, calibration, binary)
            case ErrorModelProfile() as model:
                return regression_estimates(counts, model)
        return {}

    def cells(
        self, predicted: Floats, score: Floats, names: Names, profile: BaselineProfile | None
    ) -> Ints | None:
        """The cell of each prediction, int64 (n,), -1 where there is none; None if there is none at all.

        Of a regression it is the bin of the baseline's prediction, once there is one.
        """
        if not names.classifies:
            edges = self._edges(profile)
            return None if edges is None else regression_cells(predicted, edges)
        several = names.task == "multiclass"
        if (names.positive is None) != several or not np.count_nonzero(score == score):
            return None
        said = np.ones(len(score), np.bool_) if several else predicted == names.positive
        cells = classifier_cells(score, said)
        failed = np.isnan(predicted)
        if np.count_nonzero(failed):
            cells[failed] = -1
        return cells

    def update(
        self,
        predicted: Floats,
        score: Floats,
        error: Floats,
        time_us: Ints,
        paid: Balance,
        names: Names,
        profile: BaselineProfile | None,
    ) -> list[Alarm]:
        """Newly labelled predictions in order, shape (n,), with errors as `ErrorBank` takes them."""
        if isinstance(self.estimator, ErrorModelProfile) == names.classifies and self.estimator is not None:
            self.adopt(None)  # a stored one of another task
        places: Floats | Ints | None
        places = self.cells(predicted, score, names, profile) if names.classifies else predicted
        if places is None:
            return []
        known = (places >= 0 if names.classifies else np.isfinite(places)) & np.isfinite(error)
        rows = np.stack([places.astype(np.float64), error])[:, known]
        time_us = time_us[known]
        paid = paid_of(paid, known)
        room = self.first - self.rows if self.estimator is None else 0
        if room > 0:
            self._learn(rows[:, :room], time_us[:room], names, profile)
            rows, time_us, paid = rows[:, room:], time_us[room:], paid_of(paid, slice(room, None))
        if self._evidence is None or len(time_us) == 0:
            return []
        if isinstance(self.estimator, ErrorModelProfile):
            cells = regression_cells(rows[0], self.estimator.edges)
            good = rows[1] <= np.array(self.estimator.usual)[cells]
        else:
            cells, good = rows[0].astype(np.int64), rows[1] == 0
        self._evidence.update_many(cells, good, time_us, paid)
        return self._evidence.take_alarms()

    def adopt(self, estimator: Estimator | None) -> None:
        """Another one for the windows to come, or None: it is learned anew. Evidence starts anew."""
        self._learned, self.rows = [], 0
        self._since_us = max(self._since_us, self.latest_us)
        self._take(estimator)

    def redefine(self, definition: MonitorDefinition) -> None:
        """The monitor may be on or off now, or weigh more or less: then evidence starts anew."""
        before, self.definition = self.definition, definition
        if before.rule(ESTIMATE_GAP).stake != definition.rule(ESTIMATE_GAP).stake:
            self._take(self.estimator)

    def to_state(self) -> dict[str, Any]:
        return {
            "latest": self.latest_us,
            "rows": self.rows,
            "learned": np.concatenate(self._learned, axis=1) if self._learned else None,
            "since": self._since_us,
            "estimator": None if self.estimator is None else asdict(self.estimator),
            "evidence": None if self._evidence is None else self._evidence.to_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `to_state` gave."""
        self.latest_us, self._since_us, self.rows = state["latest"], state["since"], state["rows"]
        if state["learned"] is not None:
            self._learned = [state["learned"]]
        self._take(estimator_of(state["estimator"]))
        if self._evidence is not None:
            self._evidence.restore(state["evidence"])

    def _learn(self, rows: Floats, time_us: Ints, names: Names, profile: BaselineProfile | None) -> None:
        if rows.shape[1] == 0:
            return
        self._learned.append(rows)
        self.rows += rows.shape[1]
        self._since_us = max(self._since_us, int(time_us.max()))
        if self.rows < self.first:
            return
        place, error = np.concatenate(self._learned, axis=1)
        self._learned = []
        if names.classifies:
            cells = place.astype(np.int64)
            said = cells >= CELLS
            self._take(learn_calibration(cells % CELLS, said, said ^ (error != 0)))
            return
        edges = self._edges(profile)
        if edges is not None:
            self._take(learn_error_model(place, error, edges))

    def _take(self, estimator: Estimator | None) -> None:
        self.estimator, self._evidence = estimator, None
        rule = self.definition.rule(ESTIMATE_GAP)
        if estimator is None or not rule.enabled:
            return
        expected = (
            np.array(estimator.shares)
            if isinstance(estimator, ErrorModelProfile)
            else expected_correct(estimator)
        )
        self._evidence = GapEvidence(
            expected, estimator.residuals, self._streams, self._alpha, UNPAID, rule.weight
        )

    def _edges(self, profile: BaselineProfile | None) -> tuple[float, ...] | None:
        if isinstance(self.estimator, ErrorModelProfile):
            return self.estimator.edges
        bins = None if profile is None else profile.prediction
        return bins.edges if isinstance(bins, NumericProfile) else None
