"""Metrics that a definition adds: classes of River's interface, by their import path."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationInfo

from streamgauge.schemas.monitor_names import NewMetricName


class CustomMetric(BaseModel):
    """The import path of a metric's class, and what its constructor is given.

    >>> CustomMetric(metric="river.metrics.FBeta", params={"beta": 2}).params
    {'beta': 2}
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$", max_length=256)]
    params: dict[str, JsonValue] = {}


def _need_a_task(metrics: dict[str, CustomMetric], info: ValidationInfo) -> dict[str, CustomMetric]:
    if metrics and info.data.get("task") is None:
        raise ValueError("metrics of your own need `task`: classes and numbers are measured differently")
    return metrics


#: A field of this type comes after `task`.
OwnMetrics = Annotated[dict[NewMetricName, CustomMetric], Field(max_length=50), AfterValidator(_need_a_task)]
