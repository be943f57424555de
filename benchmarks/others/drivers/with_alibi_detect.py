"""alibi-detect: TabularDrift on each batch, with its defaults: p < .05, by Bonferroni for 12 features.

It takes no missing values: the reference's median stands for them.
"""

from collections.abc import Callable

import numpy as np
from alibi_detect.cd import TabularDrift
from turns import ALL, NUMBERS, WORDS, Method, Verdicts, main


def _tabular(reference: np.ndarray) -> Callable[[np.ndarray], Verdicts]:
    filled = _filled(reference)
    of_words = {i: len(words) for i, words in enumerate(WORDS.values(), len(NUMBERS))}
    detector = TabularDrift(filled(reference), p_val=0.05, categories_per_feature=of_words)
    return lambda rows: {"drift, Bonferroni": [ALL] * int(detector.predict(filled(rows))["data"]["is_drift"])}


def _filled(reference: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    medians = np.nanmedian(reference, axis=0)
    return lambda rows: np.where(np.isnan(rows), medians, rows)


def _as_they_are(rows: np.ndarray, start: int) -> np.ndarray:
    return rows


if __name__ == "__main__":
    main({"TabularDrift": Method(_tabular, _as_they_are)})
