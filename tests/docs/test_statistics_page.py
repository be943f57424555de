"""The page that explains the numbers: examples run, every metric is there, pictures are drawn anew."""

import doctest
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.pictures import FOLDER, PICTURES
from streamgauge.schemas.monitor_comparison import COMPARABLE
from streamgauge.schemas.monitor_names import METRICS
from streamgauge.streams.core.findings import Contributor, Finding
from streamgauge.streams.core.grouping import METRIC as OF_ASPECTS

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"


def test_the_examples_print_what_they_say() -> None:
    text = PAGE.read_text()
    examples = "\n".join(re.findall(r"(?ms)^```pycon\n(.*?)^```$", text))
    test = doctest.DocTestParser().get_doctest(examples, {}, PAGE.name, str(PAGE), 0)
    assert len(test.examples) > 20
    assert doctest.DocTestRunner().run(test).failed == 0


def test_every_metric_has_a_row_and_every_row_a_metric() -> None:
    explained, _, rest = PAGE.read_text().partition("\n## The numbers of an alert\n")
    _, _, simulated = rest.partition("\n## How often the intervals are right\n")
    cells = re.findall(r"(?m)^\| (`\w+`(?:, `\w+`)*) \|", explained)
    rows = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert set(rows) == METRICS
    assert len(rows) == len(set(rows))
    assert set(re.findall(r"(?m)^\| `(\w+)` \|", simulated)) <= METRICS


#: Of a finding what is no number.
_NAMES = {
    "monitor",
    "metric",
    "severity",
    "contributors",
    "segment",
    "compared_with",
    "offsets",
    "holds_back",
}


def test_the_numbers_of_an_alert_are_explained_and_so_are_metrics_that_only_alerts_have() -> None:
    _, _, rest = PAGE.read_text().partition("\n## The numbers of an alert\n")
    told, _, _ = rest.partition("\n## How often the intervals are right\n")
    named = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"(?m)^\| ([^|]+) \|", told))))
    assert {name.removesuffix("_us") for name in set(Finding.__slots__) - _NAMES} <= named
    assert set(Contributor.__slots__) - {"feature", "group"} <= named
    assert {*OF_ASPECTS.values(), *COMPARABLE, "latency_over_objective", "sample_ratio"} - METRICS <= named


@pytest.mark.parametrize("name", PICTURES)
def test_the_pictures_are_those_of_the_command(name: str) -> None:
    drawn = PICTURES[name]().svg()
    ElementTree.fromstring(drawn)
    assert (FOLDER / name).read_text() == drawn, "python -m benchmarks.pictures draws them"
    assert f"](pictures/{name})" in PAGE.read_text()


def test_no_picture_is_left_over() -> None:
    pages = "\n".join((PAGE.parent / name).read_text() for name in ("detection.md", "comparison.md"))
    elsewhere = set(re.findall(r"\(pictures/([\w-]+\.svg)\)", pages))
    assert {path.name for path in FOLDER.iterdir()} == {*PICTURES, *elsewhere}
