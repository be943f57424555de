"""Evidently: a Report of DataDriftPreset on each batch, with its defaults.

An alarm is a failed test: of a column, whose drift is beyond its threshold, or of the share of drifted
columns, which is drift of the data set from half of them on.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from evidently import Report
from evidently.presets import DataDriftPreset
from turns import ALL, Method, Verdicts, main, table

_OF_ALL = "DriftedColumnsCount"


def _watch(reference: np.ndarray) -> Callable[[Any], Verdicts]:
    known = table(reference)

    def see(batch: Any) -> Verdicts:
        run = Report([DataDriftPreset()], include_tests=True).run(batch, known).dict()
        failed = [
            test["metric_config"]["params"]["type"] for test in run["tests"] if test["status"] == "FAIL"
        ]
        of_all = sum(_OF_ALL in kind for kind in failed)
        return {"any column": [ALL] * (len(failed) > of_all), "data set": [ALL] * (of_all > 0)}

    return see


if __name__ == "__main__":
    main({"DataDriftPreset": Method(_watch, table)})
