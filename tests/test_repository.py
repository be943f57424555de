"""Rules about the repository as a whole: what may import what, how long a module may be, what is pinned."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.longest import LONGEST

ROOT = Path(__file__).parents[1]
CODE = ("schemas", "detectors", "streams", "clients", "notify", "cli", "demo")
MODULES = sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py"))
LONGEST_MODULE = 250


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_folder_of_code_is_linked_into_the_package():
    assert {link.name for link in (ROOT / "streamgauge").iterdir() if link.is_symlink()} == set(CODE)
    for folder in CODE:
        assert (ROOT / "streamgauge" / folder).resolve() == (ROOT / folder).resolve()


def test_no_bare_name_is_imported_when_everything_is():
    """A serving app has packages called `schemas` or `detectors` of its own."""
    everything = f"""
import importlib, pkgutil, sys, streamgauge
for module in pkgutil.walk_packages(streamgauge.__path__, "streamgauge."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
bare = [name for name in sys.modules if name.split(".")[0] in {CODE!r}]
assert not bare, bare
"""
    # elsewhere: in this folder the bare names can be imported, and a slip would be noticed by users only
    done = subprocess.run(
        [sys.executable, "-c", everything], capture_output=True, text=True, cwd="/", check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_import_rules_hold():
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_is_short_and_says_first_why_it_exists(path):
    text = path.read_text()
    lines = text.count("\n")
    assert lines <= LONGEST_MODULE, f"{relative(path)} has {lines} lines"
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), f"{relative(path)} does not say why it exists"


def test_pins_are_hashed_name_no_host_and_satisfy_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for name, wanted in (("worker", ["worker", "notifier"]), ("dev", list(extras))):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        assert "://" not in text
        assert "--index-url" not in text
        assert not re.search(r"(?m)^[^\s#][^\n]*[^\\\n]$", text), "a line without hashes"
        pins = {
            p["name"]: Version(p["version"])
            for p in re.finditer(r"(?m)^(?P<name>[\w.-]+)==(?P<version>\S+)", text)
        }
        for line in project["dependencies"] + [line for extra in wanted for line in extras[extra]]:
            requirement = Requirement(line)
            if requirement.name == project["name"]:
                continue
            pinned = pins.get(re.sub(r"[-_.]+", "-", requirement.name).lower())
            assert pinned is not None, f"{requirement.name} is not pinned in {name}.txt: make requirements"
            assert pinned in requirement.specifier, (
                f"{name}.txt pins {pinned}, not {requirement}: make requirements"
            )


def test_the_tests_that_begin_first_are_there():
    missing = [name for name in LONGEST if not (ROOT / "tests" / name).exists()]
    assert not missing, "name them in tests/longest.py as they are called now"


def test_what_is_imported_is_declared():
    """A package that only comes along with another goes away with that other's next version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    base = project["dependencies"]
    worker = [*base, *extras["worker"], *extras["demo"], *extras["parquet"]]
    of_folder = dict.fromkeys(CODE, worker) | {"clients": base, "notify": [*base, *extras["notifier"]]}
    of_module = {"clients/training_data.py": [*base, *extras["training"]]}
    for folder in CODE:
        for path in (ROOT / folder).rglob("*.py"):
            wanted = of_module.get(relative(path), of_folder[folder])
            declared = {Requirement(line).name.replace("-", "_") for line in wanted}
            for module in imported(path) - set(sys.stdlib_module_names) - {"streamgauge"}:
                needed = DISTRIBUTIONS.get(module, module)
                assert needed in declared, (
                    f"{relative(path)} imports {module}: declare {needed} in pyproject.toml"
                )


#: Modules whose distribution has another name.
DISTRIBUTIONS = {
    "faust": "faust_streaming",
    "yaml": "pyyaml",
    "dotenv": "python_dotenv",
    "mode": "faust_streaming",
    "pydantic_core": "pydantic",
}


def imported(path):
    """Top-level names of all modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").split(".")[0])
    return found


def test_the_version_has_its_entry_in_the_changelog():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    headings = re.findall(r"(?m)^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text())
    assert headings[0] in {"Unreleased", version}
