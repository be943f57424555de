"""What a definition says of fairness: protected attributes, and which gaps between groups are tolerated."""

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from streamgauge.schemas.monitor_fields import Count, Share
from streamgauge.schemas.monitor_names import TolerableGap

#: Attributes whose combinations are judged: four have 11, ten would have 1,013.
MAX_INTERSECTED = 4


class Fairness(BaseModel):
    """Protected attributes, by their keys in `groups`; tolerances by the metric's name.

    With `intersections`, every combination of two and more attributes is an attribute too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    groups: tuple[str, ...] | None = None
    intersections: bool = False
    min_n: Count = 100
    tolerance: dict[TolerableGap, Share] = Field(
        default_factory=lambda: {"demographic_parity_difference": 0.1}
    )

    @field_validator("intersections")
    @classmethod
    def _are_few(cls, intersections: bool, info: ValidationInfo) -> bool:
        if intersections and len(info.data.get("groups") or ()) > MAX_INTERSECTED:
            raise ValueError(
                f"of at most {MAX_INTERSECTED} groups; name those, or send combinations as groups"
            )
        return intersections
