"""What else changed when something did: versions, traffic, missing values, types."""

from collections.abc import Collection, Iterator
from math import sqrt

from streamgauge.streams.core.attribution import MOST_COINCIDENCES, Coincidence
from streamgauge.streams.core.findings import Finding
from streamgauge.streams.core.intake import Intake
from streamgauge.streams.core.moved import since
from streamgauge.streams.core.versions import Version

#: Standard errors from which on something has changed; and the least change that is worth telling.
_SURE, _MISSING, _TRAFFIC = 4.0, 0.02, 1.5
#: Windows before the onset that its traffic is compared with.
_BEFORE = 6
_LEAST = 50


def coincidences(finding: Finding, version: Version, intake: Intake) -> tuple[Coincidence, ...]:
    """What changed within a window of the onset, the likeliest cause first; at most five."""
    onset_us = finding.onset_us
    if onset_us is None:
        return ()
    length = intake.definition.window
    around = range((finding.onset_low_us or onset_us) - length, (finding.onset_high_us or onset_us) + length)
    known = {contributor.feature for contributor in finding.contributors}
    found = [
        *_versions(intake, around),
        *(_traffic(intake, onset_us) if finding.monitor != "traffic" else ()),
        *(Coincidence(aspect, name) for aspect, name in version.watch.quality.open if name not in known),
        *_missing(version, onset_us, known),
    ]
    return tuple(found[:MOST_COINCIDENCES])


def _versions(intake: Intake, around: range) -> Iterator[Coincidence]:
    """Those that began or ended, unless there was no other."""
    if len(intake.versions) < 2:
        return
    for version in intake.versions.values():
        if version.first_served_us in around:
            yield Coincidence("version_started", version.name, version.first_served_us)
    for version in intake.versions.values():
        silent_us = intake.now_us - version.last_served_us
        if version.last_served_us in around and silent_us > intake.definition.window:
            yield Coincidence("version_stopped", version.name, version.last_served_us)


def _traffic(intake: Intake, onset_us: int) -> Iterator[Coincidence]:
    """Requests a second since the window of the onset, and in the windows before."""
    length = intake.definition.window
    start_us = onset_us - onset_us % length
    counts = [0, 0]
    first_us, last_us = start_us, start_us
    for version in intake.versions.values():
        last_us = max(last_us, version.last_served_us)
        for window in version.in_order():
            if window.start_us >= start_us - _BEFORE * length:
                counts[window.start_us >= start_us] += window.whole.n
                first_us = min(first_us, window.start_us)
    before, after = counts
    was_s, lasted_s = (start_us - first_us) / 1e6, (last_us - start_us) / 1e6
    if min(before, after) < _LEAST or was_s <= 0 or lasted_s <= 0:
        return
    was, now = before / was_s, after / lasted_s
    sure = abs(now - was) / sqrt(before / was_s**2 + after / lasted_s**2)
    if sure >= _SURE and max(now / was, was / now) >= _TRAFFIC:
        yield Coincidence("traffic", "throughput_per_s", None, now, was)


def _missing(version: Version, onset_us: int, known: Collection[str | None]) -> Iterator[Coincidence]:
    profile = version.watch.profile
    for name in () if profile is None else profile.features:
        found = since(version, name, onset_us) if name not in known else None
        if found is None or found[1].sum() < _LEAST or found[0].missing.n == 0:
            continue
        n, rate = found[1].sum(), found[0].missing
        now, was = float(found[1][-1] / n), rate.k / rate.n
        error = sqrt(max(was * (1 - was), 1 / rate.n) * (1 / n + 1 / rate.n))
        if now - was >= max(_MISSING, _SURE * error):
            yield Coincidence("missing", name, None, now, was)
