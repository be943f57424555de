"""What each monitor of a model that runs is said to see within 1,000 events."""

import re

import numpy as np
import pytest

from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS
from streamgauge.streams.core.budget import budget_of
from tests.core.scenario import SECOND_US, START_US, Feed, Run, define

#: A day and two hours, so that traffic has a band.
N, STEP_S = 1_600, 60
FIRST = 500


def sent(n):
    rng = np.random.default_rng(1)
    for number in range(n):
        age, score = rng.normal(), rng.random()
        event = {
            "prediction_id": str(number), "model": "m", "version": "1",
            "time": START_US + number * STEP_S * SECOND_US,
            "prediction": "yes" if score > 0.5 else "no", "score": score,
            "features": {"age": age, "height": age + rng.normal()},
            "groups": {"sex": "f" if rng.random() < 0.5 else "m"},
        }  # fmt: skip
        yield PREDICTIONS, event
        label = "yes" if rng.random() < score else "no"
        yield (
            GROUND_TRUTH,
            {"prediction_id": str(number), "model": "m", "time": event["time"], "label": label},
        )


@pytest.fixture(scope="module")
def seen():
    """(monitor → words) early on, and after a day."""
    feed, run = Feed(), Run()
    model = define("m", task="binary", pos_label="yes", baseline={"first": FIRST})
    run.apply(feed.definitions([model]))
    messages = feed.singles(sent(N))
    found = []
    for part in (messages[:N], messages[N:]):
        for start in range(0, len(part), 256):
            run.apply(part[start : start + 256])
        found.append({m.monitor: m.sees for m in budget_of(run.partition.models["m"]).monitors})
    return found


def test_every_monitor_says_in_words_and_numbers_how_small_a_change_it_sees(seen):
    patterns = {
        "drift": r"a shift of 0\.\d\d sd, a spread × 1\.\d\d",
        "prediction_drift": r"a shift of 0\.\d\d sd, a spread × \d\.\d\d, the commonest category \+ 0\.\d{3}",
        "data_quality": r"a rate \+ 0\.\d{3}",
        "multivariate_drift": r"a pair that agrees ± 0\.\d{3}",
        "concept_drift": r"errors 0\.\d{3} → 0\.\d{3}",
        "label_drift": r"the commonest category \+ 0\.\d{3}",
        "estimate_gap": r"outcomes 0\.\d{3} below what was expected",
        "fairness": r"a gap of 0\.\d\d in selection rate between the two largest groups",
        "traffic": r"a stop in \d+ min, traffic × \d\.\d in [\d,]+ min",
    }
    _, late = seen
    assert set(late) == set(patterns)
    for monitor, pattern in patterns.items():
        assert re.fullmatch(pattern, late[monitor]), (monitor, late[monitor])


def test_who_has_not_seen_enough_says_what_it_waits_for(seen):
    early, _ = seen
    assert early["traffic"] == "depends on its first day: nothing before it is over"
