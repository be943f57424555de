"""Hostile bytes, a few of each target here and as many as you like with `make fuzz`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.streams.definitions import check
from tests.fuzz.codecs import CODECS
from tests.fuzz.growth import DATA, DEFINITIONS, cost
from tests.fuzz.neighbours import Neighbours
from tests.fuzz.run import TARGETS, fuzz

SMALL = 1 << 13


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_messages_are_taken_or_refused_and_their_neighbours_apply(name: str) -> None:
    assert fuzz(name, 512 if name == "core" else 300, seed=2).inputs > 0


@pytest.mark.parametrize("name", CODECS)
@given(st.binary(max_size=300))
def test_bytes_that_never_were_a_message_are_refused(name: str, sent: bytes) -> None:
    CODECS[name].run(sent)


@pytest.mark.slow
def test_what_is_kept_after_poison_comes_back() -> None:
    neighbours, corpus = Neighbours(), Neighbours().target().corpus
    for number in range(512):  # then they are written, read and compared
        neighbours.run(corpus[number % len(corpus)])


@pytest.mark.parametrize("family", [*DATA, *DEFINITIONS])
def test_a_message_takes_memory_in_proportion_to_its_bytes(family: str) -> None:
    cost(family, SMALL)  # what is loaded once
    little, much = (cost(family, size, traced=True) for size in (SMALL, 4 * SMALL))
    assert much.peak_bytes < 6 * little.peak_bytes + 500_000
    assert much.peak_bytes < 200 * much.bytes + 8_000_000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model: a\nx: " + "[" * 100_000, "m.yaml:2: not YAML: nested more than 32 deep"),
        ("model: a\n" + "".join(" " * i + "a:\n" for i in range(100)), "m.yaml:34: not YAML: nested more"),
        ("&a {model: x, y: *a}", "m.yaml:1: not YAML: *a stands within what it names"),
        ("model: x\nwindow: &a [*a]", "m.yaml:2: not YAML: *a stands within what it names"),
        (
            "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40)),
            "not YAML: a document of more than 100,000 values, aliases counted in full",
        ),
        (
            "a0: &a0 {x: 1}\n"
            + "".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, 40)),
            "not YAML: a document of more than 100,000 values, aliases counted in full",
        ),
        ("model: a\nwindow: " + "9" * 5_000, "m.yaml:2: not YAML: a number of 5,000 characters"),
        (
            "model: a\nwindow: 1" + ":59" * 90_000,
            "not YAML: a number of 270,001 characters",
        ),
        (
            "model: a\nwindow: 1" + ":59" * 90_000 + ".5",
            "not YAML: a number of 270,003 characters",
        ),
        ("model: a\nwindow: !!timestamp later", "m.yaml:1: not YAML: a tag that does not fit its value"),
        ("model: a\nwindow: !!int later", "m.yaml:1: not YAML: a tag that does not fit its value"),
        ("model: a\nwindow: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("model: a\n" + "".join(f"f{i}: 1\n" for i in range(300)), "200 more problems of this document are"),
    ],
)
def test_yaml_that_would_take_the_stack_or_the_memory_is_refused_with_its_line(text: str, says: str) -> None:
    problems = list(map(str, check("m.yaml", text).problems))
    assert any(says in problem for problem in problems), problems[:3]


def test_a_merged_field_may_be_overridden_and_a_repeated_one_may_not() -> None:
    merged = "model: a\nfeatures: {x: &x {min: 1, max: 2}, y: {<<: *x, max: 3}}"
    [definition] = check("m.yaml", merged).definitions
    assert (definition.features["y"].min, definition.features["y"].max) == (1, 3)
    [problem] = check("m.yaml", "model: a\nwindow: 1m\nwindow: 2m").problems
    assert problem.message == "given twice"


def test_a_problem_quotes_little_of_what_was_given() -> None:
    for literal in ("x" * 5_000, "1" * 300):
        [problem] = check("m.yaml", f"model: a\ncooldown: {literal}").problems
        assert len(problem.message) < 2_500
