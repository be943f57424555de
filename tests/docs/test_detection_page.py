"""The page of measured detection: its command runs, every table has its place, the figures are kept."""

import re

import pytest

from benchmarks.detection.__main__ import main
from benchmarks.detection.delays import CASES, Case, delays, disparity
from benchmarks.detection.fleets import fleet
from benchmarks.detection.page import DOCS, PAGE, PARTS, in_a_crowd
from benchmarks.detection.streams import ANSWERS, AR9, MOSTLY_ZEROS, Kind


def test_every_place_on_the_page_is_of_a_part_and_has_a_table() -> None:
    text = PAGE.read_text()
    places = re.findall(r"<!-- (\w+) -->", text)
    assert len(places) >= 6
    assert set(places) <= set(PARTS)
    for part in places:
        assert re.search(rf"(?s)<!-- {part} -->\n\| .*?\|\n<!-- /{part} -->", text), part


def test_the_pictures_of_the_page_are_there() -> None:
    named = re.findall(r"\]\((pictures/[\w-]+\.svg)\)", PAGE.read_text())
    assert len(named) == 3
    assert all((DOCS / name).read_text().startswith("<?xml") for name in named)


def test_the_same_numbers_give_the_same_picture() -> None:
    assert in_a_crowd(True).pictures == in_a_crowd(True).pictures


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_the_command_makes_each_part(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([part, "--quick"]) == 0
    assert capsys.readouterr().out.count("|\n") >= 3


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_changes_are_seen_within_their_time(case: Case) -> None:
    found = delays(case)
    for budget, promised in zip(("single", "fleet"), case.promised, strict=True):
        assert found[budget].false == 0
        assert promised is None or found[budget].median <= promised


@pytest.mark.slow
@pytest.mark.parametrize("kind", [ANSWERS, MOSTLY_ZEROS, AR9], ids=lambda kind: kind.name)
def test_a_fleet_without_drift_raises_no_alarm(kind: Kind) -> None:
    for found in fleet(kind, seed=0, references=(500, 2_000)).values():
        assert found.alarmed == 0


@pytest.mark.slow
def test_groups_at_the_tolerance_raise_no_alarm_and_twice_as_far_apart_they_do_within_ten_windows() -> None:
    assert [disparity(4, 0.1, seed) for seed in range(10)] == [None] * 10
    assert max(disparity(2, 0.2, seed, 10_000) or 10_000 for seed in range(10)) <= 10 * 500
