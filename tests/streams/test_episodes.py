"""Alert episodes of two replays, and what differs between them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.streams.episodes import AlertEpisode, EpisodeLog, differences


def episode(
    opened: int, ended: int | None, fingerprint: str = "a", severity: str = "warning"
) -> AlertEpisode:
    return AlertEpisode(fingerprint, "m", "1", "accuracy", {}, severity, at(opened), at(ended))  # type: ignore[arg-type]


def at(minute: int | None) -> str | None:
    return None if minute is None else f"2026-11-21T{minute // 60:02d}:{minute % 60:02d}:00.000000Z"


def record(state: str, minute: int, number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "alert_id": f"9f-{number}", "fingerprint": "9f", "model": "m", "version": "1", "monitor": "accuracy",
        "segment": {}, "severity": "warning", "state": state, "opened_at": at(0), "time": at(minute),
        **changes,
    }  # fmt: skip


@pytest.mark.parametrize("end", ["resolved", "superseded", "expired"])
def test_an_episode_goes_from_opened_to_its_end(end: str) -> None:
    log = EpisodeLog()
    log.add(record("opened", 0))
    log.add(record("updated", 5, severity="critical"))
    assert [(e.severity, e.ended_at) for e in log.episodes()] == [("critical", None)]
    log.add(record(end, 9, severity="critical"))
    log.add(record("opened", 20, number=2, opened_at=at(20)))
    assert [(e.opened_at, e.ended_at) for e in log.episodes()] == [(at(0), at(9)), (at(20), None)]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([], [], (0, 0, 0, 0)),
        ([(0, 10)], [(0, 10)], (1, 0, 0, 0)),
        ([(0, 10)], [(5, 12)], (0, 0, 0, 1)),
        ([(0, 10)], [(11, 12)], (0, 1, 1, 0)),
        ([(0, None)], [(11, 12)], (0, 0, 0, 1)),
        ([(0, 10), (20, 30)], [(20, 30)], (1, 1, 0, 0)),
        ([(0, 30)], [(0, 10), (0, 30)], (1, 0, 1, 0)),
        ([], [(0, None)], (0, 0, 1, 0)),
    ],
)
def test_episodes_that_share_a_moment_are_one_alert(
    a: list[Any], b: list[Any], expected: tuple[int, ...]
) -> None:
    found = differences([episode(*times) for times in a], [episode(*times) for times in b])
    assert (found.same, len(found.only_a), len(found.only_b), len(found.changed)) == expected


def test_another_severity_is_a_change_and_another_fingerprint_another_alert() -> None:
    found = differences([episode(0, 1)], [episode(0, 1, severity="critical"), episode(0, 1, "b")])
    assert (found.same, len(found.only_a), len(found.only_b), len(found.changed)) == (0, 0, 1, 1)


_episodes = st.lists(
    st.tuples(st.integers(0, 500), st.none() | st.integers(0, 60), st.sampled_from("ab")).map(
        lambda drawn: episode(drawn[0], None if drawn[1] is None else drawn[0] + drawn[1], drawn[2])
    ),
    max_size=12,
)


@given(_episodes, _episodes)
def test_every_episode_is_told_once(a: list[AlertEpisode], b: list[AlertEpisode]) -> None:
    found = differences(a, b)
    assert found.same + len(found.only_a) + len(found.changed) == len(a)
    assert found.same + len(found.only_b) + len(found.changed) == len(b)
    same = differences(a, a)
    assert (same.same, same.only_a, same.only_b, same.changed) == (len(a), (), (), ())
