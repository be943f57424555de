"""Which page of the runbooks tells what to do about a monitor's alert."""

from streamgauge.schemas.heartbeat import HEARTBEAT
from streamgauge.schemas.monitor_names import BUILT_IN, ERROR_DETECTORS

#: What the notifier watches by itself.
OF_THE_NOTIFIER = (HEARTBEAT, "max_models")
_OWN_PAGES = frozenset((*BUILT_IN, *OF_THE_NOTIFIER)) - frozenset(ERROR_DETECTORS)


def page_of(monitor: str) -> str:
    """The page's name: the monitor's own, or one that limits or River's detectors share.

    >>> page_of("drift"), page_of("roc_auc"), page_of("adwin")
    ('drift', 'limit', 'error_detector')
    """
    if monitor in ERROR_DETECTORS:
        return "error_detector"
    return monitor if monitor in _OWN_PAGES else "limit"
