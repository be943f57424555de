"""Rounds of the account: who is paid in the next one, by which weights."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from streamgauge.detectors.evidence.account import Account
from streamgauge.schemas.batch import PredictionBatch
from streamgauge.streams.core.traffic_bank import TrafficBank
from streamgauge.streams.core.versions import Version

if TYPE_CHECKING:
    from streamgauge.streams.core.tally import Tally

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


def that_count(
    begins: Sequence[int], tally: "Tally", batches: Sequence[PredictionBatch]
) -> tuple[Sequence[int], Sequence[int]]:
    """Of rounds that begin at these rows of a run: those that may change something, and the others."""
    if len(begins) > 1 and len(batches) == 1 and _is_settled(tally, batches[0]):
        return begins[:1], begins[1:]
    return begins, ()


def _is_settled(tally: "Tally", batch: PredictionBatch) -> bool:
    """Whether no row of a batch can change who is paid, or by which weights: once a round has begun, those
    that begin within the batch change nothing.

    That is so for the only version there is, with a baseline, as long as no label waits that could make more
    known, and no group comes that nothing is bet on yet.
    """
    version = tally.versions.get(batch.version)
    attributes = {*batch.groups, *tally.attributes, *tally.names.intersections} if batch.groups else ()
    return (
        version is not None
        and len(tally.versions) == 1
        and version.watch.bank is not None
        and tally.traffic.evidence is not None
        and not tally.join.counts["waiting"]
        and not version.watch.groups.awaits(attributes)
    )
