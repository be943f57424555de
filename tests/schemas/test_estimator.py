"""What estimates performance travels as JSON, and what is none is refused."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from streamgauge.detectors.calibration import learn_calibration
from streamgauge.detectors.dle import learn_error_model
from streamgauge.schemas.estimator import CalibrationProfile, Estimator, estimator_of
from streamgauge.schemas.profile import BaselineProfile

RNG = np.random.default_rng(1)
CELLS = RNG.integers(0, 511, 400)
CALIBRATION = learn_calibration(CELLS, CELLS > 255, RNG.random(400) * 511 < CELLS**2 / 400)
RESIDUALS = asdict(CALIBRATION.residuals)
ERROR_MODEL = learn_error_model(RNG.normal(size=400), RNG.exponential(size=400), (-1.0, 0.0, 1.0))


@pytest.mark.parametrize("estimator", [CALIBRATION, ERROR_MODEL, None])
def test_an_estimator_comes_back_from_json_and_is_part_of_the_hash(estimator: Estimator | None) -> None:
    profile = BaselineProfile(400, estimator=estimator)
    back = BaselineProfile.from_json(json.loads(json.dumps(profile.to_json())))
    assert back.estimator == estimator
    assert back.profile_id == profile.profile_id
    assert (profile.profile_id == BaselineProfile(400).profile_id) == (estimator is None)


def test_a_profile_without_the_field_has_no_estimator() -> None:
    document = BaselineProfile(400).to_json()
    del document["estimator"]
    assert BaselineProfile.from_json(document).estimator is None


def changed(estimator: Estimator, **fields: Any) -> dict[str, Any]:
    return {**asdict(estimator), **fields}


@pytest.mark.parametrize(
    "document",
    [
        changed(CALIBRATION, kind="oracle"),
        changed(CALIBRATION, scores=[0.5]),
        changed(CALIBRATION, scores=[0.1, 0.9], probabilities=[0.9, 0.1]),
        changed(CALIBRATION, scores=[0.9, 0.1], probabilities=[0.1, 0.9]),
        changed(CALIBRATION, scores=[0.1], probabilities=[1.5]),
        changed(CALIBRATION, raw_error=float("nan")),
        changed(CALIBRATION, residuals={**RESIDUALS, "n": 0}),
        changed(CALIBRATION, residuals={**RESIDUALS, "sd": -0.1}),
        changed(CALIBRATION, residuals={**RESIDUALS, "sure_mean": 2.0}),
        changed(CALIBRATION, residuals={**RESIDUALS, "design_effect": 0.5}),
        changed(CALIBRATION, residuals={"n": 5, "mean": 0.0, "sd": 0.1}),
        changed(CALIBRATION, extra=1),
        changed(ERROR_MODEL, edges=[0.0]),
        changed(ERROR_MODEL, edges=[1.0, 0.0, -1.0]),
        changed(ERROR_MODEL, means=[-1.0, 0.0, 0.0, 0.0]),
        changed(ERROR_MODEL, shares=[0.5, 0.5, 0.5, 2.0]),
        changed(ERROR_MODEL, counts=[1, 2, 3, -4]),
        {"kind": "calibration"},
    ],
)
def test_what_is_no_estimator_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"estimator|profile"):
        BaselineProfile.from_json({**BaselineProfile(5).to_json(), "estimator": document})


def test_the_map_of_a_calibration_rises() -> None:
    assert isinstance(CALIBRATION, CalibrationProfile)
    assert len(CALIBRATION.scores) > 2
    assert estimator_of(asdict(CALIBRATION)) == CALIBRATION
