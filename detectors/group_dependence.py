"""How much the events of each group depend on each other: groups have no baseline, so windows tell."""

from collections.abc import Sequence

import numpy as np

from streamgauge.detectors.dependence import effect_between
from streamgauge.detectors.fairness import GroupCounts, GroupRates


def group_effects(
    windows: Sequence[GroupCounts | None],
    groups: Sequence[str],
    classes: Sequence[str],
    pos_label: str,
    *,
    labelled: bool,
) -> dict[str, list[float]]:
    """Rate → how many events of each group are worth one independent one, as windows in a row tell; None for
    one that is left out. Of the rates that rest on labels, or of those that don't.

    >>> rng, windows = np.random.default_rng(1), []
    >>> for _ in range(40):
    ...     windows.append(GroupCounts())
    ...     windows[-1].update_predictions(np.zeros(300, int), np.repeat(rng.random(100) < 0.5, 3))
    >>> effects = group_effects(windows, ["f"], ["no", "yes"], "yes", labelled=False)
    >>> effects["selection_rate"][0] > 2
    True
    """
    empty, found = GroupCounts(), dict[str, list[tuple[list[int], list[int]]]]()
    for counts in windows:
        rates = GroupRates(counts or empty, groups, classes, pos_label, 1)
        for name, counted in rates.counted(labelled=labelled).items():
            found.setdefault(name, []).append(counted)
    effects = {}
    for name, of_windows in found.items():
        by_window = np.array(of_windows, np.int64)
        effects[name] = effect_between(by_window[:, 0], by_window[:, 1]).tolist()
    return effects
