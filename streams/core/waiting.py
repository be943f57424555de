"""`WaitingLabels`: labels that came before their prediction, until it comes, or too long has passed."""

from typing import Any

import numpy as np

from streamgauge.schemas.batch import Ids, Ints
from streamgauge.streams.core.pairs import Orphans
from streamgauge.streams.core.predictions import LABEL, Labels
from streamgauge.streams.core.table import IdTable

_COLUMNS: dict[str, tuple[str, Any]] = {
    "time": ("<i8", 0),
    "label": ("<f8", np.nan),
    "revision": ("<i4", 0),
    "retracted": ("|b1", False),
    "offset": ("<i8", 0),
    "live": ("|b1", True),
}


class WaitingLabels(IdTable):
    """Of an identity at most one label is live, the one of the highest revision."""

    def __init__(self) -> None:
        super().__init__(_COLUMNS)

    def find_live(self, ids: Ids, oldest_us: Ints | int) -> Ints:
        """The row of each identity's live label whose time is not before `oldest_us`, or -1."""
        found = self.find(ids)
        some = found >= 0
        rows = found[some]
        oldest = np.broadcast_to(np.asarray(oldest_us, np.int64), found.shape)[some]
        found[some] = np.where(self.column("live")[rows] & (self.column("time")[rows] >= oldest), rows, -1)
        return found

    def labels(self, rows: Ints) -> Labels:
        """What waits in these rows."""
        return Labels(*(self.column(name)[rows] for name in LABEL))

    def add(self, ids: Ids, labels: Labels, offset: Ints, oldest_us: int) -> tuple[int, int]:
        """Distinct identities: how many wait now, and how many they replace; the others are stale."""
        found = self.find_live(ids, oldest_us)
        known = found >= 0
        stale = known.copy()
        stale[known] = labels.revision[known] <= self.column("revision")[found[known]]
        replaced = found[known & ~stale]
        self.end(replaced)
        keep = ~stale
        columns = zip(LABEL, labels.take(keep), strict=True)
        self.append(ids[keep], {**dict(columns), "offset": offset[keep]})
        return int(keep.sum()), len(replaced)

    def end(self, rows: Ints) -> None:
        """These wait no longer."""
        self.column("live")[rows] = False
        self.touch(rows)

    def expire(self, oldest_us: int) -> Orphans:
        """Ends and gives those whose time is before `oldest_us`."""
        rows = np.flatnonzero((self.column("time") < oldest_us) & self.column("live"))
        orphans = Orphans(
            self.ids[rows].copy(),
            self.column("time")[rows],
            self.column("label")[rows],
            self.column("revision")[rows],
            self.column("offset")[rows],
        )
        self.end(rows)
        if len(self):
            live = self.column("live")
            self.drop_before(int(live.argmax()) if live.any() else len(self))
        return orphans
