"""whylogs: a profile of each batch, and its default drift scores against the reference's profile.

An alarm is a score in the category DRIFT, of any column: p < .05 of a Kolmogorov–Smirnov or chi-squared test.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import whylogs
from turns import ALL, Method, Verdicts, main, table
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores


def _watch(reference: np.ndarray) -> Callable[[Any], Verdicts]:
    known = whylogs.log(table(reference)).view()

    def see(batch: Any) -> Verdicts:
        scores = calculate_drift_scores(whylogs.log(batch).view(), known, with_thresholds=True)
        drifted = any(score and score["drift_category"] == "DRIFT" for score in scores.values())
        return {"any column": [ALL] * drifted}

    return see


if __name__ == "__main__":
    main({"drift scores": Method(_watch, table)})
