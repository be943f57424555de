"""What is served, held against a version's baseline: evidence, and what detectors found in it."""

from collections.abc import Mapping, Sequence

import numpy as np

from streamgauge.detectors.binning import FeatureBins
from streamgauge.schemas.batch import Column, Floats, Ints, take_column
from streamgauge.schemas.profile import BaselineProfile
from streamgauge.streams.core.bank import FeatureBank
from streamgauge.streams.core.quality_bank import QualityBank
from streamgauge.streams.core.recent import Recent
from streamgauge.streams.core.run import pieces


class Hearing:
    """Detectors of features, those of their quality, and who is told of alarms."""

    def __init__(
        self, profile: BaselineProfile, bank: FeatureBank, quality: QualityBank, recent: Recent
    ) -> None:
        self._profile, self._bank, self._quality, self._recent = profile, bank, quality, recent

    def serve(
        self,
        features: Mapping[str, Column],
        bins: FeatureBins,
        time_us: Ints,
        paid: Floats,
        cuts: Sequence[int],
    ) -> None:
        """A batch in order, with its bins, whose counts are set: alarms are heard before each of the rows
        `cuts`, and at the end."""
        cut = pieces(len(time_us), cuts)
        if len(cut) == 1:
            bins.counts = self._serve(features, bins, time_us, paid)
            return
        counts: list[Ints] = []
        for rows in cut:
            some = {name: take_column(column, rows) for name, column in features.items()}
            counts.append(self._serve(some, bins.take(rows), time_us[rows], paid[rows]))
        bins.counts = np.add.reduce(counts)

    def _serve(self, features: Mapping[str, Column], bins: FeatureBins, time_us: Ints, paid: Floats) -> Ints:
        for name, alarm in self._quality.update(features, self._profile, time_us, paid):
            self._recent.alarm("data_quality", name, alarm)
        counts = self._bank.update(bins, time_us, paid)
        for monitor, name, alarm in self._bank.take_alarms():
            if not self._quality.explains(name, alarm):
                self._recent.alarm(monitor, name, alarm)
        return counts
