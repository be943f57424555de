"""What windows must say of features: against a baseline of each version's first rows, from the raw events."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from streamgauge.detectors.baseline import build_profile
from streamgauge.detectors.binning import FeatureBinner
from streamgauge.detectors.distances import FeatureCounts
from streamgauge.schemas.batch import Categories, Column
from streamgauge.schemas.profile import FeatureProfile
from streamgauge.streams.core.bank import watched
from streamgauge.streams.core.label_bank import LABEL
from tests.core.naive import Key, Number, agrees, key_of

Row = Mapping[str, Any]


def feature_metrics(events: Iterable[Row], first: int, window_us: int) -> dict[Key, Number]:
    """`events` are predictions in the order of their partition; repeated ones count once.

    Rates are counted here; distances are those of `FeatureCounts`, told all rows of a window at once.
    """
    lanes: dict[tuple[str, str], dict[str, Row]] = {}
    for event in events:
        lanes.setdefault((event["model"], event["version"]), {}).setdefault(event["prediction_id"], event)
    found: dict[Key, Number] = {}
    for (model, version), by_id in lanes.items():
        rows = [_flat(event) for event in by_id.values()]
        names = list(dict.fromkeys(name for row in rows for name in row))
        reference = {name: _column(rows[:first], name) for name in names}
        features = {name: c for name, c in reference.items() if name not in ("prediction", "score")}
        profile = build_profile(features, reference["prediction"], reference.get("score"))
        binner = FeatureBinner(watched(profile))
        windows: dict[int, list[Row]] = {}
        for row, event in list(zip(rows, by_id.values(), strict=True))[first:]:
            windows.setdefault(event["time"] // window_us * window_us, []).append(row)
        for start_us, later in windows.items():
            counts = FeatureCounts(binner)
            counts.update_many({name: _column(later, name) for name in names}, len(later))
            for feature, estimates in counts.metrics().items():
                numbers = {name: (estimate.value, estimate.n) for name, estimate in estimates.items()}
                numbers |= dict(
                    _rates([r.get(feature) for r in rows[:first]], [r.get(feature) for r in later])
                )
                numbers["baseline_fit"] = _fit(watched(profile)[feature])
                for metric, number in numbers.items():
                    found[model, version, (), (start_us, start_us + window_us), metric, feature, None] = (
                        number
                    )
    return found


def feature_differences(records: Iterable[Mapping[str, Any]], expected: Mapping[Key, Number]) -> list[str]:
    """How the final records of features differ from `expected`; of each key the last revision counts."""
    latest: dict[Key, Mapping[str, Any]] = {}
    lengths = {end_us - start_us for _, _, _, (start_us, end_us), *_ in expected}
    for record in records:
        key = key_of(record)
        newer = key not in latest or latest[key]["revision"] < record["revision"]
        watched_here = record["feature"] not in (None, LABEL)  # labels' distances: test_label_drift.py
        if newer and watched_here and key[3][1] - key[3][0] in lengths:
            latest[key] = record
    wrong = [f"{key}: {latest.get(key)}" for key in expected.keys() ^ latest.keys()]
    for key in expected.keys() & latest.keys():
        value, n = expected[key]
        told = latest[key]["value"]
        if not agrees(key[4], told, value, n) or latest[key]["n"] != n:
            wrong.append(f"{key}: {told} of {latest[key]['n']}; it is {value} of {n}")
    return wrong


def _rates(reference: Sequence[Any], values: Sequence[Any]) -> Iterator[tuple[str, Number]]:
    known = [value for value in reference if value is not None]
    present = [value for value in values if value is not None]
    yield "missing_rate", (1 - len(present) / len(values), len(values))
    yield "wrong_type_rate", (0.0, len(present)) if present else (None, 0)
    if present and isinstance(present[0], str):
        yield "unseen_category_rate", (sum(v not in known for v in present) / len(present), len(present))
    elif present:
        outside = sum(not min(known) <= v <= max(known) for v in present)
        yield "out_of_range_rate", (outside / len(present), len(present))


def _fit(profile: FeatureProfile) -> Number:
    return float(profile.stationary and len(profile.counts) > 1), profile.n


def _flat(event: Row) -> Row:
    score = {} if "score" not in event else {"score": event["score"]}
    answer = None if event.get("error") else event["prediction"]
    return {"prediction": answer, **score, **event["features"]}


def _column(rows: Sequence[Row], name: str) -> Column:
    values = [row.get(name) for row in rows]
    if any(isinstance(value, str) for value in values):
        return Categories.of(values)
    return np.array(values, np.float64)
