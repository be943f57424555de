"""The tutorial, done step by step: each program and command runs, and says what the page says.

`python -m tests.docs.test_tutorial` writes what they say now into the page.
"""

import contextlib
import io
import re
import shlex
import tempfile
from pathlib import Path

import pytest

from streamgauge.cli.main import main

PAGE = Path(__file__).parents[2] / "docs/tutorial/first-alert.md"
BLOCK = re.compile(r"(?ms)^```(\w+)\n(.*?)^```$")


def said(work, *arguments):
    """What it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert work(*arguments) in (0, None)
    return printed.getvalue()


def done(page):
    """The page, after all of it was done in this folder, with what was said on the way."""
    programs = []

    def step(block):
        language, text = block[1], block[2]
        if language == "python":
            programs.append(compile(text, "program", "exec"))
            if len(programs) == 1:
                exec(programs[0], {})
        elif language == "yaml":
            Path("monitors.yaml").write_text(text)
            Path("stricter.yaml").write_text(text.replace("min: 0.7,", "min: 0.72,"))
        elif language == "text":
            text = said(exec, programs[1], {})
        else:
            commands = [line for line in text.splitlines() if line.startswith("$ ")]
            text = "".join(f"{each}\n{said(main, shlex.split(each)[2:])}" for each in commands)
        return f"```{language}\n{text}```"

    return BLOCK.sub(step, page)


@pytest.mark.slow
def test_every_step_says_what_the_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = PAGE.read_text()
    assert [found[1] for found in BLOCK.finditer(page)].count("text") == 2
    assert done(page) == page


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        PAGE.write_text(done(PAGE.read_text()))
