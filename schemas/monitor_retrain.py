"""What a definition says of retraining: when to ask for a new model, and what forbids it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from streamgauge.schemas.monitor_fields import Count, Duration, Hours


class WorthwhileGain(BaseModel):
    """A model as good as the baseline would avoid so many `errors` `within` a time: that is worth a request.

    Of a regression `errors` is the sum of absolute errors.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    errors: Annotated[float, Field(gt=0)]
    within: Duration = 7 * 86_400_000_000


class Retrain(BaseModel):
    """When to ask for a new model: alerts of the monitors `on` do, those of `blocked_by` forbid it.

    `every` so long, at so many `fresh_labels` since the latest request, and for a `gain` that is worth it, it
    asks without an alert.
    `blackout` are hours of the day, UTC, in which it does not ask.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    on: tuple[str, ...] = ("concept_drift", "accuracy")
    every: Duration | None = None
    fresh_labels: Count | None = None
    gain: WorthwhileGain | None = None
    min_labels: Annotated[int, Field(ge=0, le=1_000_000_000)] = 1_000
    min_coverage: Annotated[float, Field(ge=0, le=1)] = 0.0
    blocked_by: tuple[str, ...] = ("data_quality", "missing_labels")
    blackout: Annotated[tuple[Hours, ...], Field(max_length=10)] = ()
    cooldown: Duration = 6 * 3_600_000_000
    expiry: Duration = 86_400_000_000
    max_attempts: Count = 3
    dry_run: bool = False
