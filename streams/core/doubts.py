"""What seems to be wrong with a model's definition, judged by what came."""

from streamgauge.schemas.durations import SECOND_US, format_duration
from streamgauge.streams.core.model import ModelState

#: Fewer predictions a window than this say little; of so many windows is judged.
_FEW, _WINDOWS = 30, 20
#: What a window should hold, and the lengths that are proposed.
_ENOUGH, _LENGTHS = 100, tuple(count * 60 * SECOND_US for count in (15, 60, 360, 1_440))


def doubts_of(model: ModelState) -> tuple[str, ...]:
    """In words, with the figures and what to change; nothing where all seems well."""
    return tuple(doubt for doubt in (_positive_class(model), _thin_windows(model)) if doubt is not None)


def _positive_class(model: ModelState) -> str | None:
    """One that is none makes precision, recall and the rates of groups undefined, or 0."""
    names = model.intake.names
    others = [value for value in names.classes.values if value != names.pos_label]
    if names.task != "binary" or names.pos_label is None or len(others) < 2:
        return None
    there = ", ".join(sorted(others)[:10])
    return f"it is binary, and its classes are {there}, beside the pos_label {names.pos_label}: is that one?"


def _thin_windows(model: ModelState) -> str | None:
    """Every window has its records, however little came: they cost the more, and say the less."""
    window_us, latest = model.definition.window, model.intake.latest
    if latest is None:
        return None
    version = model.intake.versions[latest]
    span_us = version.last_served_us - version.first_served_us
    in_each = version.served_rows * window_us / max(span_us, 1)
    if span_us < _WINDOWS * window_us or in_each >= _FEW:
        return None
    longer = [each for each in _LENGTHS if each > window_us]
    if not longer:
        return None
    enough = next((each for each in longer if in_each * each >= _ENOUGH * window_us), longer[-1])
    length, longer_one = format_duration(window_us), format_duration(enough)
    return (
        f"a window of {length} holds {in_each:.1f} predictions on average, too few to say much, and has as "
        f"many records as a full one: window: {longer_one} would hold {in_each * enough / window_us:.0f}"
    )
