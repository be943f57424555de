"""Whatever stands in a file of definitions: it is valid, or every problem has its line and plain words."""

import argparse
import io
import re
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from streamgauge.cli.arguments import agree
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.monitor import Fleet, MonitorDefinition
from streamgauge.streams.definitions import check
from tests.examples import examples

JARGON = ("dictionary", "instance of", "tuple", "parse", "Input", "NoneType", "validation")
scalars = st.none() | st.booleans() | st.integers(-5, 10**12) | st.floats() | st.text(max_size=6)
values = st.recursive(
    scalars | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
FIELDS = sorted({*MonitorDefinition.model_fields, *Fleet.model_fields})
PARTS = (  # noqa: SIM905  (the list would take twenty lines)
    "ttl min_coverage first profile age kind groups tolerance pairs max drift accuracy min severity on "
    "windows metric params false_alarms target"
).split()
deeper = st.dictionaries(
    st.sampled_from(PARTS), st.dictionaries(st.sampled_from(PARTS), values, max_size=2) | values
)
documents = st.dictionaries(st.sampled_from(FIELDS), deeper | values, max_size=5)


@examples(300)
@given(st.lists(documents, min_size=1, max_size=3), st.booleans())
@example([{"models": 2.0**63}], False)
def test_any_documents_are_valid_or_their_problems_have_lines_and_plain_words(
    made: list[dict[str, Any]], flow: bool
) -> None:
    text = yaml.safe_dump_all(made, default_flow_style=flow, allow_unicode=True)
    checked = check("m.yaml", text)
    for problem in checked.problems:
        assert 1 <= problem.line <= lines(text)
        assert problem.message
        assert not any(word in problem.message for word in JARGON), problem.message
    assert checked.problems or checked.definitions or checked.fleet
    for definition in checked.definitions:  # a worker that starts again must be able to read what it wrote
        assert MonitorDefinition.model_validate_json(definition.model_dump_json()) == definition
    if checked.fleet is not None:
        assert Fleet.model_validate_json(checked.fleet.model_dump_json()) == checked.fleet


@examples(200)
@given(st.text(max_size=40) | st.text(alphabet="a:{}[]-,&*!|>'\"#%@` \n\t", max_size=40))
def test_any_text_is_read_or_refused_with_a_line(text: str) -> None:
    for problem in check("m.yaml", text).problems:
        assert 1 <= problem.line <= lines(text) + 1


def lines(text: str) -> int:
    """As PyYAML counts: next line, line separator and paragraph separator end a line too."""
    return len(re.findall("\r\n|[\n\r\x85\u2028\u2029]", text)) + 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("answer", "agreed"), [("y\n", True), ("YES\n", True), ("\n", False), ("no\n", False)]
)
def test_who_sits_at_a_terminal_is_asked(
    answer: str, agreed: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    args = argparse.Namespace(yes=False)
    if agreed:
        agree(args, "send 1 document to the workers")
    else:
        with pytest.raises(ConfigurationError, match="nothing was sent"):
            agree(args, "send 1 document to the workers")
    assert capsys.readouterr().err == "Send 1 document to the workers? [y/N] "
