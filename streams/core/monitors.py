"""Which monitors a definition has."""

from collections.abc import Iterator

from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.schemas.monitor_names import (
    BLOCKED,
    COMPARISON,
    ERROR_DETECTORS,
    EVIDENCE,
    MISSING_LABELS,
    OBJECTIVES,
    SAMPLE_RATIO,
    STALE_BASELINE,
    UNANSWERED,
)


def monitors_of(definition: MonitorDefinition) -> Iterator[str]:
    """Every monitor that a definition has: the built-in ones, then those that it names.

    >>> list(monitors_of(MonitorDefinition(model="m", monitors={"accuracy": {"min": 0.8}})))[-2:]
    ['retrain_blocked', 'accuracy']
    """
    compared = (COMPARISON, SAMPLE_RATIO) if definition.comparisons else ()
    built_in = (*EVIDENCE, *OBJECTIVES, *compared, MISSING_LABELS, STALE_BASELINE, UNANSWERED, BLOCKED)
    yield from built_in
    detectors = [name for name in ERROR_DETECTORS if name in definition.monitors]
    yield from detectors
    yield from (name for name in definition.monitors if name not in (*built_in, *detectors))
