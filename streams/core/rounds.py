"""Rounds of the account: who is paid in the next one, by which weights."""

import math
from collections.abc import Iterable, Mapping

from streamgauge.detectors.evidence.account import Account
from streamgauge.streams.core.traffic_bank import TrafficBank
from streamgauge.streams.core.versions import Version

#: A version without traffic for this many windows, while another has some, is superseded.
SUPERSEDED_AFTER = 12


def superseded(version: Version, versions: Iterable[Version]) -> bool:
    """Whether it gets no traffic any more while another of them does: nothing is told of it any more."""
    latest_us = max(each.last_served_us for each in versions)
    return latest_us - version.last_served_us > SUPERSEDED_AFTER * version.window_us


def begin_round(account: Account, traffic: TrafficBank, versions: Mapping[str, Version]) -> None:
    """To be called before the account reaches it. Who waits to be paid is; superseded versions are not."""
    live = [version for version in versions.values() if not superseded(version, versions.values())]
    paid = account.begin_round(math.fsum([traffic.weight, *(version.watch.weight for version in live)]))
    traffic.join()
    for version in versions.values():
        for streams in version.watch.paid():
            if version in live:
                streams.join(paid)
            else:
                streams.leave()
