"""The page that explains the numbers: examples run, every metric is there, pictures are drawn anew."""

import doctest
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.pictures import FOLDER, PICTURES
from streamgauge.schemas.monitor_names import METRICS

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"


def test_the_examples_print_what_they_say() -> None:
    text = PAGE.read_text()
    examples = "\n".join(re.findall(r"(?ms)^```pycon\n(.*?)^```$", text))
    test = doctest.DocTestParser().get_doctest(examples, {}, PAGE.name, str(PAGE), 0)
    assert len(test.examples) > 20
    assert doctest.DocTestRunner().run(test).failed == 0


def test_every_metric_has_a_row_and_every_row_a_metric() -> None:
    explained, _, simulated = PAGE.read_text().partition("\n## How often the intervals are right\n")
    cells = re.findall(r"(?m)^\| (`\w+`(?:, `\w+`)*) \|", explained)
    rows = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert set(rows) == METRICS
    assert len(rows) == len(set(rows))
    assert set(re.findall(r"(?m)^\| `(\w+)` \|", simulated)) <= METRICS


@pytest.mark.parametrize("name", PICTURES)
def test_the_pictures_are_those_of_the_command(name: str) -> None:
    drawn = PICTURES[name]().svg()
    ElementTree.fromstring(drawn)
    assert (FOLDER / name).read_text() == drawn, "python -m benchmarks.pictures draws them"
    assert f"](pictures/{name})" in PAGE.read_text()


def test_no_picture_is_left_over() -> None:
    elsewhere = set(re.findall(r"\(pictures/([\w-]+\.svg)\)", (PAGE.parent / "detection.md").read_text()))
    assert {path.name for path in FOLDER.iterdir()} == {*PICTURES, *elsewhere}
