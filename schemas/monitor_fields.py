"""What the documents of monitor definitions are made of: durations, counts, shares."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from streamgauge.schemas.durations import format_duration, parse_duration

Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    Field(gt=0),
    WithJsonSchema(
        {"type": ["string", "number"], "description": "30s, 5m, 1h30m or 7d; a bare number is seconds"}
    ),
]
#: JSON knows integers of any length; what is computed with them does not.
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Share = Annotated[float, Field(gt=0, lt=1)]
#: Hours of the day, as ``22:00-06:00``; from and to the same minute is the whole day.
Hours = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")]
Task = Literal["binary", "multiclass", "regression", "ranking"]
Severity = Literal["info", "warning", "critical"]


def check_room(least: float | None, most: float | None) -> None:
    """Raises `ValueError` where no number is between the two."""
    if least is not None and most is not None and least > most:
        raise ValueError(f"min {least:g} is above max {most:g}: no value is within")
