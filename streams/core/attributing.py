"""What explains an evidence alert, from what windows and the latest rows hold; made only when one is told."""

from streamgauge.streams.core.attribution import MOST_FEATURES, Attribution
from streamgauge.streams.core.bank import MULTIVARIATE_DRIFT
from streamgauge.streams.core.carriers import carriers
from streamgauge.streams.core.coincidences import coincidences
from streamgauge.streams.core.findings import Finding
from streamgauge.streams.core.intake import Intake
from streamgauge.streams.core.moved import moved_bins, prediction_shift, since
from streamgauge.streams.core.since import windows_since
from streamgauge.streams.core.versions import Version

#: Where these find something, it is a question whether the prediction moves with it.
_OF_INPUTS = ("data_quality", "drift", MULTIVARIATE_DRIFT)
#: And of these the bins are told of what moved.
_OF_VALUES = ("data_quality", "drift", "prediction_drift", "label_drift")


def attribute(finding: Finding, version: Version, intake: Intake) -> Attribution:
    """Bins, segments, the prediction, and what changed at the same time."""
    onset_us = finding.onset_us
    if onset_us is None:
        return Attribution({})
    bins = {}
    if finding.monitor in _OF_VALUES:
        for contributor in finding.contributors[:MOST_FEATURES]:
            name = contributor.feature
            known = None if name is None else since(version, name, onset_us)
            if name is not None and known is not None:
                bins[name] = moved_bins(*known)
    return Attribution(
        bins,
        carriers(finding, version, windows_since(finding, version)),
        prediction_shift(version, onset_us) if finding.monitor in _OF_INPUTS else None,
        coincidences(finding, version, intake),
    )
