"""What a definition says of its metrics: those that it adds, and how far down rankings are judged."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationInfo, field_validator

from streamgauge.schemas.monitor_names import NewMetricName


class CustomMetric(BaseModel):
    """The import path of a metric's class, and what its constructor is given.

    >>> CustomMetric(metric="river.metrics.FBeta", params={"beta": 2}).params
    {'beta': 2}
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$", max_length=256)]
    params: dict[str, JsonValue] = {}


class Ranking(BaseModel):
    """`k`: where NDCG and hit rates are cut; `depth`: how many items of a list are kept for its label.

    The reciprocal rank looks as deep as `depth`, and `concept_drift` watches NDCG at the first `k`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    depth: Annotated[int, Field(ge=1, le=1_000)] = 100
    k: Annotated[tuple[Annotated[int, Field(ge=1, le=1_000)], ...], Field(min_length=1, max_length=5)] = (10,)

    @field_validator("k")
    @classmethod
    def _is_within_the_depth(cls, k: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        if len(set(k)) < len(k):
            raise ValueError("a k is given twice")
        if max(k) > info.data.get("depth", 1_000):
            raise ValueError(f"{max(k)} is beyond `depth`, the items that are kept of a list")
        return k


def _need_a_task(metrics: dict[str, CustomMetric], info: ValidationInfo) -> dict[str, CustomMetric]:
    if metrics and info.data.get("task") is None:
        raise ValueError("metrics of your own need `task`: classes and numbers are measured differently")
    return metrics


#: A field of this type comes after `task`.
OwnMetrics = Annotated[dict[NewMetricName, CustomMetric], Field(max_length=50), AfterValidator(_need_a_task)]
