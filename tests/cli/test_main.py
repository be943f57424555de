"""The root of the command line: the table, exit codes, and what is loaded when."""

import argparse
import subprocess
import sys
from types import ModuleType

import pytest

from streamgauge.cli import main as root
from streamgauge.schemas.errors import ConfigurationError


@pytest.fixture
def command(monkeypatch):
    """Makes `streamgauge fake` a command that does what it is given."""

    def install(run, extra=None):
        module = ModuleType("streamgauge.cli.fake")
        module.configure = lambda parser: parser.add_argument("--times", type=int, default=1)
        module.run = run
        monkeypatch.setitem(sys.modules, "streamgauge.cli.fake", module)
        monkeypatch.setattr(root, "COMMANDS", (*root.COMMANDS, root.Command("fake", "a fake", "fake", extra)))

    return install


def streamgauge(*words, **options):
    line = [sys.executable, "-m", "streamgauge", *words]
    return subprocess.run(line, capture_output=True, text=True, check=False, **options)


def test_a_command_gets_its_arguments_and_gives_the_exit_code(command):
    command(lambda args: args.times)
    assert root.main(["fake", "--times", "7"]) == 7


def test_an_error_of_ours_is_one_line_and_exit_code_1(command, capsys):
    def run(args):
        raise ConfigurationError("no broker answers at localhost:1; is it running?")

    command(run)
    assert root.main(["fake"]) == 1
    assert capsys.readouterr().err == "streamgauge: no broker answers at localhost:1; is it running?\n"


def test_a_defect_keeps_its_traceback(command):
    def run(args):
        raise ZeroDivisionError

    command(run)
    with pytest.raises(ZeroDivisionError):
        root.main(["fake"])


def test_a_missing_package_names_the_extra_that_brings_it(command, capsys):
    def run(args):
        raise ModuleNotFoundError("No module named 'faust'", name="faust")

    command(run, extra="worker")
    assert root.main(["fake"]) == 2
    assert "pip install 'streamgauge[worker]'" in capsys.readouterr().err


def test_a_missing_module_of_our_own_is_a_defect_not_a_hint(command):
    def run(args):
        raise ModuleNotFoundError("No module named 'streamgauge.x'", name="streamgauge.x")

    command(run, extra="worker")
    with pytest.raises(ModuleNotFoundError):
        root.main(["fake"])


def test_ctrl_c_is_130(command):
    def run(args):
        raise KeyboardInterrupt

    command(run)
    assert root.main(["fake"]) == 130


@pytest.mark.parametrize("words", [["nope"], ["fake", "--times", "many"], ["fake", "--unknown"]])
def test_wrong_use_is_2_and_says_where_help_is(command, capsys, words):
    command(lambda args: 0)
    with pytest.raises(SystemExit) as stop:
        root.main(words)
    assert stop.value.code == 2
    assert "--help" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["wroker"], ["streamgauge: ", "did you mean worker?", "Try: streamgauge --help"]),
        (["worker", "--helth-port", "1"], ["did you mean --health-port?", "Try: streamgauge worker --help"]),
        (["alerts", "lst"], ["did you mean list?", "Try: streamgauge alerts --help"]),
        (
            ["alerts", "list", "--modle", "a"],
            ["did you mean --model?", "Try: streamgauge alerts list --help"],
        ),
        (["doctor", "--role", "servng"], ["did you mean serving?"]),
    ],
)
def test_a_slip_of_the_pen_is_answered_with_what_may_have_been_meant(words, said, capsys):
    with pytest.raises(SystemExit) as stop:
        root.main(words)
    told = capsys.readouterr().err
    assert stop.value.code == 2
    assert [part for part in said if part not in told] == []


def test_no_command_shows_help_and_is_wrong_use(capsys):
    assert root.main([]) == 2
    assert "commands:" in capsys.readouterr().err


def test_help_of_the_root_loads_no_command_and_nothing_heavy():
    code = """
import sys
from streamgauge.cli.main import COMMANDS, main
try: main(["--help"])
except SystemExit as stop: assert stop.code == 0
commands = {f"streamgauge.cli.{c.module}" for c in COMMANDS}
heavy = {"numpy", "confluent_kafka", "fastavro", "faust", "river", "pydantic", "rich", "asyncio"}
loaded = (commands | heavy) & set(sys.modules)
assert not loaded, loaded
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {command.name for command in root.COMMANDS} <= set(done.stdout.split())


def leaves(parser):
    """The parsers below that take no further verb."""
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return [leaf for a in actions for child in a.choices.values() for leaf in leaves(child)] or [parser]


@pytest.mark.parametrize("name", [command.name for command in root.COMMANDS])
def test_every_command_has_help_with_an_example(name, capsys):
    with pytest.raises(SystemExit) as stop:
        root.main([name, "--help"])
    assert stop.value.code == 0
    noun = capsys.readouterr().out.split("\n\n", 1)[1]  # without its usage line
    assert f"  streamgauge {name}" in noun
    for leaf in leaves(root.build_parser(name)):
        if leaf.prog.split()[1] == name:
            assert leaf.prog in (leaf.epilog or "") + noun, f"`{leaf.prog} --help` has no example"


def test_a_dotenv_file_fills_in_what_the_environment_leaves_open(tmp_path, command, monkeypatch):
    (tmp_path / ".env").write_text("STREAMGAUGE_A=file\nSTREAMGAUGE_B=file\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMGAUGE_A", "environment")
    monkeypatch.setenv("STREAMGAUGE_B", "")  # so that what the file sets is undone after the test
    monkeypatch.delenv("STREAMGAUGE_B")
    seen = {}

    def run(args):
        import os

        seen.update(a=os.environ["STREAMGAUGE_A"], b=os.environ["STREAMGAUGE_B"])
        return 0

    command(run)
    assert root.main(["fake"]) == 0
    assert seen == {"a": "environment", "b": "file"}


def test_a_reader_that_goes_away_leaves_no_traceback(tmp_path):
    (tmp_path / "m.yaml").write_text("model: credit\n")
    shell = f"{sys.executable} -m streamgauge monitors validate {'m.yaml ' * 4000} | head -n 1"
    done = subprocess.run(["bash", "-c", shell], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("m.yaml: valid; 1 model\n", "")
