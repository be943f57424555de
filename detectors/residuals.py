"""Residuals of labelled reference predictions: how well an expected outcome is known."""

from streamgauge.detectors.dependence import design_effect, halves_agree
from streamgauge.schemas.batch import Bools, Floats
from streamgauge.schemas.estimator import ResidualProfile

_UNSURE = 0.1


def sureness(expected: Floats) -> Floats:
    """How much an outcome tells, by its expected probability: from 1 where it is certain to .29 at one half.

    One over its variance plus .1 (the weights of a score test, bounded: no probability is known exactly).

    >>> import numpy as np
    >>> sureness(np.array([0.5, 0.9, 1.0])).round(2).tolist()
    [0.29, 0.53, 1.0]
    """
    weights: Floats = _UNSURE / (expected * (1 - expected) + _UNSURE)
    return weights


def residual_profile(good: Bools, expected: Floats) -> ResidualProfile:
    """Of outcomes bool (n,) in order, n > 0, whose probabilities were learned from other rows.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> profile = residual_profile(rng.random(5_000) < 0.9, np.full(5_000, 0.9))
    >>> round(profile.sd, 2), round(profile.sure_sd, 2)
    (0.3, 0.16)
    """
    residual = good - expected
    both = residual, residual * sureness(expected)
    effect = max(design_effect(each) for each in both)
    stationary = all(halves_agree(each, effect) for each in both)
    (mean, sd), (sure_mean, sure_sd) = ((float(each.mean()), float(each.std())) for each in both)
    return ResidualProfile(len(good), mean, sd, sure_mean, sure_sd, effect, stationary)
