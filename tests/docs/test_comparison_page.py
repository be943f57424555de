"""The page that sets ours beside other tools: its command runs on ours, its tables are of stored figures."""

import importlib.util
import re

import numpy as np
import pytest

from benchmarks.others.__main__ import main
from benchmarks.others.data import BATCH, BEFORE, CHANGES, REFERENCE, Size, write
from benchmarks.others.page import PAGE, PICTURE, picture, read, tables
from benchmarks.others.tools import DRIVERS, TOOLS


@pytest.fixture(scope="module")
def turns():
    """The module that drivers share, which they find beside them, outside every package."""
    spec = importlib.util.spec_from_file_location("turns", DRIVERS / "turns.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_table_and_the_picture_are_those_of_the_stored_figures():
    text, rows = PAGE.read_text(), read()
    places = re.findall(r"<!-- (\w+) -->", text)
    assert places == list(tables(rows))
    for place, table in tables(rows).items():
        assert f"<!-- {place} -->\n{table}\n<!-- /{place} -->" in text, place
    assert f"](pictures/{PICTURE.name})" in text
    assert PICTURE.read_text() == picture(rows)


def test_the_stored_figures_are_of_all_tools_in_their_pinned_versions_and_of_all_changes():
    rows = read()
    measured = {(row.tool, row.version, row.method) for row in rows}
    assert measured == {(tool.name, tool.version, method.name) for tool in TOOLS for method in tool.methods}
    assert rows[0].tool == "Streamgauge"  # its cost is 1
    assert all(list(row.delays) == list(CHANGES) for row in rows)
    assert all((DRIVERS / f"with_{tool.driver}.py").exists() for tool in TOOLS)


@pytest.mark.parametrize("remembers", [False, True])
def test_alarms_are_counted_by_window_and_delays_from_the_change(turns, tmp_path, remembers):
    write(tmp_path, Size(models=1, windows=3, changed=1, after=2))

    def watch(reference):
        assert len(reference) == REFERENCE
        usual = np.nanmean(reference[:, 0])
        return lambda rows: {
            "mean": [turns.ALL] * int(np.nanmean(rows[:, 0]) > usual + 0.4),
            "always": [7],
            "never": [],
        }

    method = turns.Method(watch, lambda rows, start: rows, remembers=remembers)
    sizes = {"models": 1, "windows": 3, "changed": 1, "changes": len(CHANGES), "after": 2, "before": BEFORE}
    found = turns.alarms(method, tmp_path, sizes)
    assert found["calm"] == {"mean": [[]], "always": [[0, 1, 2]], "never": [[]]}
    assert found["delays"]["mean"] == [[None], [BATCH], [BATCH], [BATCH], [None], [None]]
    assert found["delays"]["always"] == [[7]] * len(CHANGES)
    assert found["delays"]["never"] == [[None]] * len(CHANGES)
    cost = turns.cost(method, tmp_path, {"timed": 2, "warm_up": 1})
    assert len(cost["us"]) == 2
    assert min(cost["us"]) > 0


@pytest.mark.slow
def test_the_command_measures_ours_without_installing_anything(capsys):
    assert main(["ours", "--quick"]) == 0
    told = capsys.readouterr().out
    for place in ("cost", "false", "delays"):
        assert tables(read())[place].splitlines()[0] in told
    assert told.count("| Streamgauge") == 9
    assert "| 0 of 3 (0.0 %) |" in told


@pytest.mark.parametrize("arguments", [["--write", "--quick"], ["--write", "river"], ["Deepchecks"]])
def test_what_the_command_cannot_do_is_said(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert re.search("--write alone|no tool is called deepchecks", capsys.readouterr().err)
