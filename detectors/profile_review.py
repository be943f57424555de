"""What a baseline profile is too small, too changeable or too varied for, in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from streamgauge.detectors.dependence import LEAST_DEPENDENT_ROWS, LEAST_EFFECTIVE
from streamgauge.schemas.profile import BaselineProfile, FeatureProfile, NumericProfile, RateProfile

#: Fewer rows than this make tolerances so wide that only gross shifts are seen.
SMALL = 1_000
#: What a version learns by itself has this many at least. Of 50 rows a shift of one deviation is seen, of
#: three none (`streamgauge budget --profile`).
_TINY = 200
_SMALL_ERRORS = 500
_DEPENDENT = 1.5
_MANY_CATEGORIES = 50

Problem = Literal["not_stationary", "too_dependent", "too_small", "constant", "too_many_categories"]


@dataclass(frozen=True, slots=True)
class Remark:
    """`feature` is empty where it is about the profile as a whole."""

    feature: str
    problem: Problem
    text: str


def review(profile: BaselineProfile) -> list[Remark]:
    """Everything that somebody who relies on the profile should know, features in order.

    >>> import numpy as np
    >>> from streamgauge.detectors.baseline import build_profile
    >>> noise = np.random.default_rng(0).normal(size=4000)
    >>> [remark] = review(build_profile({"age": noise + np.repeat([0.0, 0.5], 2000)}))
    >>> remark.feature, remark.problem
    ('age', 'not_stationary')
    """
    found: list[Remark] = []
    if profile.rows < SMALL:
        some = "shifts below half a deviation go" if profile.rows >= _TINY else "all but gross shifts may go"
        found.append(Remark("", "too_small", f"{profile.rows:,} rows: {some} unseen"))
    for name, feature in sorted(profile.features.items()):
        found += _feature(name, feature)
    for name, extra in (("prediction", profile.prediction), ("score", profile.score)):
        if extra is not None and name not in profile.features:
            found += _feature(name, extra)
    if isinstance(profile.errors, RateProfile):
        found += _rate("errors", profile.errors)
    elif profile.errors is not None:
        found += _feature("errors", profile.errors)
    if profile.errors is not None and profile.errors.n < _SMALL_ERRORS:
        text = f"{profile.errors.n:,} labelled rows: only gross changes of the errors will be seen"
        found.append(Remark("errors", "too_small", text))
    return found


def is_fit(profile: FeatureProfile) -> bool:
    """Whether drift from it can be judged: it is one thing, known well enough, and more than one value."""
    return profile.stationary and len(profile.counts) > 1


def _feature(name: str, profile: FeatureProfile) -> Iterator[Remark]:
    effect = max(profile.design_effects, default=1.0)
    if not profile.stationary:
        yield _changing(name, profile.n, effect)
    if isinstance(profile, NumericProfile):
        if len(profile.counts) == 1:
            yield Remark(name, "constant", "one value only: there is nothing to compare, and no drift of it")
        return
    if not profile.complete:
        text = f"more than {len(profile.categories):,} categories: new ones are not noticed"
        yield Remark(name, "too_many_categories", text)
    elif len(profile.categories) > _MANY_CATEGORIES:
        rest = len(profile.categories) - _MANY_CATEGORIES
        text = f"{len(profile.categories):,} categories: distances put the {rest:,} rarest into one bin"
        yield Remark(name, "too_many_categories", text)


def _rate(name: str, rate: RateProfile) -> Iterator[Remark]:
    if not rate.stationary:
        yield _changing(name, rate.n, rate.design_effect)


def _changing(name: str, n: int, effect: float) -> Remark:
    if effect > _DEPENDENT and (n < LEAST_DEPENDENT_ROWS or n / effect < LEAST_EFFECTIVE):
        worth = f"{n:,} rows, of which {effect:.0f} are worth one independent one, are too few"
        return Remark(name, "too_dependent", f"{worth}: not watched for drift")
    return Remark(name, "not_stationary", "it changes within the reference: not watched for drift")
