"""What `replay --what-if` prints: which alerts two monitor files would have given, and when."""

from collections.abc import Iterator
from typing import Any

from streamgauge.cli.watching import segment_text
from streamgauge.streams.episodes import AlertEpisode, Differences

_OPEN = "the end"


def as_json(found: Differences) -> dict[str, Any]:
    """For programs: episodes by where they came; `changed` holds pairs."""
    return {
        "same": found.same,
        "only_a": [episode.as_json() for episode in found.only_a],
        "only_b": [episode.as_json() for episode in found.only_b],
        "changed": [{"a": a.as_json(), "b": b.as_json()} for a, b in found.changed],
    }


def as_table(found: Differences, a: str, b: str) -> Iterator[str]:
    """For people: lines, in the order in which the alerts opened; `a` and `b` name the two files."""
    rows = [(e.opened_at, f"only {a}", _alert(e), _times(e)) for e in found.only_a]
    rows += [(e.opened_at, f"only {b}", _alert(e), _times(e)) for e in found.only_b]
    for one, other in found.changed:
        rows.append((one.opened_at, f"both, {a}", _alert(one), _times(one)))
        rows.append((one.opened_at, f"      {b}", "", _times(other)))
    rows.sort(key=lambda row: row[0])  # stable: the two lines of a pair stay together
    widths = [max((len(row[column]) for row in rows), default=0) for column in (1, 2)]
    for _, where, alert, times in rows:
        yield f"{where:{widths[0]}}  {alert:{widths[1]}}  {times}"
    yield (
        f"alerts: {found.same} the same, {len(found.changed)} at another time or severity, "
        f"{len(found.only_a)} only with {a}, {len(found.only_b)} only with {b}"
    )


def _alert(episode: AlertEpisode) -> str:
    return f"{episode.model} {episode.version} {episode.monitor}{segment_text(episode.segment)}".replace(
        "  ", " "
    )


def _times(episode: AlertEpisode) -> str:
    end = _OPEN if episode.ended_at is None else _short(episode.ended_at)
    return f"{_short(episode.opened_at)} to {end}, {episode.severity}"


def _short(time: str) -> str:
    """To the second: ``2026-11-21 10:00:00``."""
    return time[:19].replace("T", " ")
