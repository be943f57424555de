"""NannyML: UnivariateDriftCalculator and MissingValuesCalculator, with their defaults, a chunk at a time.

An alarm is an alert for any column: a distance (Jensen–Shannon), or a share of missing values, beyond three
standard deviations of the reference's own ten chunks.
"""

from collections.abc import Callable
from typing import Any

import nannyml
import numpy as np
from turns import ALL, BATCH, NUMBERS, WORDS, Method, Verdicts, main, table

_NAMES = [*NUMBERS, *WORDS]


def _drift() -> Any:
    return nannyml.UnivariateDriftCalculator(
        column_names=_NAMES, treat_as_categorical=list(WORDS), chunk_size=BATCH
    )


def _missing() -> Any:
    return nannyml.MissingValuesCalculator(column_names=_NAMES, chunk_size=BATCH)


def _watch(new: Callable[[], Any]) -> Callable[[np.ndarray], Callable[[Any], Verdicts]]:
    def watch(reference: np.ndarray) -> Callable[[Any], Verdicts]:
        calculator = new().fit(table(reference))

        def see(batch: Any) -> Verdicts:
            found = calculator.calculate(batch).filter(period="analysis").to_df()
            alerts = [name for name in found.columns if name[-1] == "alert"]
            return {"any column": [ALL] * bool(found[alerts].to_numpy().any())}

        return see

    return watch


if __name__ == "__main__":
    main(
        {
            "UnivariateDriftCalculator": Method(_watch(_drift), table),
            "MissingValuesCalculator": Method(_watch(_missing), table),
        }
    )
