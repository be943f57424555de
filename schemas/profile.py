"""`BaselineProfile`: what "normal" is for one model. Bins, counts and rates of reference rows, and no rows.

Its JSON form is what `streamgauge baseline` writes and control events carry; `profile_id` is the hash of it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from streamgauge.schemas.estimator import Estimator, estimator_of
from streamgauge.schemas.profile_rates import PairProfile, are_effects, finite, require, whole
from streamgauge.schemas.profile_rates import RateProfile as RateProfile

#: Version of the JSON form.
SCHEMA = 1
#: Bins of a number at most, and how many of the most common categories have a design effect.
MAX_BINS, MAX_COMMON = 100, 10
MAX_PAIRS = 1_000

_Numbers = tuple[float, ...]
_NEVER = RateProfile(0, 0)


@dataclass(frozen=True, slots=True)
class NumericProfile:
    """A number's reference: B bins by its own quantiles, with the counts that really fell into them.

    Bin b holds edges[b−1] < x ≤ edges[b]; the first and last are open. `centres` are the means of the bins,
    `low` and `high` the range outside of which a value counts as out of range (the declared one, or what the
    reference covered), `design_effects` those of location and spread. `repeats`: of the values that
    followed one of the bin whose values repeat most, how many were the same again.
    """

    n: int
    edges: _Numbers
    counts: tuple[int, ...]
    centres: _Numbers
    mean: float
    sd: float
    low: float
    high: float
    design_effects: tuple[float, float] = (1.0, 1.0)
    stationary: bool = True
    missing: RateProfile = _NEVER
    out_of_range: RateProfile = _NEVER
    repeats: RateProfile = _NEVER
    kind: Literal["numeric"] = "numeric"

    def __post_init__(self) -> None:
        bins = len(self.counts)
        require(whole((self.n, *self.counts), at_least=1), "every bin holds something")
        require(sum(self.counts) == self.n, "the counts of the bins add up to n")
        require(bins <= MAX_BINS, f"a number has {MAX_BINS} bins at most")
        require(len(self.edges) + 1 == bins == len(self.centres), "B bins have B − 1 edges and B centres")
        require(finite((*self.edges, *self.centres, self.mean, self.low, self.high)), "numbers are finite")
        require(finite((self.sd,), at_least=0), "a standard deviation is at least 0")
        require(all(a < b for a, b in pairwise(self.edges)), "the edges of a profile rise")
        effects = len(self.design_effects) == 2 and are_effects(self.design_effects)
        require(effects, "a number has two design effects, at least 1")
        require(type(self.stationary) is bool, "stationary is true or false")


@dataclass(frozen=True, slots=True)
class CategoricalProfile:
    """A category's reference. `categories` are by falling count, `counts` theirs, ties by name.

    `design_effects` are those of the first categories. `novelty` holds, for splits of the reference after
    20, 50 and 80 %, how many later rows have a category that the earlier part lacks: it bounds the unseen.
    `complete` is False if there were more categories than a profile holds; then "unseen" means nothing.
    `repeats` are of the category that repeats most.
    """

    n: int
    categories: tuple[str, ...]
    counts: tuple[int, ...]
    design_effects: _Numbers = ()
    novelty: tuple[RateProfile, ...] = ()
    complete: bool = True
    stationary: bool = True
    missing: RateProfile = _NEVER
    repeats: RateProfile = _NEVER
    kind: Literal["categorical"] = "categorical"

    def __post_init__(self) -> None:
        require(all(isinstance(name, str) for name in self.categories), "categories are strings")
        require(len(set(self.categories)) == len(self.counts), "each category has one count")
        require(whole((self.n, *self.counts), at_least=1), "every category was seen")
        require(0 < sum(self.counts) <= self.n, "the counts add up to n at most")
        effects = len(self.design_effects) <= min(len(self.counts), MAX_COMMON)
        require(effects, f"at most {MAX_COMMON} categories have design effects")
        require(are_effects(self.design_effects), "design effects of categories are at least 1")
        require(len(self.novelty) <= MAX_COMMON, "novelty is of a few splits")
        require(type(self.stationary) is type(self.complete) is bool, "flags are true or false")


FeatureProfile = NumericProfile | CategoricalProfile


@dataclass(frozen=True, slots=True, eq=False)
class BaselineProfile:
    """The reference of one model; `rows` is how many events it was built from.

    `errors` is the rate of wrong predictions of a classifier, or the distribution of a regression's absolute
    errors, and `estimator` what they say of predictions whose label is not known. What was not known when it
    was built is None. `pairs` are of its features.
    """

    rows: int
    features: Mapping[str, FeatureProfile] = field(default_factory=dict)
    prediction: FeatureProfile | None = None
    score: NumericProfile | None = None
    errors: RateProfile | NumericProfile | None = None
    estimator: Estimator | None = None
    pairs: tuple[PairProfile, ...] = ()

    def __post_init__(self) -> None:
        known = all(each.first in self.features and each.second in self.features for each in self.pairs)
        require(known and len(self.pairs) <= MAX_PAIRS, f"at most {MAX_PAIRS} pairs of known features")

    def to_json(self) -> dict[str, Any]:
        """The JSON form: plain dicts, lists, numbers and strings.

        >>> BaselineProfile(0).to_json()["schema"]
        1
        """
        return {
            "schema": SCHEMA,
            "rows": self.rows,
            "features": {name: _plain(profile) for name, profile in sorted(self.features.items())},
            "prediction": _plain(self.prediction),
            "score": _plain(self.score),
            "errors": _plain(self.errors),
            "estimator": _plain(self.estimator),
            "pairs": _plain(self.pairs),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "BaselineProfile":
        """What `to_json` gave. Raises ValueError for anything else.

        >>> BaselineProfile.from_json(BaselineProfile(7).to_json()).rows
        7
        """
        if document.get("schema") != SCHEMA:
            raise ValueError(
                f"baseline profile schema {document.get('schema')!r}; this version reads {SCHEMA}"
            )
        try:
            score = _feature(document["score"])
            if isinstance(score, CategoricalProfile):
                raise ValueError("a score is a number")
            rows = document["rows"]
            require(whole((rows,)), "rows is a count")
            return cls(
                rows=rows,
                features={name: _known(value) for name, value in document["features"].items()},
                prediction=_feature(document["prediction"]),
                score=score,
                errors=errors_of(document["errors"]),
                estimator=estimator_of(document.get("estimator")),
                pairs=tuple(map(_pair, document.get("pairs", ()))),
            )
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"not a baseline profile: {error!r}") from error

    @property
    def profile_id(self) -> str:
        """``sha256:`` and the hash of the canonical JSON; every finding names it."""
        canonical = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _rate(document: Mapping[str, Any]) -> RateProfile:
    return RateProfile(**{name: _number(name, value) for name, value in document.items()})


#: JSON does not tell 1 from 1.0; here they differ, for the hash too.
_FLOATS = ("edges", "centres", "mean", "sd", "low", "high", "design_effect", "design_effects")


def _number(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_number(name, item) for item in value)
    return float(value) if name in _FLOATS and type(value) is int else value


def _known(document: Mapping[str, Any]) -> FeatureProfile:
    fields: dict[str, Any] = {name: _number(name, value) for name, value in document.items()}
    fields |= {name: _rate(document[name]) for name in ("missing", "repeats") if name in document}
    if document["kind"] == "numeric":
        return NumericProfile(**(fields | {"out_of_range": _rate(document["out_of_range"])}))
    if document["kind"] == "categorical":
        return CategoricalProfile(**(fields | {"novelty": tuple(map(_rate, document["novelty"]))}))
    raise ValueError(f"a profile is numeric or categorical, not {document['kind']!r}")


def _feature(document: Mapping[str, Any] | None) -> FeatureProfile | None:
    return None if document is None else _known(document)


def _pair(document: Mapping[str, Any]) -> PairProfile:
    return PairProfile(**{**document, "upper": tuple(document["upper"]), "agree": _rate(document["agree"])})


def errors_of(document: Mapping[str, Any] | None) -> RateProfile | NumericProfile | None:
    """A reference of errors from its plain form. Raises KeyError, TypeError or ValueError."""
    if document is None:
        return None
    if "kind" not in document:
        rate = _rate(document)
        require(rate.n > 0, "a rate of errors is of some predictions")
        return rate
    profile = _known(document)
    if isinstance(profile, CategoricalProfile):
        raise ValueError("errors are a rate or numbers")
    return profile
