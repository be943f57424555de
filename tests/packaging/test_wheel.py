"""What users install: the built wheel in a clean environment, with and without the worker's packages."""

import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = ("schemas", "detectors", "streams", "clients", "notify", "cli", "demo")

pytestmark = pytest.mark.slow


def run(*line, cwd, **options):
    done = subprocess.run(
        [str(w) for w in line], cwd=cwd, capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def context(target):
    """A copy of this checkout as the image's build sees it: without what .dockerignore names."""
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]

    def skip(folder, names):
        top = Path(folder) == ROOT
        patterns = [p.removeprefix("**/") for p in ignored if top or p.startswith("**/")]
        return {name for name in names if any(fnmatch(name, pattern) for pattern in patterns)}

    return Path(shutil.copytree(ROOT, target, symlinks=True, ignore=skip))


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """The source distribution, and the wheel built from it: as releases are made."""
    source = context(tmp_path_factory.mktemp("source") / "streamgauge")
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, cwd=source)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def base_python(distributions, tmp_path_factory):
    """The interpreter of a clean environment that holds the wheel and what it requires, nothing else."""
    home = tmp_path_factory.mktemp("base") / "venv"
    venv.create(home, with_pip=True)
    run(home / "bin/pip", "install", "--quiet", distributions[0], cwd=home)
    return home / "bin/python"


def wanted_files():
    files = {"streamgauge/__init__.py", "streamgauge/__main__.py", "streamgauge/py.typed"}
    for folder in CODE:
        for kind in ("*.py", "*.avsc", "*.yaml", "*.json"):
            files |= {f"streamgauge/{p.relative_to(ROOT).as_posix()}" for p in (ROOT / folder).rglob(kind)}
    return files


def test_the_wheel_holds_all_code_and_data_once_and_nothing_else(distributions):
    names = set(zipfile.ZipFile(distributions[0]).namelist())
    ours = {name for name in names if ".dist-info/" not in name}
    assert ours == wanted_files()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_source_distribution_holds_the_same(distributions):
    with tarfile.open(distributions[1]) as archive:
        members = archive.getmembers()
    names = {member.name.split("/", 1)[1] for member in members if member.isfile()}
    assert wanted_files() <= names
    assert {"pyproject.toml", "setup.py", "README.md", "LICENSE"} <= names
    assert not [member.name for member in members if member.issym()]


def test_the_base_install_logs_predictions_and_loads_nothing_of_the_worker(base_python, tmp_path):
    code = """
import sys
import streamgauge

CODE = {"schemas", "detectors", "streams", "clients", "notify", "cli", "demo"}
from streamgauge.clients.sinks import MemorySink

sink = MemorySink()
with streamgauge.PredictionLogger("credit", version="7", sink=sink) as logger:
    logger.predict("approved", score=0.83, latency_ms=12.5, features={"age": 41}, prediction_id="a-1")
(batch,) = sink.predictions
assert batch.model == "credit" and len(batch) == 1, batch
unwanted = {"faust", "river", "pydantic", "msgspec", "structlog", "prometheus_client", "yaml", "rich"}
assert not unwanted & set(sys.modules), unwanted & set(sys.modules)
bare = {name.split(".")[0] for name in sys.modules} & CODE
assert not bare, bare
"""
    run(base_python, "-W", "error", "-c", code, cwd=tmp_path)


def test_the_base_install_has_the_command_line_and_names_the_extra_a_command_lacks(base_python, tmp_path):
    command = base_python.with_name("streamgauge")
    assert "examples:" in run(command, "--help", cwd=tmp_path)
    assert run(command, "--version", cwd=tmp_path).startswith("streamgauge 0.")
    for words, extra in (
        (["worker"], "worker"),
        (["monitors", "validate", "-"], "worker"),
        (["demo"], "demo"),
        (["notifier"], "notifier"),
    ):
        done = subprocess.run([command, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"pip install 'streamgauge[{extra}]'" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_clients_commands_need_no_extra(base_python, tmp_path):
    for name in ("alerts", "metrics", "retrain", "send"):
        run(base_python.with_name("streamgauge"), name, "--help", cwd=tmp_path)


def test_a_checkout_without_its_links_refuses_to_build(tmp_path):
    source = context(tmp_path / "streamgauge")
    link = source / "streamgauge" / "schemas"
    link.unlink()
    link.write_text("../schemas")  # what git leaves where core.symlinks is false
    done = subprocess.run(
        [sys.executable, "setup.py", "--version"], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "git clone -c core.symlinks=true" in done.stderr


def test_the_images_install_steps_work_in_a_clean_environment(tmp_path):
    """The `RUN` lines of the Dockerfile, as they stand, but for the folder they install into."""
    source, home = context(tmp_path / "src"), tmp_path / "opt"
    steps = [
        line.removeprefix("RUN ")
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if "/opt/" in line
    ]
    steps = [
        step.replace("/opt/streamgauge", str(home)) for step in steps if step.startswith(("python", "/opt"))
    ]
    assert len(steps) == 3
    for step in steps:
        run(
            "bash",
            "-c",
            step.replace("python ", f"{sys.executable} ", 1) if step.startswith("python") else step,
            cwd=source,
        )
    assert run(home / "bin/streamgauge", "worker", "--help", cwd=tmp_path)
    assert run(home / "bin/streamgauge", "topics", "create", "--help", cwd=tmp_path)
    assert run(home / "bin/streamgauge", "notifier", "--help", cwd=tmp_path)
    run(home / "bin/pip", "check", cwd=tmp_path)
