"""What a definition says of fairness: protected attributes, and which gaps between groups are tolerated."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from streamgauge.schemas.monitor_fields import Count, Share

Gap = Literal["demographic_parity_difference", "demographic_parity_ratio", "equal_opportunity_difference",
              "equalized_odds_difference", "false_positive_rate_difference",
              "predictive_parity_difference"]  # fmt: skip
#: What may be tolerated, each with the rates in which groups may differ by it.
GAPS: Mapping[Gap, tuple[str, ...]] = {
    "demographic_parity_difference": ("selection_rate",),
    "demographic_parity_ratio": ("selection_rate",),
    "equal_opportunity_difference": ("true_positive_rate",),
    "equalized_odds_difference": ("true_positive_rate", "false_positive_rate"),
    "false_positive_rate_difference": ("false_positive_rate",),
    "predictive_parity_difference": ("precision",),
}
#: The rate that is known without labels.
SELECTION_RATE = "selection_rate"
#: The least of the smallest rate over the greatest is tolerated; of the others, the most between the two.
RATIO = "demographic_parity_ratio"
#: Attributes whose combinations are judged: four have 11, ten would have 1,013.
MAX_INTERSECTED = 4


def _by_default() -> dict[Gap, float]:
    return {"demographic_parity_difference": 0.1}


class Fairness(BaseModel):
    """Protected attributes, by their keys in `groups`; tolerances by the metric's name: the largest
    difference, or the smallest ratio.

    With `intersections`, every combination of two and more attributes is an attribute too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    groups: tuple[str, ...] | None = None
    intersections: bool = False
    min_n: Count = 100
    tolerance: dict[Gap, Share] = Field(default_factory=_by_default)

    @field_validator("intersections")
    @classmethod
    def _are_few(cls, intersections: bool, info: ValidationInfo) -> bool:
        if intersections and len(info.data.get("groups") or ()) > MAX_INTERSECTED:
            raise ValueError(
                f"of at most {MAX_INTERSECTED} groups; name those, or send combinations as groups"
            )
        return intersections
