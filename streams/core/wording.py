"""What explains an alert, in the words of its summary."""

from collections.abc import Iterator

from streamgauge.streams.core.attribution import Attribution, Coincidence, Shift

_MINUTE_US = 60_000_000
#: So many of each are said.
_MOST = 2


def where(attribution: Attribution, feature: str | None) -> str:
    """The bin that gained most, or else lost, in brackets; empty where none is known.

    >>> from streamgauge.streams.core.attribution import Bin
    >>> where(Attribution({"age": (Bin("35 to 49", 0.2, 0.412),)}), "age")
    ' (35 to 49: 20 % → 41 %)'
    """
    bins = attribution.bins.get(feature or "", ())
    told = next((each for each in bins if each.value > each.baseline), next(iter(bins), None))
    if told is None or told.bin == "all":
        return ""
    return f" ({told.bin}: {told.baseline:.0%} → {told.value:.0%})".replace("%", " %")


def in_words(attribution: Attribution, since_us: int) -> Iterator[str]:
    """Segments, the prediction, and what changed at the same time."""
    if attribution.carried_by:
        segments = [
            " and ".join(f"{key}={value}" for key, value in each.segment)
            for each in attribution.carried_by[:_MOST]
        ]
        yield "carried by " + ", ".join(segments)
    elif attribution.carried_by is not None:
        yield "alike in all segments"
    if attribution.prediction is not None:
        yield _shift(attribution.prediction)
    for each in attribution.coincidences[:_MOST]:
        yield _coincidence(each, since_us)


def _shift(shift: Shift) -> str:
    if not shift.moved:
        return "the prediction did not move"
    if shift.feature == "score":
        return f"the score moved with it, {shift.direction}"
    name, _, direction = (shift.direction or "").rpartition(" ")
    what = f"rate of {name}" if name else "prediction"
    return f"the {what} moved with it, {direction}"


def _coincidence(each: Coincidence, since_us: int) -> str:
    match each.kind:
        case "version_started" | "version_stopped":
            what = f"version {each.name} {each.kind.removeprefix('version_')}"
            time_us = since_us if each.time_us is None else each.time_us
            minutes = round((since_us - time_us) / _MINUTE_US)
            if minutes == 0:
                return f"as {what}"
            return f"{minutes} min after {what}" if minutes > 0 else f"{-minutes} min before {what}"
        case "traffic":
            return f"traffic {(each.value or 0) / (each.baseline or 1):.2g} times what it was"
        case "missing":
            return f"{each.name} missing in {each.value:.0%}, was {each.baseline:.0%}".replace("%", " %")
        case "wrong_type":
            return f"{each.name} of another type"
        case "appeared":
            return f"{each.name} new"
