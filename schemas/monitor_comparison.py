"""What a definition says of two versions that share the traffic: a champion, and its challenger."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from streamgauge.schemas.monitor_fields import Share
from streamgauge.schemas.monitor_names import AT_K

#: What versions can be compared by, and whether more of it is better (1) or worse (-1).
COMPARABLE: Mapping[str, int] = {
    **dict.fromkeys(
        (
            "accuracy", "balanced_accuracy", "precision", "recall", "f1", "precision_weighted", "f1_weighted",
            "matthews_corrcoef", "cohen_kappa", "roc_auc", "average_precision", "mrr",
        ),
        1,
    ),
    **dict.fromkeys(
        ("zero_one_loss", "brier_score", "mean_absolute_error", "failure_rate", "latency_mean_ms"), -1
    ),
}  # fmt: skip


def better(metric: str) -> int | None:
    """1 where more of a metric is better, -1 where less is; None if versions can't be compared by it.

    >>> better("f1"), better("ndcg_at_10"), better("latency_mean_ms"), better("psi")
    (1, 1, -1, None)
    """
    return 1 if AT_K.fullmatch(metric) else COMPARABLE.get(metric)


def _comparable(name: str) -> str:
    if better(name) is None:
        known = ", ".join((*COMPARABLE, "ndcg_at_<k>", "hit_rate_at_<k>"))
        raise ValueError(f"versions cannot be compared by {name!r}; they can by {known}")
    return name


class Comparison(BaseModel):
    """`challenger` against `champion`, by `metrics`: without any, by the one that the task is about.

    `share`, if given, is the part of the two versions' traffic that the challenger is to get. Each verdict is
    wrong with a chance of at most `alpha`, however often one looks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    champion: str
    challenger: str
    metrics: Annotated[tuple[Annotated[str, AfterValidator(_comparable)], ...], Field(max_length=10)] = ()
    share: Share | None = None
    alpha: Annotated[float, Field(gt=0, le=0.5)] = 0.05

    @model_validator(mode="after")
    def _is_of_two(self) -> "Comparison":
        if self.champion == self.challenger:
            raise ValueError(f"version {self.champion!r} is compared with itself")
        return self


def _once(comparisons: tuple[Comparison, ...]) -> tuple[Comparison, ...]:
    pairs = [frozenset((each.champion, each.challenger)) for each in comparisons]
    twice = next((pair for pair in pairs if pairs.count(pair) > 1), None)
    if twice is not None:
        raise ValueError(
            f"versions {' and '.join(sorted(twice))} are compared twice: name several metrics instead"
        )
    return comparisons


ComparedVersions = Annotated[tuple[Comparison, ...], Field(max_length=10), AfterValidator(_once)]
