"""The demo's processes are watched while they run and gone when it ends."""

import os
import signal
from pathlib import Path

import pytest

from streamgauge.demo.children import Child, ChildDiedError

SLEEPER = "import signal, sys\nprint('up', flush=True)\nsignal.pause()\n"
FAILING = "import sys\nprint('the reason', file=sys.stderr)\nsys.exit(3)\n"


def _child(folder: Path, source: str, *, piped: bool = False) -> Child:
    (folder / "childmodule.py").write_text(source)
    environ = os.environ | {"PYTHONPATH": str(folder)}
    return Child("helper", "childmodule", (), folder / "child.log", environ, piped=piped)


def test_a_child_that_fails_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = _child(tmp_path, FAILING)
    child.wait(20.0)
    with pytest.raises(ChildDiedError, match=r"the helper ended with 3;(.|\n)*the reason"):
        child.check()


def test_a_child_that_is_killed_is_reported_with_the_signal(tmp_path: Path) -> None:
    with _child(tmp_path, SLEEPER, piped=True) as child:
        assert child.stdout.readline() == "up\n"
        child.check()
        os.kill(child.pid, signal.SIGKILL)
        child.wait(20.0)
        with pytest.raises(ChildDiedError, match="killed by SIGKILL"):
            child.check()


def test_a_child_is_gone_after_its_context_even_if_something_went_wrong(tmp_path: Path) -> None:
    child = _child(tmp_path, SLEEPER, piped=True)

    def interrupted() -> None:
        with child:
            assert child.stdout.readline() == "up\n"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert child.exit_code() == -signal.SIGTERM
